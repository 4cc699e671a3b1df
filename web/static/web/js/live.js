// Whether something new arrived for the run on this page: asked every few seconds while the page is looked at.

import { get } from "./api.js";

const BUSY_SECONDS = 2;
const IDLE_SECONDS = 15;
// A run whose client does not ping is followed closely for as long after each change.
const FOLLOWED_SECONDS = 60;

export class Live {
  constructor(run) {
    this.run = run;
    this.state = "";
    this.touchedAt = null;
    this.listeners = [];
    this.timer = 0;
    this.lastAnswer = 0;
    this.badge = document.querySelector("[data-live]");
    document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(this.timer) : this.ask()));
    setInterval(() => this.showBadge(), 1000);
  }

  /** `listener({ state, runningSeconds })` is called when the run changed. */
  onChange(listener) {
    this.listeners.push(listener);
  }

  start() {
    this.ask();
  }

  async ask() {
    clearTimeout(this.timer);
    try {
      const answer = await get(`/runs/${this.run}/changes/`, { since: this.touchedAt });
      const isFirst = this.touchedAt === null;
      const isChanged = answer.touched_at !== this.touchedAt || answer.state !== this.state;
      this.touchedAt = answer.touched_at;
      this.state = answer.state;
      this.lastAnswer = Date.now();
      this.isLost = false;
      if (isChanged) this.changedAt = isFirst ? Date.parse(answer.touched_at) : Date.now();
      if (isChanged && !isFirst) await this.tell(answer);
    } catch {
      this.isLost = true;
    }
    this.showBadge();
    if (!document.hidden) this.timer = setTimeout(() => this.ask(), (this.isBusy ? BUSY_SECONDS : IDLE_SECONDS) * 1000);
  }

  get isBusy() {
    return this.state === "running" || this.isLost || Date.now() - this.changedAt < FOLLOWED_SECONDS * 1000;
  }

  async tell(answer) {
    for (const listener of this.listeners) {
      try {
        await listener({ state: answer.state, runningSeconds: answer.running_seconds });
      } catch (error) {
        this.isLost = true;
        console.warn(error);
      }
    }
  }

  showBadge() {
    if (!this.badge || (!this.lastAnswer && !this.isLost)) return;
    this.badge.classList.toggle("on", this.isBusy && !this.isLost);
    this.badge.classList.toggle("lost", Boolean(this.isLost));
    this.badge.querySelector(".words").textContent = this.words();
  }

  words() {
    if (this.isLost) return "no connection, trying again";
    if (!this.isBusy) return "not running";
    const seconds = Math.round((Date.now() - this.lastAnswer) / 1000);
    return seconds < 2 ? "live" : `updated ${seconds} s ago`;
  }
}
