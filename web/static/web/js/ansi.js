// Terminal colours in log lines as classes, everything else as text.

import { el } from "./dom.js";

const ESCAPE = new RegExp("\\u001b\\[([0-9;]*)([A-Za-z])");
const NAMES = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];

function classesAfter(codes, before) {
  let classes = before;
  for (const code of (codes || "0").split(";").map(Number)) {
    if (code === 0) classes = [];
    else if (code === 1) classes = [...classes, "ansi-bold"];
    else if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97)) {
      classes = [...classes.filter((name) => name === "ansi-bold"), `ansi-${NAMES[code % 10]}`];
    } else if (code === 39) classes = classes.filter((name) => name === "ansi-bold");
  }
  return classes;
}

/** The line without its escape codes. */
export function plain(line) {
  return line.includes("\u001b") ? line.replace(new RegExp(ESCAPE.source, "g"), "") : line;
}

/** The line as text nodes and coloured spans. */
export function colored(line) {
  if (!line.includes("\u001b")) return [line];
  const parts = [];
  let classes = [];
  let rest = line;
  for (let found = ESCAPE.exec(rest); found; found = ESCAPE.exec(rest)) {
    if (found.index) parts.push(el("span", { class: classes.join(" ") }, rest.slice(0, found.index)));
    if (found[2] === "m") classes = classesAfter(found[1], classes);
    rest = rest.slice(found.index + found[0].length);
  }
  if (rest) parts.push(el("span", { class: classes.join(" ") }, rest));
  return parts;
}
