// Hardware readings on one time axis: zooming one chart zooms them all.

import { startBoard } from "../charts/start.js";

const KINDS = [["gpu", "GPU"], ["cpu", "CPU"], ["memory", "Memory"]];

function sectionOf(path) {
  const parts = path.split("/");
  const name = parts[parts.length - 1].toLowerCase();
  const kind = KINDS.find(([word]) => name.includes(word));
  const origin = parts.length > 2 ? parts.slice(1, -1).join("/") : "";
  return [kind ? kind[1] : "Other readings", origin].filter(Boolean).join(" · ");
}

await startBoard({
  defaultAxis: "relative",
  isLinked: true,
  accepts: (attribute) => attribute.path.startsWith("monitoring/"),
  sectionOf,
});
