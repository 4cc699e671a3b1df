// What the script printed: only the lines in view are in the page.

import { getAll } from "../api.js";
import { colored, plain } from "../ansi.js";
import { debounce, el } from "../dom.js";
import { formatNumber, formatTime } from "../format.js";
import { LogLines } from "../loglines.js";
import { readState, writeState } from "../urlstate.js";
import { currentRun } from "./run.js";

const LINE_HEIGHT = 20;
const SPARE_LINES = 30;
const WRAPPED_AT_MOST = 5000;
const ORDER = ["stdout", "stderr", "traceback"];

const run = currentRun();
const find = (name) => document.querySelector(`[data-log-${name}]`);

class LogView {
  constructor() {
    this.frame = find("frame");
    this.body = el("div", { class: "log-body" });
    this.frame.append(this.body);
    this.streams = new Map();
    this.search = "";
    this.frame.addEventListener("scroll", () => this.scrolled());
    find("follow").addEventListener("change", () => this.show());
    find("wrap").addEventListener("change", () => this.show());
    find("search").addEventListener("input", debounce(() => this.searchFor(find("search").value), 150));
    find("search").addEventListener("keydown", (event) => event.key === "Enter" && this.jump(event.shiftKey ? -1 : 1));
    new ResizeObserver(() => this.show()).observe(this.frame);
  }

  async load() {
    const found = await getAll(`/runs/${run.uuid}/attributes/`, { kind: "string_series" });
    const rank = ({ path }) => (ORDER.indexOf(leaf(path)) + ORDER.length + 1) % (ORDER.length + 1);
    const paths = found.sort((a, b) => rank(a) - rank(b) || a.path.localeCompare(b.path)).map((each) => each.path);
    document.querySelector("[data-logs]").hidden = !paths.length;
    document.querySelector("[data-logs-empty]").hidden = paths.length > 0;
    this.showStreams(paths);
    const wanted = readState(["stream"]).stream;
    if (!this.path && paths.length) await this.choose(paths.includes(wanted) ? wanted : paths[0]);
  }

  showStreams(paths) {
    const names = paths.map(leaf);
    const buttons = paths.map((path, place) => {
      const isAlone = names.filter((name) => name === names[place]).length === 1;
      return el("button", { type: "button", title: path, data: { path }, "aria-pressed": String(path === this.path), onclick: () => this.choose(path) }, isAlone ? names[place] : path.replace(/^monitoring\//, ""));
    });
    find("streams").replaceChildren(...buttons);
  }

  async choose(path) {
    this.path = path;
    writeState({ stream: path });
    find("streams").querySelectorAll("button").forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.path === path)));
    if (!this.streams.has(path)) this.streams.set(path, new LogLines(run.uuid, path));
    this.searchFor(this.search);
    await this.refresh();
    this.goToHash();
  }

  get log() {
    return this.streams.get(this.path);
  }

  async refresh() {
    const { log } = this;
    if (!log) return;
    try {
      await log.read(() => log === this.log && this.arrived());
      if (log === this.log) this.show();
    } catch (error) {
      find("count").textContent = `The log could not be read: ${error.message}`;
    }
  }

  arrived() {
    if (this.search) this.match();
    this.show();
  }

  scrolled() {
    const isAtEnd = this.frame.scrollTop + this.frame.clientHeight >= this.frame.scrollHeight - LINE_HEIGHT;
    if (!isAtEnd && this.frame.scrollTop < this.lastTop) find("follow").checked = false;
    this.lastTop = this.frame.scrollTop;
    this.show({ isScroll: true });
  }

  show({ isScroll = false } = {}) {
    if (!this.log) return;
    const { lines } = this.log;
    const isWrapped = find("wrap").checked;
    this.body.classList.toggle("wrapped", isWrapped);
    this.frame.classList.toggle("short", lines.length < 12);
    if (isWrapped) this.showWrapped(isScroll);
    else this.showWindow();
    if (!isScroll && find("follow").checked && !this.search) {
      this.frame.scrollTop = this.frame.scrollHeight;
      if (!isWrapped) this.showWindow();
    }
    const skipped = this.log.skipped ? `the last ` : "";
    find("count").textContent = `${skipped}${formatNumber(lines.length)} line${lines.length === 1 ? "" : "s"}`;
  }

  showWindow() {
    const { lines } = this.log;
    this.body.style.height = `${lines.length * LINE_HEIGHT}px`;
    const first = Math.max(0, Math.floor(this.frame.scrollTop / LINE_HEIGHT) - SPARE_LINES);
    const last = Math.min(lines.length, Math.ceil((this.frame.scrollTop + this.frame.clientHeight) / LINE_HEIGHT) + SPARE_LINES);
    const shown = el("div", { class: "log-window" }, lines.slice(first, last).map((line, i) => this.line(line, first + i)));
    shown.style.top = `${first * LINE_HEIGHT}px`;
    this.body.replaceChildren(shown);
  }

  /** Wrapped lines have no common height, so only the last few thousand are shown, all at once. */
  showWrapped(isScroll) {
    if (isScroll) return;
    const { lines } = this.log;
    const first = Math.max(0, lines.length - WRAPPED_AT_MOST);
    this.body.style.height = "";
    this.body.replaceChildren(...lines.slice(first).map((line, i) => this.line(line, first + i)));
  }

  line({ text, timestamp }, place) {
    const number = el("a", { class: "log-number", href: `#L${place + 1}`, title: formatTime(timestamp), data: { line: String(place + 1) } });
    const isCurrent = this.matches?.[this.current] === place || location.hash === `#L${place + 1}`;
    return el("div", { class: `log-line${isCurrent ? " current" : ""}` }, number, el("span", { class: "log-text" }, ...this.marked(text)));
  }

  marked(text) {
    if (!this.search) return colored(text);
    const shown = plain(text);
    const parts = [];
    let from = 0;
    const lower = shown.toLowerCase();
    for (let at = lower.indexOf(this.search); at >= 0; at = lower.indexOf(this.search, from)) {
      parts.push(shown.slice(from, at), el("mark", {}, shown.slice(at, at + this.search.length)));
      from = at + this.search.length;
    }
    return [...parts, shown.slice(from)];
  }

  searchFor(text) {
    this.search = text.toLowerCase();
    this.current = -1;
    this.match();
    if (this.matches.length) this.jump(1);
    else this.show({ isScroll: true });
  }

  match() {
    const lines = this.search && this.log ? this.log.lines : [];
    this.matches = [];
    lines.forEach(({ text }, place) => plain(text).toLowerCase().includes(this.search) && this.matches.push(place));
    find("found").textContent = this.search ? `${this.matches.length ? Math.max(this.current, 0) + 1 : 0} of ${this.matches.length}` : "";
  }

  jump(by) {
    if (!this.matches?.length) return;
    this.current = (this.current + by + this.matches.length) % this.matches.length;
    find("found").textContent = `${this.current + 1} of ${this.matches.length}`;
    this.goTo(this.matches[this.current]);
  }

  goTo(place) {
    find("follow").checked = false;
    this.frame.scrollTop = Math.max(0, place * LINE_HEIGHT - this.frame.clientHeight / 2);
    this.show({ isScroll: true });
    if (find("wrap").checked) this.showWrapped(false);
  }

  goToHash() {
    const line = location.hash.match(/^#L(\d+)$/);
    if (line) this.goTo(Number(line[1]) - 1);
  }
}

const leaf = (path) => path.slice(path.lastIndexOf("/") + 1);

const view = new LogView();
window.addEventListener("hashchange", () => view.goToHash());
await view.load();
run.live.onChange(() => view.load());
run.live.onChange(() => view.refresh());
