// One image over the whole page; the arrow keys go through its series.

import { formatBytes, formatStep, formatTime } from "./format.js";

const SMALL = 256;
const find = (name) => document.querySelector(`[data-viewer-${name}]`);

class Viewer {
  constructor(dialog) {
    this.dialog = dialog;
    this.images = [];
    find("close").addEventListener("click", () => dialog.close());
    find("previous").addEventListener("click", () => this.move(-1));
    find("next").addEventListener("click", () => this.move(1));
    dialog.addEventListener("keydown", (event) => this.key(event));
    dialog.addEventListener("click", (event) => event.target.matches(".viewer-stage") && dialog.close());
  }

  /** `onMove(place)` hears where the person went. */
  open(images, place, onMove = () => {}) {
    this.images = images;
    this.onMove = onMove;
    this.dialog.showModal();
    this.show(place);
  }

  move(by) {
    const place = Math.min(Math.max(this.place + by, 0), this.images.length - 1);
    if (place !== this.place) this.show(place);
  }

  show(place) {
    this.place = place;
    const image = this.images[place];
    const picture = find("image");
    picture.src = image.file_url;
    picture.alt = image.description || image.name || image.path;
    picture.className = image.width && Math.max(image.width, image.height) <= SMALL ? "pixelated" : "";
    find("title").textContent = image.step === null ? image.path : `${image.path} · step ${formatStep(image.step)}`;
    find("caption").textContent = this.caption(image);
    find("download").href = `${image.file_url}?download=1`;
    find("previous").disabled = place === 0;
    find("next").disabled = place === this.images.length - 1;
    this.onMove(place);
  }

  caption(image) {
    const size = image.width ? `${image.width} × ${image.height}` : "";
    const place = this.images.length > 1 ? `${this.place + 1} of ${this.images.length}` : "";
    return [image.name, image.description, size, formatBytes(image.size), formatTime(image.timestamp), place].filter(Boolean).join(" · ");
  }

  key(event) {
    const moves = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };
    if (!(event.key in moves)) return;
    event.preventDefault();
    this.move(moves[event.key]);
  }
}

export function makeViewer() {
  return new Viewer(document.querySelector("[data-viewer]"));
}
