// One series in its card: drawn when it comes into view, refreshed from the tail, zoomed with the server's help.

import { exportAddress } from "../api.js";
import { el, icon, pathLabel } from "../dom.js";
import { formatNumber, formatStep } from "../format.js";
import { AXES } from "./axes.js";
import { faded, runColor } from "./colors.js";
import { chartOptions } from "./options.js";
import { specialMarks } from "./plugins.js";
import { smooth } from "./smoothing.js";
import { MAX_POINTS } from "./source.js";
import { pointsTable } from "./table.js";

const FEW_POINTS = 40;
const ZOOM_PAUSE_MS = 150;

export class ChartCard {
  constructor(board, attribute) {
    this.board = board;
    this.path = attribute.path;
    this.unit = attribute.unit || "";
    this.bounds = { min: attribute.range_minimum, max: attribute.range_maximum };
    this.columns = null;
    this.zoomed = null;
    this.range = null;
    this.chart = null;
    this.isVisible = false;
    this.element = this.build();
  }

  build() {
    this.last = el("span", { class: "chart-last numeric" });
    this.stage = el("div", { class: "chart-stage skeleton" });
    this.foot = el("span", {}, "\u00a0");
    this.badge = el("button", { type: "button", class: "chip chart-zoomed", hidden: true, title: "Show the whole series", onclick: () => this.resetZoom() }, icon("zoom-out"), "zoomed");
    const title = el("h3", { class: "chart-title cut", title: this.path }, ...pathLabel(this.path));
    const tool = (name, label, action) =>
      el("button", { type: "button", class: "button quiet small square", title: label, onclick: action }, icon(name, label));
    this.tableButton = tool("table", "Show as a table", () => this.toggleTable());
    const file = (format, label) => el("a", { class: "button quiet small", href: exportAddress(this.board.run, format, this.path), download: "", title: `Download all points as ${label}` }, label);
    const tools = el("span", { class: "chart-tools" }, file("csv", "CSV"), file("parquet", "Parquet"), this.tableButton, tool("maximize-2", "Show large", () => this.board.enlarge(this)));
    return el("article", { class: "card chart-card", data: { path: this.path } },
      el("header", { class: "chart-head" }, title, this.last, tools),
      this.stage,
      el("footer", { class: "chart-foot" }, this.foot, this.badge));
  }

  get settings() {
    return this.board.settings;
  }

  get axis() {
    return AXES[this.settings.axis];
  }

  async show() {
    this.isVisible = true;
    try {
      if (!this.columns || this.axisRead !== this.axis.api) await this.read();
      if (this.isVisible) this.draw();
    } catch (error) {
      this.fail(error);
    }
  }

  /** The card left the view: its canvas goes, its points stay. */
  hide() {
    this.isVisible = false;
    this.chart?.destroy();
    this.chart = null;
  }

  async read() {
    this.axisRead = this.axis.api;
    this.columns = await this.board.source.read(this.path, { axis: this.axis.api });
    if (this.range) await this.readRange();
  }

  async readRange() {
    const [from, to] = this.range.map((x) => this.axis.toApi(x, this.start));
    this.zoomed = await this.board.source.read(this.path, { axis: this.axis.api, from, to });
  }

  /** Fetch what was added since the last look. */
  async refresh() {
    if (!this.columns || !this.isVisible) return;
    const before = this.columns.cursor;
    const tail = before ? await this.board.source.readTail(this.path, before) : null;
    if (this.columns.cursor !== before) return;
    if (!tail || this.columns.steps.length + tail.steps.length > 2 * MAX_POINTS) await this.read();
    else if (tail.steps.length) this.append(tail);
    else return;
    if (this.isVisible) this.draw();
  }

  append(tail) {
    const { columns } = this;
    columns.steps.push(...tail.steps);
    columns.times.push(...tail.times);
    columns.values.push(...tail.values);
    columns.cursor = tail.cursor;
    columns.total = columns.isExact ? columns.steps.length : columns.total + tail.steps.length;
  }

  /** Where relative time begins: the server says it, the same for every reader. */
  get start() {
    return this.columns?.origin || this.board.createdAt;
  }

  draw() {
    if (!this.columns) return;
    const shown = this.zoomed ?? this.columns;
    const xs = this.axis.positions(shown, this.start);
    this.describe(shown);
    if (this.table) return this.showTable();
    const chart = this.chart ?? this.makeChart();
    const color = runColor(this.board.run);
    const points = (values) => xs.map((x, i) => ({ x, y: this.usable(values[i]) }));
    const few = shown.values.length <= FEW_POINTS ? 2 : 0;
    const line = { borderWidth: 1.5, clip: 5, pointRadius: few, pointHoverRadius: 4, borderColor: color, pointBackgroundColor: color, pointHitRadius: 8 };
    chart.data.datasets = [{ ...line, label: "value", data: points(shown.values) }];
    if (this.settings.smoothing > 0) {
      const faint = faded(color, 0.25);
      chart.data.datasets[0] = { ...chart.data.datasets[0], label: "logged", borderColor: faint, pointRadius: 0, borderWidth: 1 };
      chart.data.datasets.unshift({ ...line, label: "smoothed", pointRadius: 0, data: points(smooth(xs, shown.values, this.settings.smoothing)) });
    }
    chart.$specials = xs.map((x, i) => ({ x, value: shown.values[i] })).filter(({ value }) => !Number.isFinite(value));
    [chart.options.scales.x.min, chart.options.scales.x.max] = this.range ?? this.board.extent(xs);
    chart.update("none");
  }

  /** What a line can show: log scales have no place for zero and below. */
  usable(value) {
    return Number.isFinite(value) && (!this.settings.isLog || value > 0) ? value : null;
  }

  makeChart() {
    const canvas = el("canvas", { role: "img", "aria-label": `Chart of ${this.path}` });
    canvas.addEventListener("dblclick", () => this.resetZoom());
    this.stage.classList.remove("skeleton");
    this.stage.replaceChildren(canvas);
    const bounds = this.bounds;
    const hooks = { bounds, onZoom: (from, to) => this.zoomTo(from, to), timeOf: (i) => (this.zoomed ?? this.columns).times[i] };
    this.chart = new window.Chart(canvas, {
      type: "line",
      data: { datasets: [] },
      options: chartOptions(this.settings, hooks),
      plugins: [this.board.crosshair, specialMarks],
    });
    return this.chart;
  }

  /** Settings changed: begin anew with the points at hand. */
  async restyle({ isNewAxis = false } = {}) {
    if (isNewAxis) this.forgetZoom();
    this.chart?.destroy();
    this.chart = null;
    if (this.isVisible) await this.show();
    else if (this.axisRead !== this.axis.api) this.columns = null;
  }

  zoomTo(from, to) {
    this.range = [from, to];
    this.badge.hidden = false;
    this.board.zoomChanged(this);
    clearTimeout(this.zoomTimer);
    this.zoomTimer = setTimeout(() => this.fillRange(), ZOOM_PAUSE_MS);
  }

  /** The old points stay until those of the range are here. */
  async fillRange() {
    if (!this.range || !this.columns) return;
    const wanted = this.range;
    try {
      await this.readRange();
    } catch (error) {
      this.foot.textContent = error.message;
      return;
    }
    if (this.range === wanted && this.isVisible) this.draw();
  }

  forgetZoom() {
    this.range = null;
    this.zoomed = null;
    this.badge.hidden = true;
  }

  resetZoom({ isAlone = true } = {}) {
    if (!this.range) return;
    this.forgetZoom();
    if (isAlone) this.board.zoomChanged(this);
    if (this.isVisible) this.restyle();
  }

  describe(shown) {
    const { columns } = this;
    const place = columns.values.length - 1;
    const value = columns.values[place];
    this.last.textContent = place >= 0 ? `${formatNumber(value)}${this.unit ? ` ${this.unit}` : ""}` : "";
    this.last.title = place >= 0 ? `${value} at step ${formatStep(columns.steps[place])}` : "";
    const drawn = shown.values.length;
    const of = drawn < shown.total ? `${formatNumber(drawn)} of ${formatNumber(shown.total)} points` : `${formatNumber(shown.total)} point${shown.total === 1 ? "" : "s"}`;
    const odd = shown.values.filter((each) => !Number.isFinite(each)).length;
    this.foot.textContent = of + (this.zoomed ? " in this range" : "") + (odd ? ` · ${odd} NaN or ∞` : "");
    this.chart?.canvas.setAttribute("aria-label", `Chart of ${this.path}: ${of}, last value ${formatNumber(value)}`);
  }

  toggleTable() {
    this.table = !this.table;
    this.tableButton.setAttribute("aria-pressed", String(this.table));
    this.chart?.destroy();
    this.chart = null;
    this.draw();
  }

  showTable() {
    this.stage.classList.remove("skeleton");
    this.stage.replaceChildren(pointsTable(this.path, this.zoomed ?? this.columns));
  }

  fail(error) {
    this.stage.classList.remove("skeleton");
    const retry = el("button", { type: "button", class: "button small", onclick: () => this.show() }, icon("refresh-cw"), "Try again");
    this.stage.replaceChildren(el("div", { class: "chart-failed" }, el("p", {}, `This chart could not be loaded: ${error.message}`), retry));
  }
}
