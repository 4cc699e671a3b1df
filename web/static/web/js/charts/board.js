// All charts of a run, in sections by namespace.

import { getAll } from "../api.js";
import { el, icon } from "../dom.js";
import { ChartCard } from "./card.js";
import { CrosshairBus, crosshair } from "./plugins.js";
import { SeriesSource } from "./source.js";

const OPEN_AT_FIRST = 80;
const CATALOGUE_PAUSE_MS = 4000;
const REFRESHED_AT_ONCE = 20;

export class Board {
  /** `accepts(attribute)` says which series belong here; `isLinked`: zooming one chart zooms all. */
  constructor(root, { run, createdAt, settings, accepts, isLinked = false, sectionOf }) {
    Object.assign(this, { root, run, createdAt, settings, accepts, isLinked, sectionOf });
    this.source = new SeriesSource(run);
    this.crosshair = crosshair(new CrosshairBus());
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
    const attributes = await getAll(`/runs/${this.run}/attributes/`, { kind: "float_series" });
    for (const attribute of attributes.filter((each) => this.accepts(each))) {
      if (!this.cards.has(attribute.path)) this.add(attribute);
    }
    this.filter();
  }

  add(attribute) {
    const card = new ChartCard(this, attribute);
    this.cards.set(card.path, card);
    const section = this.section(this.sectionOf(card.path));
    section.grid.append(card.element);
    section.cards.push(card);
    this.observer.observe(card.element);
  }

  section(name) {
    if (this.sections.has(name)) return this.sections.get(name);
    const grid = el("div", { class: "chart-grid" });
    const count = el("span", { class: "count" });
    const heading = el("h2", {}, name || "other series");
    const element = el("details", { class: "chart-section", open: this.cards.size <= OPEN_AT_FIRST }, el("summary", {}, icon("chevron-right"), heading, count), grid);
    const section = { name, element, grid, count, cards: [] };
    this.sections.set(name, section);
    const after = [...this.sections.values()].find((each) => each !== section && each.name.localeCompare(name) > 0 && each.element.isConnected);
    const next = [...this.root.children].find((child) => (child.querySelector("h2")?.textContent ?? "").localeCompare(name) > 0);
    this.root.insertBefore(element, next ?? (after ? after.element : null));
    return section;
  }

  /** Show the cards that match the filter: plain text, or a /regular expression/. */
  filter() {
    const matches = matcher(this.settings.search);
    let shown = 0;
    for (const section of this.sections.values()) {
      const visible = section.cards.filter((card) => {
        card.element.hidden = !matches(card.path);
        return !card.element.hidden;
      });
      section.element.hidden = !visible.length;
      section.count.textContent = String(visible.length);
      if (this.settings.search && visible.length) section.element.open = true;
      shown += visible.length;
    }
    this.onCounted?.(shown, this.cards.size);
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
    const wait = this.cataloguedAt + CATALOGUE_PAUSE_MS - Date.now();
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
