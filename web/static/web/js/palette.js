// Ctrl/Cmd-K: go to a project, or to a run of the project one is in.

import { get } from "./api.js";
import { debounce, el, icon } from "./dom.js";

class Palette {
  constructor(dialog) {
    this.dialog = dialog;
    this.field = dialog.querySelector("input");
    this.list = dialog.querySelector(".palette-list");
    this.project = dialog.dataset.project || "";
    this.field.addEventListener("input", debounce(() => this.search(), 150));
    dialog.addEventListener("keydown", (event) => this.key(event));
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  }

  open() {
    if (this.dialog.open) return;
    this.dialog.showModal();
    this.field.value = "";
    this.search();
  }

  async search() {
    const search = this.field.value.trim();
    this.asked = search;
    const [runs, projects] = await Promise.all([this.runs(search), get("/projects/", { search, limit: 20 })]);
    if (this.asked !== search) return;
    this.list.replaceChildren();
    this.group("Runs", runs, (run) => [`/${this.project}/e/${run.sys_id}/`, "activity", run.sys_id, run.name]);
    this.group("Projects", projects.results, (each) => [
      `/${each.organization}/${each.name}/`, "folder", `${each.organization}/${each.name}`, each.key,
    ]);
    if (!this.list.children.length) this.list.append(el("p", { class: "rail-label" }, "Nothing matches."));
    this.mark(this.options[0]);
  }

  async runs(search) {
    if (!this.project) return [];
    return (await get(`/projects/${this.project}/runs/`, { search, limit: 8 })).results;
  }

  group(title, rows, describe) {
    if (!rows.length) return;
    this.list.append(el("div", { class: "rail-label" }, title));
    for (const row of rows) {
      const [href, picture, name, note] = describe(row);
      this.list.append(
        el("a", { class: "menu-item", href, role: "option", tabindex: -1 }, icon(picture), el("span", { class: "mono nowrap" }, name), el("span", { class: "muted cut" }, note || "")),
      );
    }
  }

  get options() {
    return [...this.list.querySelectorAll("[role=option]")];
  }

  mark(option) {
    this.options.forEach((each) => each.setAttribute("aria-selected", String(each === option)));
    option?.scrollIntoView({ block: "nearest" });
  }

  key(event) {
    const options = this.options;
    const place = options.findIndex((each) => each.getAttribute("aria-selected") === "true");
    if (event.key === "ArrowDown") this.mark(options[Math.min(place + 1, options.length - 1)]);
    else if (event.key === "ArrowUp") this.mark(options[Math.max(place - 1, 0)]);
    else if (event.key === "Enter" && options[place]) location.assign(options[place].href);
    else return;
    event.preventDefault();
  }
}

export function enablePalette() {
  const dialog = document.querySelector("[data-palette]");
  if (!dialog) return;
  const palette = new Palette(dialog);
  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      palette.open();
    }
  });
  document.addEventListener("click", (event) => event.target.closest("[data-open-palette]") && palette.open());
}
