// The lines of one stream of text, read from the server piece by piece.

import { get } from "./api.js";

const PER_REQUEST = 1000;
const MOST_POINTS = 200000;

export class LogLines {
  /** A raw stream holds what was written, in whatever pieces; any other series holds one entry per point. */
  constructor(run, path) {
    this.run = run;
    this.path = path;
    this.isRaw = /(^|\/)(stdout|stderr)$/.test(path);
    this.lines = [];
    this.next = 0;
    this.skipped = 0;
    this.open = "";
    this.hasOpen = false;
  }

  /** Read what is new; calls `onLines` after each piece. */
  async read(onLines) {
    if (this.isReading) return;
    this.isReading = true;
    try {
      let total = Infinity;
      while (this.next < total) {
        const page = await get(`/runs/${this.run}/strings/`, { path: this.path, offset: this.next, limit: PER_REQUEST });
        total = page.total;
        if (this.next === 0 && total > MOST_POINTS) {
          this.skipped = this.next = total - MOST_POINTS;
          continue;
        }
        if (!page.lines.length) break;
        this.next += page.lines.length;
        page.lines.forEach((line) => this.add(line));
        onLines();
      }
    } finally {
      this.isReading = false;
    }
  }

  add({ value, timestamp }) {
    if (!this.isRaw) {
      value.replace(/\r?\n$/, "").split("\n").forEach((text) => this.lines.push({ text, timestamp }));
      return;
    }
    const parts = (this.open + value).split("\n");
    if (this.hasOpen) this.lines.pop();
    this.open = parts.pop();
    parts.forEach((text) => this.lines.push({ text: visible(text), timestamp }));
    this.hasOpen = this.open !== "";
    if (this.hasOpen) this.lines.push({ text: visible(this.open), timestamp });
  }
}

/** What a terminal would show: a carriage return begins the line anew. */
function visible(text) {
  const line = text.endsWith("\r") ? text.slice(0, -1) : text;
  return line.includes("\r") ? line.slice(line.lastIndexOf("\r") + 1) : line;
}
