// The overview's sparklines, and its editor of tags.

import { patch } from "../api.js";
import { runColor } from "../charts/colors.js";
import { smooth } from "../charts/smoothing.js";
import { SeriesSource } from "../charts/source.js";
import { el, icon } from "../dom.js";
import { toast } from "../toast.js";
import { currentRun } from "./run.js";

const run = currentRun();
const source = new SeriesSource(run.uuid);
const charts = new Map();

async function drawSparkline(canvas) {
  const columns = await source.read(canvas.dataset.sparkline, { maxPoints: 120 });
  charts.get(canvas)?.destroy();
  const values = smooth(columns.steps, columns.values, 0.4);
  const points = columns.steps.map((x, i) => ({ x, y: Number.isFinite(values[i]) ? values[i] : null }));
  const color = runColor(run.uuid);
  charts.set(canvas, new window.Chart(canvas, {
    type: "line",
    data: { datasets: [{ data: points, borderColor: color, borderWidth: 1.5, pointRadius: points.length === 1 ? 3 : 0 }] },
    options: {
      animation: false, parsing: false, normalized: true, spanGaps: true, responsive: true, maintainAspectRatio: false, events: [],
      layout: { padding: 4 }, plugins: { legend: { display: false }, tooltip: { enabled: false } },
      scales: { x: { type: "linear", display: false, min: points[0]?.x, max: points[points.length - 1]?.x }, y: { display: false } },
    },
  }));
}

function drawSparklines() {
  for (const canvas of charts.keys()) {
    if (canvas.isConnected) continue;
    charts.get(canvas).destroy();
    charts.delete(canvas);
  }
  document.querySelectorAll("[data-sparkline]").forEach((canvas) => drawSparkline(canvas).catch(() => {}));
}

class TagEditor {
  constructor(root) {
    this.root = root;
    this.tags = JSON.parse(root.dataset.tags);
    this.show();
  }

  show() {
    const chips = this.tags.map((tag) =>
      el("span", { class: "chip tag" }, el("span", { class: "cut", title: tag }, tag),
        el("button", { type: "button", title: `Remove ${tag}`, onclick: () => this.save(this.tags.filter((each) => each !== tag)) }, icon("x", `Remove ${tag}`))));
    const field = el("input", { class: "input", placeholder: "+ tag", "aria-label": "Add a tag", maxlength: 256 });
    field.addEventListener("keydown", (event) => {
      const tag = field.value.trim();
      if (event.key !== "Enter" || !tag) return;
      event.preventDefault();
      if (!this.tags.includes(tag)) this.save([...this.tags, tag], true);
    });
    this.root.replaceChildren(...chips, field);
    return field;
  }

  async save(tags, isTyping = false) {
    const before = this.tags;
    this.tags = [...tags].sort();
    const field = this.show();
    if (isTyping) field.focus();
    try {
      await patch(`/runs/${run.uuid}/`, { tags: this.tags });
    } catch (error) {
      this.tags = before;
      this.show();
      toast(`The tags were not saved: ${error.message}`);
    }
  }
}

drawSparklines();
document.addEventListener("region:shown", (event) => event.target.id === "tiles" && drawSparklines());
document.addEventListener("theme:changed", drawSparklines);
if (run.canEdit) new TagEditor(document.querySelector("[data-tag-editor]"));
