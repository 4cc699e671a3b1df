// How values look to people; the server's twin is web/formatting.py.

export const DASH = "–";
const THIN = "\u202f";

function grouped(text) {
  const [whole, rest] = text.split(".");
  const spaced = whole.replace(/\B(?=(\d{3})+(?!\d))/g, THIN);
  return rest === undefined ? spaced : `${spaced}.${rest}`;
}

/** Four significant digits; scientific only outside 1e-4 … 1e6. */
export function formatNumber(value, digits = 4) {
  if (value === null || value === undefined) return DASH;
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  let text;
  if (Number.isInteger(value) && size < 1e9) text = grouped(String(size));
  else if (size < 1e-4 || size >= 1e6) text = size.toExponential(digits - 1).replace(/\.?0+e/, "e").replace("e+", "e");
  else {
    text = size.toFixed(Math.max(0, digits - 1 - Math.floor(Math.log10(size))));
    if (text.includes(".")) text = text.replace(/\.?0+$/, "");
    text = grouped(text);
  }
  return value < 0 ? `−${text}` : text;
}

/** For axis ticks: 12k, 1.5M, and as many decimals as tell two ticks apart. */
export function formatTick(value, index, ticks = []) {
  const gap = ticks.length > 1 ? Math.abs(ticks[1].value - ticks[0].value) : 0;
  const isPlain = Math.abs(value) < 1e4 && gap >= 1e-6 && gap < 1e4;
  if (isPlain) return value.toFixed(Math.max(0, Math.min(8, -Math.floor(Math.log10(gap) + 1e-9)))).replace("-", "−");
  const size = Math.abs(value);
  if (size >= 1e9) return `${formatNumber(value / 1e9, 3)}G`;
  if (size >= 1e6) return `${formatNumber(value / 1e6, 3)}M`;
  if (size >= 1e4) return `${formatNumber(value / 1e3, 3)}k`;
  return formatNumber(value, 3);
}

export function formatBytes(size) {
  if (size === null || size === undefined) return DASH;
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let place = 0;
  while (size >= 1024 && place < units.length - 1) {
    size /= 1024;
    place += 1;
  }
  return `${place === 0 || size >= 100 ? size.toFixed(0) : size.toFixed(1).replace(/\.0$/, "")} ${units[place]}`;
}

export function formatDuration(seconds) {
  if (seconds === null || seconds === undefined) return DASH;
  const whole = Math.round(Math.abs(seconds));
  const parts = [
    [Math.floor(whole / 86400), "d"],
    [Math.floor((whole % 86400) / 3600), "h"],
    [Math.floor((whole % 3600) / 60), "min"],
    [whole % 60, "s"],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  if (first < 0) return "0 s";
  const shown = parts.slice(first, first + 2).filter(([count]) => count > 0);
  return (seconds < 0 ? "−" : "") + shown.map(([count, unit]) => `${count} ${unit}`).join(" ");
}

export function formatRelative(moment, now = Date.now()) {
  const seconds = (now - moment) / 1000;
  if (seconds < 45) return "just now";
  if (seconds < 3600) return `${Math.max(1, Math.round(seconds / 60))} min ago`;
  if (seconds < 86400) return `${Math.round(seconds / 3600)} h ago`;
  if (seconds < 14 * 86400) return `${Math.round(seconds / 86400)} d ago`;
  return new Date(moment).toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric" });
}

const two = (number) => String(number).padStart(2, "0");

/** 2026-11-23 05:54:21 in the reader's own time zone. */
export function formatTime(milliseconds) {
  const time = new Date(milliseconds);
  const day = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
  return `${day} ${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
}

export function formatStep(step) {
  if (step === null || step === undefined) return DASH;
  return Number.isInteger(step) ? grouped(String(step)) : String(Number(step.toPrecision(6)));
}
