// A page of charts: the controls, the board, and the run's news.

import { currentRun } from "../pages/run.js";
import { Board } from "./board.js";
import { enableControls, readSettings } from "./controls.js";

export async function startBoard({ defaultAxis, isLinked, accepts, sectionOf }) {
  const run = currentRun();
  const root = document.querySelector("[data-board]");
  const settings = readSettings(defaultAxis);
  const board = new Board(root, { run: run.uuid, createdAt: run.createdAt, settings, accepts, isLinked, sectionOf });
  const empty = document.querySelector("[data-board-empty]");
  const unmatched = document.querySelector("[data-board-unmatched]");
  const count = document.querySelector("[data-board-count]");
  board.onCounted = (shown, all) => {
    empty.hidden = all > 0;
    unmatched.hidden = all === 0 || shown > 0;
    count.textContent = shown === all ? `${all} series` : `${shown} of ${all} series`;
  };
  enableControls(document.querySelector("[data-chart-controls]"), board);
  await board.load();
  run.live.onChange(() => board.refresh());
  return board;
}
