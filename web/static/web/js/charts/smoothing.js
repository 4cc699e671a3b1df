// Exponential moving average that looks the same however densely points were logged or drawn.

const RANGE_UNITS = 1000;

/** `weight` 0 … 1. Gaps in x weigh by their share of the whole range; NaN and infinities are passed over. */
export function smooth(xs, values, weight) {
  if (weight <= 0 || xs.length < 2) return values;
  const range = xs[xs.length - 1] - xs[0] || 1;
  const smoothed = new Array(values.length);
  let average = 0;
  let share = 0;
  let before = xs[0];
  for (let i = 0; i < values.length; i += 1) {
    if (!Number.isFinite(values[i])) {
      smoothed[i] = values[i];
      continue;
    }
    const distance = Math.max(((xs[i] - before) / range) * RANGE_UNITS, 0.001);
    const kept = Math.min(Math.sqrt(weight), 0.999) ** distance;
    average = average * kept + values[i] * (1 - kept);
    share = share * kept + (1 - kept);
    smoothed[i] = share ? average / share : values[i];
    before = xs[i];
  }
  return smoothed;
}
