// What every page does: theme, rail, menus, copying, times that stay fresh, questions before what can't be undone.

import { enableCopyButtons } from "./clipboard.js";
import { formatRelative, formatTime } from "./format.js";
import { enablePalette } from "./palette.js";
import { refreshRegions } from "./regions.js";

const YEAR_SECONDS = 365 * 24 * 3600;

function enableTheme() {
  const form = document.querySelector("[data-theme-form]");
  form?.addEventListener("submit", async (event) => {
    event.preventDefault();
    const theme = event.submitter.value;
    document.documentElement.dataset.theme = theme;
    document.dispatchEvent(new CustomEvent("theme:changed"));
    const body = new FormData(form);
    body.set("theme", theme);
    await fetch(form.action, { method: "POST", body, headers: { "X-Requested-With": "fetch" }, credentials: "same-origin" });
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    document.dispatchEvent(new CustomEvent("theme:changed"));
  });
}

function enableRail() {
  document.querySelector("[data-rail-toggle]")?.addEventListener("click", () => {
    const root = document.documentElement;
    const isNarrow = root.dataset.rail === "narrow";
    if (isNarrow) delete root.dataset.rail;
    else root.dataset.rail = "narrow";
    document.cookie = `rail=${isNarrow ? "" : "narrow"}; path=/; max-age=${YEAR_SECONDS}; samesite=lax`;
  });
}

function enableMenus() {
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const menu = document.querySelector("details.menu[open]");
    if (!menu) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
}

function enableConfirmation() {
  document.addEventListener("submit", (event) => {
    const question = event.target.dataset?.confirm;
    if (question && !window.confirm(question)) event.preventDefault();
  });
}

function freshenTimes() {
  for (const time of document.querySelectorAll("time[datetime]")) {
    const moment = Date.parse(time.dateTime);
    const words = formatRelative(moment);
    if (time.textContent !== words) time.textContent = words;
    const exact = formatTime(moment);
    if (time.title !== exact) time.title = exact;
  }
}

function enableFreshTimes() {
  freshenTimes();
  setInterval(freshenTimes, 15000);
  document.addEventListener("region:shown", freshenTimes);
}

/** Pages that name a number of seconds are asked for again that often while they are looked at. */
function enableLivePage() {
  const seconds = Number(document.querySelector("[data-live-page]")?.dataset.livePage);
  if (!seconds) return;
  setInterval(() => !document.hidden && refreshRegions().catch(() => {}), seconds * 1000);
}

enableTheme();
enableRail();
enableMenus();
enableConfirmation();
enableCopyButtons();
enableFreshTimes();
enableLivePage();
enablePalette();
setTimeout(() => document.querySelectorAll("[data-toasts] > .toast").forEach((toast) => toast.remove()), 7000);
