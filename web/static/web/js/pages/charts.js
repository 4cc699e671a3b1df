// Every float series but the hardware's, by namespace.

import { startBoard } from "../charts/start.js";

await startBoard({
  defaultAxis: "step",
  isLinked: false,
  accepts: (path) => !path.startsWith("monitoring/"),
  sectionOf: (path) => path.split("/").slice(0, -1).join("/"),
});
