// Points of a run's float series from the API. Reads made in the same moment go out together.

import { get, toNumber } from "../api.js";

export const MAX_POINTS = 1000;
const PATHS_PER_REQUEST = 20;

function columns(answer) {
  return {
    steps: answer.steps.map(Number),
    times: answer.timestamps.map(Number),
    values: answer.values.map(toNumber),
    total: answer.total,
    isExact: answer.is_exact,
    cursor: answer.cursor,
    origin: answer.origin,
  };
}

export class SeriesSource {
  constructor(run) {
    this.run = run;
    this.waiting = new Map();
    this.tails = [];
  }

  /** A series with at most MAX_POINTS points, of the whole or of a range { axis, from, to } (step, or ms for time). */
  read(path, range = {}) {
    const key = JSON.stringify(range);
    if (!this.waiting.has(key)) {
      this.waiting.set(key, { range, wanted: [] });
      queueMicrotask(() => this.send(key));
    }
    return new Promise((resolve, reject) => this.waiting.get(key).wanted.push({ path, resolve, reject }));
  }

  send(key) {
    const { range, wanted } = this.waiting.get(key);
    this.waiting.delete(key);
    for (let start = 0; start < wanted.length; start += PATHS_PER_REQUEST) {
      this.sendSome(wanted.slice(start, start + PATHS_PER_REQUEST), range);
    }
  }

  async sendSome(wanted, range) {
    try {
      const path = [...new Set(wanted.map((each) => each.path))];
      const answer = await get(`/runs/${this.run}/series/`, { path, max_points: range.maxPoints ?? MAX_POINTS, axis: range.axis, from: range.from, to: range.to });
      const found = new Map(answer.series.map((each) => [each.path, columns(each)]));
      for (const { path: one, resolve } of wanted) {
        resolve(found.get(one) ?? { steps: [], times: [], values: [], total: 0, isExact: true, cursor: "", origin: 0 });
      }
    } catch (error) {
      wanted.forEach(({ reject }) => reject(error));
    }
  }

  /** What was added behind a cursor, or null when the series must be read again. Asked together, sent together. */
  readTail(path, cursor) {
    if (!this.tails.length) queueMicrotask(() => this.sendTails());
    return new Promise((resolve, reject) => this.tails.push({ path, cursor, resolve, reject }));
  }

  async sendTails() {
    const wanted = this.tails;
    this.tails = [];
    try {
      const answer = await get(`/runs/${this.run}/series/`, { path: wanted.map((each) => each.path), cursor: wanted.map((each) => each.cursor) });
      wanted.forEach(({ resolve }, place) => resolve(answer.series[place].reset ? null : columns(answer.series[place])));
    } catch (error) {
      wanted.forEach(({ reject }) => reject(error));
    }
  }
}
