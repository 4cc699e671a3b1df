// What all tabs of a run's page do: follow its state, stop and abort it, rename it, put it in the trash.

import { patch, post } from "../api.js";
import { el, icon, isTyping } from "../dom.js";
import { Live } from "../live.js";
import { refreshRegions } from "../regions.js";
import { toast } from "../toast.js";

const head = document.querySelector("[data-run]");
const live = new Live(head.dataset.run);
const run = {
  uuid: head.dataset.run,
  id: head.dataset.runId,
  canEdit: head.dataset.canEdit === "yes",
  createdAt: Date.parse(head.dataset.created),
  live,
};
const LABELS = { running: "Running", stalled: "Stalled", finished: "Finished", failed: "Failed", stopped: "Stopped" };

export function currentRun() {
  return run;
}

function showState(state) {
  const chip = document.querySelector("[data-run-state]");
  chip.className = `state badge ${state}`;
  chip.textContent = LABELS[state] ?? state;
  document.querySelectorAll("[data-stop-run], [data-abort-run]").forEach((button) => {
    button.hidden = state !== "running";
  });
}

async function attempt(action, done, options) {
  try {
    await action();
    toast(done, options);
  } catch (error) {
    toast(error.message);
  }
}

function on(selector, action) {
  document.querySelector(selector)?.addEventListener("click", action);
}

function enableActions() {
  const signal = (kind) => post(`/runs/${run.uuid}/signals/`, { kind });
  on("[data-stop-run]", () => {
    if (window.confirm(`Ask ${run.id} to stop? It first sends what it has logged.`)) attempt(() => signal("stop"), `${run.id} was asked to stop.`);
  });
  on("[data-abort-run]", () => {
    if (window.confirm(`Abort ${run.id} at once? What it has not sent yet may be lost.`)) attempt(() => signal("abort"), `${run.id} was told to abort.`);
  });
  const restore = () => attempt(() => post(`/runs/${run.uuid}/restore/`), `${run.id} is back.`).then(() => location.reload());
  on("[data-trash-run]", () => attempt(() => post(`/runs/${run.uuid}/trash/`), `${run.id} is in the trash.`, { action: restore, seconds: 10 }));
  on("[data-restore-run]", restore);
}

function enableName() {
  const name = document.querySelector("[data-run-name]");
  on("[data-edit-name]", () => {
    if (name.querySelector("input")) return;
    editText(name, "name", el("input", { class: "input small", maxlength: 1000, "aria-label": "Name of the run" }));
  });
  const description = document.querySelector("[data-run-description]");
  on("[data-edit-description]", () => {
    if (description.querySelector("textarea")) return;
    editText(description, "description", el("textarea", { class: "input", rows: 4, "aria-label": "Description of the run" }));
  });
}

/** Turn a text into a field: Enter (Ctrl-Enter in a long one) saves, Escape leaves it as it was. */
function editText(place, field, input) {
  const before = place.classList.contains("muted") ? "" : place.textContent;
  const finish = (text) => {
    place.replaceChildren(text || (field === "description" ? "none" : ""));
    place.classList.toggle("muted", field === "description" && !text);
  };
  const save = () => attempt(async () => {
    await patch(`/runs/${run.uuid}/`, { [field]: input.value });
    finish(input.value);
  }, "Saved.");
  input.value = before;
  const isLong = input.tagName === "TEXTAREA";
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (!isLong || event.ctrlKey || event.metaKey)) save();
    else if (event.key === "Escape") finish(before);
    else return;
    event.preventDefault();
  });
  const buttons = [
    el("button", { type: "button", class: "button small primary", onclick: save }, icon("check"), "Save"),
    el("button", { type: "button", class: "button small quiet", onclick: () => finish(before) }, "Cancel"),
  ];
  place.replaceChildren(el("span", { class: "edit-line" }, input, ...buttons));
  input.focus();
}

/** 1 … 9 go to the tabs. */
function enableTabKeys() {
  document.querySelector(".tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  document.addEventListener("keydown", (event) => {
    if (isTyping(event) || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    document.querySelector(`[data-tab-key="${CSS.escape(event.key)}"]`)?.click();
  });
}

live.onChange(({ state }) => showState(state));
live.onChange(() => refreshRegions());
enableActions();
enableName();
enableTabKeys();
live.start();
