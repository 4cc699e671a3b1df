// The same points as a table, for those who can't or don't want to see a picture.

import { el } from "../dom.js";
import { formatStep, formatTime } from "../format.js";

const MOST_ROWS = 1000;

export function pointsTable(path, columns) {
  const first = Math.max(0, columns.steps.length - MOST_ROWS);
  const rows = [];
  for (let i = columns.steps.length - 1; i >= first; i -= 1) {
    rows.push(el("tr", {},
      el("td", { class: "number" }, formatStep(columns.steps[i])),
      el("td", { class: "number" }, String(columns.values[i])),
      el("td", { class: "nowrap" }, formatTime(columns.times[i]))));
  }
  const head = el("tr", {}, el("th", { scope: "col", class: "number" }, "Step"), el("th", { scope: "col", class: "number" }, "Value"), el("th", { scope: "col" }, "Time"));
  const table = el("table", { class: "table" }, el("caption", { class: "visually-hidden" }, path), el("thead", {}, head), el("tbody", {}, rows));
  return el("div", { class: "chart-table", tabindex: 0, role: "region", "aria-label": `Points of ${path}` }, table);
}
