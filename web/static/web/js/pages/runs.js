// The runs table: columns to choose, more rows on the way down, fresh rows while it is looked at.

import { get } from "../api.js";
import { debounce, el, isTyping } from "../dom.js";
import { fetchPage, refreshRegions } from "../regions.js";

const REFRESH_SECONDS = 5;
const table = document.querySelector("[data-runs-table]");
const toolbar = document.querySelector("[data-runs-toolbar]");
const badge = document.querySelector("[data-live]");

/** The address with other columns; it begins again at the first page. */
function addressWith(columns) {
  const query = new URLSearchParams(location.search);
  query.delete("column");
  query.delete("columns");
  query.delete("cursor");
  columns.forEach((path) => query.append("column", path));
  if (!columns.length) query.set("columns", "none");
  return `${location.pathname}?${query}`;
}

function shownColumns() {
  return [...document.querySelectorAll("[data-column]")].map((head) => head.dataset.column);
}

// --- columns -----------------------------------------------------------------------------------------------------------

class ColumnChooser {
  constructor(menu, project) {
    this.menu = menu;
    this.project = project;
    this.list = menu.querySelector("[data-column-list]");
    this.field = menu.querySelector("[data-column-search]");
    this.field.addEventListener("input", debounce(() => this.load(), 150));
    this.list.addEventListener("change", () => this.apply());
    menu.addEventListener("toggle", () => menu.open && this.open());
  }

  open() {
    this.load();
    this.field.focus();
  }

  async load() {
    const search = this.field.value.trim();
    const page = await get(`/projects/${this.project}/attributes/`, { search, limit: 200 });
    if (search !== this.field.value.trim()) return;
    const chosen = shownColumns();
    const found = new Map(page.results.map((each) => [each.path, each.kind]));
    const ordered = [...chosen.filter((path) => !search || path.includes(search)), ...[...found.keys()].filter((path) => !chosen.includes(path))];
    this.list.replaceChildren(...ordered.map((path) => this.option(path, found.get(path), chosen.includes(path))));
    if (!ordered.length) this.list.append(el("p", { class: "rail-label" }, "No attribute matches."));
  }

  option(path, kind, isChosen) {
    const box = el("input", { type: "checkbox", value: path, checked: isChosen });
    return el("label", {}, box, el("span", { class: "mono cut", title: path }, path), el("span", { class: "kind" }, (kind ?? "").replace("_", " ")));
  }

  async apply() {
    const boxes = [...this.list.querySelectorAll("input")];
    const kept = shownColumns().filter((path) => boxes.every((box) => box.value !== path || box.checked));
    const added = boxes.filter((box) => box.checked && !kept.includes(box.value)).map((box) => box.value);
    await show(addressWith([...kept, ...added]));
  }
}

// --- the table ---------------------------------------------------------------------------------------------------------

/** Go to another view of the table without loading the page anew. */
async function show(address) {
  const fresh = await fetchPage(address);
  history.pushState({}, "", address);
  takeTable(fresh);
}

function takeTable(fresh) {
  const next = fresh.querySelector("[data-runs-table]");
  if (!next || !table) {
    location.reload();
    return;
  }
  table.tHead.replaceWith(document.adoptNode(next.tHead));
  table.tBodies[0].replaceWith(document.adoptNode(next.tBodies[0]));
  document.querySelector("#runs-more").replaceWith(document.adoptNode(fresh.querySelector("#runs-more")));
  document.querySelector("[data-column-count]").textContent = String(shownColumns().length);
  watchMore();
}

async function loadMore(link) {
  if (link.dataset.busy) return;
  link.dataset.busy = "yes";
  link.textContent = "Loading…";
  const fresh = await fetchPage(link.href);
  const rows = fresh.querySelectorAll("[data-runs-table] tbody tr");
  table.tBodies[0].append(...[...rows].map((row) => document.adoptNode(row)));
  document.querySelector("#runs-more").replaceWith(document.adoptNode(fresh.querySelector("#runs-more")));
  watchMore();
}

const nearTheEnd = new IntersectionObserver(
  (entries) => entries.forEach((entry) => entry.isIntersecting && loadMore(entry.target)),
  { rootMargin: "400px" },
);

function watchMore() {
  nearTheEnd.disconnect();
  const link = document.querySelector("[data-more]");
  if (link) nearTheEnd.observe(link);
}

/** Exchange the rows that changed and put new runs on top; what is below stays where it is. */
async function refresh() {
  if (document.hidden) return;
  try {
    await refreshRows();
    badge.classList.add("on");
    badge.querySelector(".words").textContent = "live";
  } catch {
    badge.classList.remove("on");
    badge.querySelector(".words").textContent = "no connection, trying again";
  }
}

async function refreshRows() {
  const shown = table ? table.tBodies[0].rows.length : 0;
  const query = new URLSearchParams(location.search);
  query.delete("cursor");
  query.set("limit", String(Math.min(Math.max(shown, 50), 1000)));
  const fresh = await refreshRegions(`${location.pathname}?${query}`);
  if (!table) {
    if (fresh.querySelector("[data-runs-table]")) location.reload();
    return;
  }
  const body = table.tBodies[0];
  const known = new Map([...body.rows].map((row) => [row.dataset.run, row]));
  let place = body.firstElementChild;
  for (const row of fresh.querySelectorAll("[data-runs-table] tbody tr")) {
    const old = known.get(row.dataset.run);
    const next = document.adoptNode(row);
    if (!old) body.insertBefore(next, place);
    else {
      place = old.nextElementSibling;
      if (old.textContent !== next.textContent && !old.contains(document.activeElement)) old.replaceWith(next);
    }
  }
}

// --- keys --------------------------------------------------------------------------------------------------------------

function moveRow(by) {
  const rows = [...table.tBodies[0].rows];
  const place = rows.findIndex((row) => row.ariaSelected === "true");
  const next = rows[Math.min(Math.max(place + by, 0), rows.length - 1)];
  rows.forEach((row) => row.removeAttribute("aria-selected"));
  next.ariaSelected = "true";
  next.querySelector("a").focus();
}

function enableKeys() {
  document.addEventListener("keydown", (event) => {
    if (isTyping(event) || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/") toolbar.querySelector("[type=search]").focus();
    else if (event.key === "c") document.querySelector("[data-columns-menu]").open = true;
    else if (event.key === "j" && table) moveRow(1);
    else if (event.key === "k" && table) moveRow(-1);
    else return;
    event.preventDefault();
  });
}

if (table) {
  new ColumnChooser(document.querySelector("[data-columns-menu]"), table.dataset.project);
  table.addEventListener("click", (event) => {
    const button = event.target.closest("[data-column-remove]");
    const sorted = event.target.closest("[data-sort]");
    if (sorted && !button && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
      event.preventDefault();
      show(sorted.getAttribute("href"));
      return;
    }
    const column = button?.closest("[data-column]").dataset.column;
    if (column) show(addressWith(shownColumns().filter((path) => path !== column)));
  });
  watchMore();
}
window.addEventListener("popstate", () => location.reload());
enableKeys();
refresh();
setInterval(refresh, REFRESH_SECONDS * 1000);
