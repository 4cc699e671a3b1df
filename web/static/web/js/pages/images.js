// The gallery: a card with a step slider for every series of images, tiles for single ones.

import { get, getAll } from "../api.js";
import { debounce, el, icon, pathLabel } from "../dom.js";
import { formatStep } from "../format.js";
import { toast } from "../toast.js";
import { makeViewer } from "../viewer.js";
import { currentRun } from "./run.js";

const PIXELATED_BELOW = 128;
const MOST_STEPS = 10000;
const TILES_AT_ONCE = 60;

const run = currentRun();
const root = document.querySelector("[data-gallery]");
const viewer = makeViewer();

/** The picture of one image, sharp when it is tiny; a word where there can be none. */
function picture(image, { isLarge = false } = {}) {
  if (image.problem && !image.media_type.startsWith("image/")) return el("div", { class: "no-picture" }, icon("file"), image.media_type || "file");
  const isTiny = image.width && Math.max(image.width, image.height) <= PIXELATED_BELOW;
  const small = isLarge ? image.thumbnails["480"] : image.thumbnails["160"] ?? image.thumbnails["480"];
  return el("img", {
    src: isTiny || !small ? image.file_url : small,
    alt: image.description || image.name || image.path,
    width: image.width, height: image.height, loading: "lazy", decoding: "async",
    class: isTiny ? "pixelated" : "",
    onerror: (event) => event.target.replaceWith(el("div", { class: "no-picture" }, icon("image"), "no preview")),
  });
}

class SeriesView {
  constructor(path) {
    this.path = path;
    this.images = [];
    this.isAtEnd = true;
    this.frame = el("button", { type: "button", class: "image-frame large", title: "Show full size", onclick: () => this.enlarge(this.place) });
    this.slider = el("input", { type: "range", min: 0, max: 0, value: 0, "aria-label": `Step of ${path}` });
    this.slider.addEventListener("input", () => this.show(Number(this.slider.value)));
    this.step = el("span", { class: "chip numeric" });
    this.caption = el("p", { class: "image-caption" });
    this.count = el("span", { class: "count" });
    this.grid = el("div", { class: "image-grid", hidden: true });
    this.all = el("button", { type: "button", class: "button small quiet", "aria-pressed": "false", onclick: () => this.toggleAll() }, icon("grid-2x2"), "All steps");
    const arrow = (name, label, by) => el("button", { type: "button", class: "button quiet small square", title: label, onclick: () => this.show(this.place + by) }, icon(name, label));
    this.element = el("section", { class: "card image-series", data: { path } },
      el("header", { class: "card-head" }, el("h2", { class: "mono cut grow", title: path }, ...pathLabel(path)), this.count, this.all),
      this.frame,
      el("div", { class: "image-slider" }, arrow("chevron-left", "Previous step", -1), this.slider, arrow("chevron-right", "Next step", 1), this.step),
      this.caption,
      this.grid);
  }

  /** Load what is not here yet; the slider stays at the latest step unless the person moved it. */
  async load() {
    if (this.isLoading) return;
    this.isLoading = true;
    try {
      let cursor = "";
      let fromStep = this.images.length ? this.images[this.images.length - 1].step : undefined;
      do {
        const page = await get(`/runs/${run.uuid}/images/`, { path: this.path, limit: 500, cursor, from_step: cursor ? undefined : fromStep });
        const last = this.images.length ? this.images[this.images.length - 1].step : -Infinity;
        this.refreshLast(page.results);
        this.images.push(...page.results.filter((image) => image.step > last));
        cursor = page.next;
        this.update(page.total);
      } while (cursor && this.images.length < MOST_STEPS);
    } finally {
      this.isLoading = false;
    }
  }

  /** The last image may have got its small versions meanwhile. */
  refreshLast(results) {
    const place = this.images.length - 1;
    const again = results.find((image) => image.step === this.images[place]?.step);
    if (again) this.images[place] = again;
  }

  update(total) {
    const last = this.images.length - 1;
    this.count.textContent = `${total} image${total === 1 ? "" : "s"}`;
    this.slider.max = String(Math.max(last, 0));
    this.slider.closest(".image-slider").hidden = last < 1;
    this.all.hidden = last < 1;
    if (last >= 0) this.show(this.isAtEnd ? last : this.place);
    if (!this.grid.hidden) this.showAll();
  }

  show(place) {
    this.place = Math.min(Math.max(place, 0), this.images.length - 1);
    this.isAtEnd = this.place === this.images.length - 1;
    const image = this.images[this.place];
    this.slider.value = String(this.place);
    this.slider.setAttribute("aria-valuetext", `step ${formatStep(image.step)}`);
    this.step.textContent = `step ${formatStep(image.step)}`;
    this.caption.textContent = [image.name, image.description].filter(Boolean).join(" · ") || "\u00a0";
    const key = `${image.file_url} ${image.thumbnail_url}`;
    if (this.shown !== key) this.frame.replaceChildren(picture(image, { isLarge: true }));
    this.shown = key;
  }

  enlarge(place) {
    viewer.open(this.images, place, (now) => this.show(now));
  }

  toggleAll() {
    this.grid.hidden = !this.grid.hidden;
    this.all.setAttribute("aria-pressed", String(!this.grid.hidden));
    this.element.classList.toggle("wide", !this.grid.hidden);
    if (this.grid.hidden) this.grid.replaceChildren();
    else this.showAll();
  }

  /** Tiles are added by the screenful. */
  showAll() {
    this.grid.querySelector(".more-tiles")?.remove();
    const from = this.grid.children.length;
    const some = this.images.slice(from, from + TILES_AT_ONCE);
    this.grid.append(...some.map((image, i) => tile(image, () => this.enlarge(from + i))));
    const left = this.images.length - from - some.length;
    if (left > 0) this.grid.append(el("button", { type: "button", class: "button more-tiles", onclick: () => this.showAll() }, `Show more (${left})`));
  }
}

function tile(image, onclick) {
  const badge = image.step === null ? null : el("span", { class: "chip numeric" }, formatStep(image.step));
  const words = image.step === null ? image.path : [image.name, image.description].filter(Boolean).join(" · ");
  return el("figure", { class: "image-tile" },
    el("button", { type: "button", class: "image-frame", title: "Show full size", onclick }, picture(image), badge),
    el("figcaption", { class: `image-caption cut${image.step === null ? " mono" : ""}`, title: words }, words || "\u00a0"));
}

class Gallery {
  constructor() {
    this.series = new Map();
    this.singleKey = "";
    this.list = el("div", { class: "image-list" });
    this.count = el("span", { class: "count" });
    this.grid = el("div", { class: "image-grid" });
    this.singles = el("section", { class: "stack tight", hidden: true }, el("div", { class: "line" }, el("h2", {}, "Single images"), this.count), this.grid);
    root.replaceChildren(this.list, this.singles);
  }

  async load() {
    const [found, single] = await Promise.all([
      getAll(`/runs/${run.uuid}/attributes/`, { kind: "file_series" }),
      get(`/runs/${run.uuid}/images/`, { limit: 500 }),
    ]);
    for (const { path } of found) {
      if (this.series.has(path)) continue;
      const view = new SeriesView(path);
      this.series.set(path, view);
      this.list.append(view.element);
    }
    this.showSingles(single.results);
    document.querySelector("[data-gallery-empty]").hidden = this.series.size > 0 || single.results.length > 0;
    await Promise.all([...this.series.values()].map((view) => view.load()));
  }

  showSingles(images) {
    const key = images.map((image) => `${image.file_url} ${image.thumbnail_url}`).join();
    if (key === this.singleKey) return;
    this.singleKey = key;
    this.singles.hidden = !images.length;
    this.count.textContent = String(images.length);
    this.grid.replaceChildren(...images.map((image, place) => tile(image, () => viewer.open(images, place))));
  }
}

const gallery = new Gallery();
try {
  await gallery.load();
} catch (error) {
  toast(`The images could not be loaded: ${error.message}`);
}
run.live.onChange(debounce(() => gallery.load(), 300));
