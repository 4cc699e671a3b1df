// The bar above the charts; what it says is kept in the address.

import { debounce } from "../dom.js";
import { readState, writeState } from "../urlstate.js";
import { AXES } from "./axes.js";

export function readSettings(defaultAxis) {
  const state = readState(["axis", "smoothing", "log", "search"]);
  const smoothing = Number(state.smoothing);
  return {
    axis: state.axis in AXES ? state.axis : defaultAxis,
    smoothing: smoothing > 0 && smoothing < 1 ? smoothing : 0,
    isLog: state.log === "1",
    search: state.search ?? "",
    defaultAxis,
  };
}

function save({ axis, smoothing, isLog, search, defaultAxis }) {
  writeState({ axis: axis === defaultAxis ? "" : axis, smoothing: smoothing || "", log: isLog ? "1" : "", search });
}

function enableAxis(form, board) {
  const buttons = [...form.querySelectorAll("[data-axis] button")];
  const mark = () => buttons.forEach((each) => each.setAttribute("aria-pressed", String(each.dataset.value === board.settings.axis)));
  for (const button of buttons) {
    button.addEventListener("click", () => {
      board.settings.axis = button.dataset.value;
      mark();
      save(board.settings);
      board.onZoomed(0);
      board.restyle({ isNewAxis: true });
    });
  }
  mark();
}

function enableSmoothing(form, board) {
  const slider = form.elements.smoothing;
  const output = form.querySelector("output");
  const redraw = debounce(() => {
    save(board.settings);
    board.restyle();
  }, 60);
  const take = () => {
    board.settings.smoothing = Number(slider.value);
    output.textContent = slider.value;
    redraw();
  };
  slider.value = String(board.settings.smoothing);
  output.textContent = slider.value;
  slider.addEventListener("input", take);
  slider.addEventListener("dblclick", () => {
    slider.value = "0";
    take();
  });
}

function enableLogScale(form, board) {
  form.elements.log.checked = board.settings.isLog;
  form.elements.log.addEventListener("change", () => {
    board.settings.isLog = form.elements.log.checked;
    save(board.settings);
    board.restyle();
  });
}

function enableFilter(form, board) {
  form.elements.search.value = board.settings.search;
  const take = debounce(() => {
    board.settings.search = form.elements.search.value;
    save(board.settings);
    board.filter();
  }, 120);
  form.elements.search.addEventListener("input", take);
  form.addEventListener("submit", (event) => event.preventDefault());
}

export function enableControls(form, board) {
  const reset = form.querySelector("[data-reset-zoom]");
  reset.addEventListener("click", () => board.resetZoom());
  board.onZoomed = (count) => {
    reset.hidden = count === 0;
  };
  enableAxis(form, board);
  enableSmoothing(form, board);
  enableLogScale(form, board);
  enableFilter(form, board);
}
