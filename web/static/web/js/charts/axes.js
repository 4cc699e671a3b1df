// What stands on the x axis: the step, the time since the run began, or the clock.

import { formatDuration, formatStep, formatTick, formatTime } from "../format.js";

const HOUR = 3600;

function shortDuration(seconds, span) {
  if (span > 48 * HOUR) return `${Number((seconds / 86400).toPrecision(3))} d`;
  if (span > 2 * HOUR) return `${Number((seconds / HOUR).toPrecision(3))} h`;
  if (span > 120) return `${Number((seconds / 60).toPrecision(3))} min`;
  return `${Number(seconds.toPrecision(3))} s`;
}

export const AXES = {
  step: {
    label: "step",
    api: "step",
    scale: "linear",
    positions: (columns) => columns.steps,
    toApi: (x) => x,
    describe: (x) => `step ${formatStep(x)}`,
    tick: (value, index, ticks) => formatTick(value, index, ticks),
  },
  relative: {
    label: "time since the start",
    api: "time",
    scale: "linear",
    positions: (columns, start) => columns.times.map((time) => (time - start) / 1000),
    toApi: (x, start) => Math.round(start + x * 1000),
    describe: (x) => `${formatDuration(x)} after the start`,
    tick(value, index, ticks) {
      return shortDuration(value, ticks.length > 1 ? Math.abs(ticks[ticks.length - 1].value - ticks[0].value) : value);
    },
  },
  time: {
    label: "time",
    api: "time",
    scale: "time",
    positions: (columns) => columns.times,
    toApi: (x) => Math.round(x),
    describe: (x) => formatTime(x),
    tick: null,
  },
};
