// How every chart is drawn: quiet axes, no animation, the tooltip as text.

import { formatNumber, formatTick, formatTime } from "../format.js";
import { AXES } from "./axes.js";
import { faded, token } from "./colors.js";

const FONT = { family: "'Inter Variable', sans-serif", size: 11 };

function scales(settings, bounds) {
  const axis = AXES[settings.axis];
  const ticks = { color: token("muted"), font: FONT, maxRotation: 0, autoSkipPadding: 18, padding: 4, includeBounds: false };
  return {
    x: {
      type: axis.scale,
      grid: { display: false },
      border: { color: token("line") },
      ticks: axis.tick ? { ...ticks, callback: axis.tick } : ticks,
      time: { tooltipFormat: "yyyy-MM-dd HH:mm:ss", displayFormats: { hour: "HH:mm", minute: "HH:mm", second: "HH:mm:ss" } },
    },
    y: {
      type: settings.isLog ? "logarithmic" : "linear",
      suggestedMin: settings.isLog ? undefined : bounds.min ?? undefined,
      suggestedMax: settings.isLog ? undefined : bounds.max ?? undefined,
      grid: { color: token("line"), drawTicks: false },
      border: { display: false },
      ticks: { ...ticks, maxTicksLimit: 6, callback: formatTick },
    },
  };
}

function tooltip(settings, timeOf) {
  return {
    backgroundColor: token("raised"),
    borderColor: token("line-strong"),
    borderWidth: 1,
    titleColor: token("muted"),
    bodyColor: token("text"),
    footerColor: token("muted"),
    titleFont: { ...FONT, weight: 400 },
    bodyFont: { ...FONT, size: 12 },
    footerFont: { ...FONT, weight: 400 },
    padding: 8,
    boxPadding: 4,
    usePointStyle: true,
    displayColors: false,
    callbacks: {
      title: (items) => (items.length ? AXES[settings.axis].describe(items[0].parsed.x) : ""),
      label: (item) => `${item.dataset.label}  ${formatNumber(item.parsed.y, 6)}`,
      footer: (items) => (items.length && settings.axis !== "time" ? formatTime(timeOf(items[0].dataIndex)) : ""),
    },
  };
}

function zoom(onZoom) {
  return {
    zoom: {
      mode: "x",
      drag: { enabled: true, threshold: 6, backgroundColor: faded(token("accent"), 0.14), borderColor: token("accent"), borderWidth: 1 },
      wheel: { enabled: true, modifierKey: "ctrl" },
      pinch: { enabled: true },
      onZoomComplete: ({ chart }) => onZoom(chart.scales.x.min, chart.scales.x.max),
    },
  };
}

/** `bounds` are the ends of the y axis as the client configured the series, where it did. */
export function chartOptions(settings, { onZoom, timeOf, bounds }) {
  return {
    animation: false,
    parsing: false,
    normalized: true,
    spanGaps: true,
    responsive: true,
    maintainAspectRatio: false,
    events: ["mousemove", "mouseout", "click", "touchstart", "touchmove"],
    interaction: { mode: "nearest", axis: "x", intersect: false },
    layout: { padding: { top: 8, right: 8 } },
    scales: scales(settings, bounds),
    plugins: { legend: { display: false }, tooltip: tooltip(settings, timeOf), zoom: zoom(onZoom) },
  };
}
