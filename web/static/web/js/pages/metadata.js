// All attributes as a tree: folders are filled when they are opened, so that 20,000 of them stay usable.

import { getAll } from "../api.js";
import { copyText } from "../clipboard.js";
import { debounce, el, icon } from "../dom.js";
import { formatBytes, formatNumber, formatTime } from "../format.js";
import { readState, writeState } from "../urlstate.js";
import { currentRun } from "./run.js";

const ICONS = {
  float: "hash", int: "hash", bool: "check", string: "file-text", datetime: "calendar", string_set: "tags", float_series: "chart-line",
  string_series: "scroll-text", file_series: "images", file: "file", file_set: "files", artifact: "package", git_ref: "git-branch", run_state: "activity",
};
const OPEN_FOLDERS = new Set(["metrics", "parameters", "sys"]);
const FOUND_AT_MOST = 500;

const run = currentRun();
const root = document.querySelector("[data-tree]");
const search = document.querySelector("[data-tree-search]");
const count = document.querySelector("[data-tree-count]");
const base = location.pathname.replace(/\/metadata\/?$/, "");

class Folder {
  constructor(path = "") {
    this.path = path;
    this.folders = new Map();
    this.leaves = [];
    this.size = 0;
  }

  add(attribute) {
    let folder = this;
    folder.size += 1;
    const parts = attribute.path.split("/");
    for (let depth = 1; depth < parts.length; depth += 1) {
      const name = parts[depth - 1];
      if (!folder.folders.has(name)) folder.folders.set(name, new Folder(parts.slice(0, depth).join("/")));
      folder = folder.folders.get(name);
      folder.size += 1;
    }
    folder.leaves.push(attribute);
  }
}

function shownValue({ kind, value, size, file, count: points }) {
  if (kind.endsWith("_series")) {
    const last = kind === "float_series" && points ? `${formatNumber(typeof value === "string" ? Number(value) : value)} · ` : "";
    return `${last}${formatNumber(points ?? 0)} ${kind === "string_series" ? "line" : kind === "file_series" ? "file" : "point"}${points === 1 ? "" : "s"}`;
  }
  if (kind === "file" || kind === "file_set") return [file?.name, formatBytes(size ?? file?.size)].filter(Boolean).join(" · ");
  if (value === null || value === undefined || value === "") return "–";
  if (kind === "datetime") return formatTime(Date.parse(value));
  if (kind === "float") return typeof value === "number" ? formatNumber(value) : String(value);
  if (kind === "bool") return value ? "True" : "False";
  if (Array.isArray(value)) return value.join(", ");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

function address({ kind, path }) {
  const name = encodeURIComponent(path);
  if (kind === "float_series") return path.startsWith("monitoring/") ? `${base}/system?search=${name}` : `${base}/charts?search=${name}`;
  if (kind === "string_series") return `${base}/logs?stream=${name}`;
  if (kind === "file_series") return `${base}/images`;
  if (kind === "file" || kind === "file_set") return `${base}/files?path=${name}`;
  return null;
}

function leafRow(attribute, label, depth) {
  const text = shownValue(attribute);
  const target = address(attribute);
  const code = `run["${attribute.path.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"]`;
  const copy = el("button", { type: "button", class: "button quiet small", title: `Copy ${code}`, onclick: (event) => copyText(code, event.currentTarget) }, icon("copy", "Copy the path as Python"));
  const value = el("span", { class: "tree-value numeric", title: String(attribute.value ?? "").slice(0, 2000) }, target ? el("a", { href: target }, text) : text);
  return el("div", { class: `tree-row depth-${Math.min(depth, 8)}`, role: "treeitem", tabindex: -1, "aria-level": depth + 1, data: { path: attribute.path } },
    icon(ICONS[attribute.kind] ?? "circle"), el("span", { class: "tree-name mono", title: attribute.path }, label), value, el("span", { class: "tree-kind" }, attribute.kind.replace("_", " ")), copy);
}

class Tree {
  constructor() {
    this.attributes = [];
    this.open = new Set(OPEN_FOLDERS);
    root.addEventListener("keydown", (event) => this.key(event));
  }

  async load() {
    this.attributes = await getAll(`/runs/${run.uuid}/attributes/`, {}, 50000);
    this.top = new Folder();
    this.attributes.forEach((attribute) => this.top.add(attribute));
    this.show();
  }

  show() {
    const focused = document.activeElement?.closest?.("[data-path]")?.dataset.path;
    const top = root.scrollTop;
    const words = search.value.trim().toLowerCase();
    root.replaceChildren(...(words ? this.found(words) : this.rows(this.top, 0)));
    root.scrollTop = top;
    const row = focused && root.querySelector(`[data-path="${CSS.escape(focused)}"]`);
    if (row) row.focus();
    else root.querySelector("[role=treeitem]")?.setAttribute("tabindex", "0");
    if (!words) count.textContent = `${formatNumber(this.attributes.length)} attributes`;
  }

  rows(folder, depth) {
    const rows = [];
    for (const name of [...folder.folders.keys()].sort()) {
      const inner = folder.folders.get(name);
      const isOpen = this.open.has(inner.path);
      rows.push(this.folderRow(inner, name, depth, isOpen));
      if (isOpen) rows.push(...this.rows(inner, depth + 1));
    }
    rows.push(...folder.leaves.map((attribute) => leafRow(attribute, attribute.path.split("/").pop(), depth)));
    return rows;
  }

  folderRow(folder, name, depth, isOpen) {
    return el("div", {
      class: `tree-row folder depth-${Math.min(depth, 8)}`, role: "treeitem", tabindex: -1, "aria-expanded": String(isOpen), "aria-level": depth + 1,
      data: { path: folder.path, folder: "yes" }, onclick: () => this.toggle(folder.path),
    }, icon(isOpen ? "chevron-down" : "chevron-right"), icon(isOpen ? "folder-open" : "folder"), el("span", { class: "tree-name mono" }, name), el("span", { class: "count" }, String(folder.size)));
  }

  toggle(path) {
    if (!this.open.delete(path)) this.open.add(path);
    this.show();
    root.querySelector(`[data-path="${CSS.escape(path)}"]`)?.focus();
  }

  found(words) {
    const matches = this.attributes.filter((each) => each.path.toLowerCase().includes(words) || shownValue(each).toLowerCase().includes(words));
    count.textContent = `${formatNumber(matches.length)} of ${formatNumber(this.attributes.length)}`;
    if (!matches.length) return [el("p", { class: "empty" }, "No attribute matches.")];
    return matches.slice(0, FOUND_AT_MOST).map((attribute) => leafRow(attribute, attribute.path, 0));
  }

  setAll(isOpen) {
    const walk = (folder) => folder.folders.forEach((inner) => {
      if (isOpen) this.open.add(inner.path);
      walk(inner);
    });
    if (!isOpen) this.open.clear();
    walk(this.top);
    this.show();
  }

  key(event) {
    const row = event.target.closest("[role=treeitem]");
    if (!row || event.target !== row) return;
    const rows = [...root.querySelectorAll("[role=treeitem]")];
    const place = rows.indexOf(row);
    const isOpen = row.getAttribute("aria-expanded");
    if (event.key === "ArrowDown") rows[place + 1]?.focus();
    else if (event.key === "ArrowUp") rows[place - 1]?.focus();
    else if (event.key === "Enter" && !row.dataset.folder) row.querySelector("a")?.click();
    else if (row.dataset.folder && (event.key === "Enter" || (event.key === "ArrowRight" && isOpen === "false") || (event.key === "ArrowLeft" && isOpen === "true"))) this.toggle(row.dataset.path);
    else return;
    event.preventDefault();
  }
}

const tree = new Tree();
search.value = readState(["search"]).search ?? "";
search.addEventListener("input", debounce(() => {
  writeState({ search: search.value });
  tree.show();
}, 120));
document.querySelector("[data-tree-expand]").addEventListener("click", () => tree.setAll(true));
document.querySelector("[data-tree-collapse]").addEventListener("click", () => tree.setAll(false));
try {
  await tree.load();
} catch (error) {
  root.replaceChildren(el("p", { class: "empty" }, `The attributes could not be loaded: ${error.message}`));
}
run.live.onChange(() => tree.load());
