// Hardware readings on one time axis: zooming one chart zooms them all.

import { startBoard } from "../charts/start.js";

/** One section per process that sent readings. */
function sectionOf(path) {
  return path.split("/").slice(0, -1).join("/");
}

await startBoard({
  defaultAxis: "relative",
  isLinked: true,
  accepts: (path) => path.startsWith("monitoring/"),
  sectionOf,
});
