// All charts of a run, in sections by namespace. A run may have ten thousand series: cards are made for open sections
// only, a page at a time, and points are asked for when a card comes into view.

import { get } from "../api.js";
import { el, icon } from "../dom.js";
import { ChartCard } from "./card.js";
import { CrosshairBus, crosshair } from "./plugins.js";
import { SeriesSource } from "./source.js";

const OPEN_AT_FIRST = 80;
const CARDS_PER_PAGE = 60;
const CATALOGUE_PAUSE_MS = 4000;
const PAUSE_PER_SERIES_MS = 4;
const REFRESHED_AT_ONCE = 20;

export class Board {
  /** `accepts(path)` says which series belong here; `isLinked`: zooming one chart zooms all. */
  constructor(root, { run, createdAt, settings, accepts, isLinked = false, sectionOf }) {
    Object.assign(this, { root, run, createdAt, settings, accepts, isLinked, sectionOf });
    this.source = new SeriesSource(run);
    this.crosshair = crosshair(new CrosshairBus());
    this.paths = new Set();
    this.configured = {};
    this.cards = new Map();
    this.sections = new Map();
    this.cataloguedAt = 0;
    this.observer = new IntersectionObserver((entries) => this.seen(entries), { rootMargin: "240px 0px" });
    document.addEventListener("theme:changed", () => this.restyle());
  }

  seen(entries) {
    for (const entry of entries) {
      const card = this.cards.get(entry.target.dataset.path);
      if (!card || this.large === card) continue;
      if (entry.isIntersecting) card.show();
      else card.hide();
    }
  }

  async load() {
    this.cataloguedAt = Date.now();
    const { paths, configured } = await get(`/runs/${this.run}/series/paths/`);
    this.configured = configured;
    let isNew = false;
    for (const path of paths) {
      if (this.paths.has(path) || !this.accepts(path)) continue;
      this.section(this.sectionOf(path)).paths.push(path);
      this.paths.add(path);
      isNew = true;
    }
    if (isNew || !this.isLoaded) this.filter();
    this.isLoaded = true;
  }

  section(name) {
    if (this.sections.has(name)) return this.sections.get(name);
    const grid = el("div", { class: "chart-grid" });
    const count = el("span", { class: "count" });
    const more = el("button", { type: "button", class: "button small chart-more", hidden: true, onclick: () => this.showMore(section) });
    const heading = el("h2", {}, name || "other series");
    const element = el("details", { class: "chart-section", open: this.paths.size <= OPEN_AT_FIRST }, el("summary", {}, icon("chevron-right"), heading, count), grid, more);
    const section = { name, element, grid, count, more, paths: [], matching: [], room: CARDS_PER_PAGE };
    element.addEventListener("toggle", () => this.fill(section));
    this.sections.set(name, section);
    const next = [...this.root.children].find((child) => (child.querySelector("h2")?.textContent ?? "").localeCompare(name) > 0);
    this.root.insertBefore(element, next ?? null);
    return section;
  }

  /** Show the cards that match the filter: plain text, or a /regular expression/. */
  filter() {
    const matches = matcher(this.settings.search);
    let shown = 0;
    for (const section of this.sections.values()) {
      section.matching = section.paths.filter(matches);
      section.element.hidden = !section.matching.length;
      section.count.textContent = String(section.matching.length);
      if (this.settings.search && section.matching.length && shown < OPEN_AT_FIRST) section.element.open = true;
      shown += section.matching.length;
      this.fill(section);
    }
    this.onCounted?.(shown, this.paths.size);
  }

  /** Put the cards of an open section in place, as many as there is room for now; those that were made stay. */
  fill(section) {
    const wanted = section.element.open ? section.matching.slice(0, section.room) : [];
    const cards = new Set(wanted.map((path) => this.card(path)));
    for (const element of [...section.grid.children]) {
      const card = this.cards.get(element.dataset.path);
      if (card && !cards.has(card)) {
        element.remove();
        card.hide();
      }
    }
    let before = null;
    for (const card of cards) {
      const place = before ? before.nextSibling : section.grid.firstChild;
      if (card !== this.large && place !== card.element) section.grid.insertBefore(card.element, place);
      before = card === this.large ? before : card.element;
    }
    const rest = section.matching.length - wanted.length;
    section.more.hidden = !section.element.open || rest <= 0;
    section.more.textContent = `Show ${Math.min(rest, CARDS_PER_PAGE)} more of ${rest}`;
  }

  showMore(section) {
    section.room += CARDS_PER_PAGE;
    this.fill(section);
  }

  card(path) {
    if (!this.cards.has(path)) {
      const card = new ChartCard(this, { path, ...this.configured[path] });
      this.cards.set(path, card);
      this.observer.observe(card.element);
    }
    return this.cards.get(path);
  }

  /** The ends of the x axis for positions `xs`: all charts of a linked board share theirs. */
  extent(xs) {
    let [first, last] = xs.length ? [Math.min(...xs), Math.max(...xs)] : [0, 1];
    if (this.isLinked) {
      const before = this.shared ?? [Infinity, -Infinity];
      [first, last] = this.shared = [Math.min(first, before[0]), Math.max(last, before[1])];
      if (first < before[0] || last > before[1]) this.redrawSoon();
    }
    return first === last ? [first - 0.5, last + 0.5] : [first, last];
  }

  redrawSoon() {
    cancelAnimationFrame(this.redrawing);
    this.redrawing = requestAnimationFrame(() => this.cards.forEach((card) => card.chart && card.draw()));
  }

  async restyle(change = {}) {
    if (change.isNewAxis) this.shared = null;
    await Promise.all([...this.cards.values()].map((card) => card.restyle(change)));
  }

  /** New points: the tails of what is in view, a few at a time; now and then a look for new series. */
  async refresh() {
    await this.loadSometimes();
    const visible = [...this.cards.values()].filter((card) => card.isVisible);
    while (visible.length) await Promise.all(visible.splice(0, REFRESHED_AT_ONCE).map((card) => card.refresh()));
  }

  /** Look for new series, but not after every point: a look that comes too early is made up for later. */
  async loadSometimes() {
    clearTimeout(this.lookingLater);
    const pause = Math.max(CATALOGUE_PAUSE_MS, PAUSE_PER_SERIES_MS * this.paths.size);
    const wait = this.cataloguedAt + pause - Date.now();
    if (wait <= 0) await this.load();
    else this.lookingLater = setTimeout(() => this.load().catch(() => {}), wait);
  }

  get zoomedCards() {
    return [...this.cards.values()].filter((card) => card.range);
  }

  zoomChanged(source) {
    if (this.isLinked && !this.isLinking) this.linkZoom(source);
    this.onZoomed?.(this.zoomedCards.length);
  }

  linkZoom(source) {
    this.isLinking = true;
    for (const card of this.cards.values()) {
      if (card === source) continue;
      if (!source.range) card.resetZoom({ isAlone: false });
      else {
        card.zoomTo(...source.range);
        if (card.chart) card.draw();
      }
    }
    this.isLinking = false;
  }

  resetZoom() {
    for (const card of this.zoomedCards) card.resetZoom({ isAlone: false });
    this.onZoomed?.(0);
  }

  /** One chart over the whole page; it goes back where it was. */
  enlarge(card) {
    const place = el("div", { class: "chart-card" });
    const dialog = el("dialog", { class: "chart-large", "aria-label": card.path });
    card.element.replaceWith(place);
    const close = el("button", { type: "button", class: "button", onclick: () => dialog.close() }, icon("minimize-2"), "Close");
    dialog.append(card.element, close);
    document.body.append(dialog);
    this.large = card;
    dialog.addEventListener("close", () => {
      place.replaceWith(card.element);
      dialog.remove();
      this.large = null;
      card.restyle();
    });
    dialog.showModal();
    card.restyle();
  }
}

function matcher(search) {
  const text = search.trim();
  if (!text) return () => true;
  const expression = text.match(/^\/(.+?)\/?$/);
  if (expression) {
    try {
      const pattern = new RegExp(expression[1], "i");
      return (path) => pattern.test(path);
    } catch {
      return () => false;
    }
  }
  const words = text.toLowerCase().split(/\s+/);
  return (path) => words.every((word) => path.toLowerCase().includes(word));
}
