// Chart.js plugins: the crosshair that all charts share, and marks for NaN and infinities at the edge.

import { faded, token } from "./colors.js";

/** Where the pointer is, on every chart of the page at once. */
export class CrosshairBus {
  constructor() {
    this.charts = new Set();
    this.x = null;
    this.isQueued = false;
  }

  point(x) {
    if (x === this.x) return;
    this.x = x;
    if (this.isQueued) return;
    this.isQueued = true;
    requestAnimationFrame(() => {
      this.isQueued = false;
      this.charts.forEach((chart) => chart.draw());
    });
  }
}

export function crosshair(bus) {
  return {
    id: "crosshair",
    afterInit: (chart) => bus.charts.add(chart),
    beforeDestroy: (chart) => bus.charts.delete(chart),
    afterEvent(chart, { event, inChartArea }) {
      if (event.type === "mouseout" || !inChartArea) bus.point(null);
      else if (event.type === "mousemove") bus.point(chart.scales.x.getValueForPixel(event.x));
    },
    afterDatasetsDraw(chart) {
      if (bus.x === null) return;
      const x = chart.scales.x.getPixelForValue(bus.x);
      const { left, right, top, bottom } = chart.chartArea;
      if (!(x >= left && x <= right)) return;
      const context = chart.ctx;
      context.save();
      context.strokeStyle = faded(token("muted"), 0.55);
      context.setLineDash([3, 3]);
      context.beginPath();
      context.moveTo(x, top);
      context.lineTo(x, bottom);
      context.stroke();
      context.restore();
    },
  };
}

function triangle(context, x, y, direction) {
  context.beginPath();
  context.moveTo(x, y);
  context.lineTo(x - 4, y + 7 * direction);
  context.lineTo(x + 4, y + 7 * direction);
  context.fill();
}

/** `chart.$specials` holds { x, value } of every point that is not finite: +∞ at the top, −∞ and NaN at the bottom. */
export const specialMarks = {
  id: "specialMarks",
  afterDatasetsDraw(chart) {
    const { left, right, top, bottom } = chart.chartArea;
    const context = chart.ctx;
    context.save();
    for (const { x, value } of chart.$specials ?? []) {
      const pixel = chart.scales.x.getPixelForValue(x);
      if (pixel < left || pixel > right) continue;
      context.fillStyle = Number.isNaN(value) ? token("bad") : token("warn");
      if (value === Infinity) triangle(context, pixel, top + 1, 1);
      else triangle(context, pixel, bottom - 1, -1);
    }
    context.restore();
  },
};
