import { el } from "./dom.js";

/** A short message at the edge, with an optional way to undo. */
export function toast(message, { action, label = "Undo", seconds = 6 } = {}) {
  const box = document.querySelector("[data-toasts]");
  const item = el("div", { class: "toast" }, message);
  if (action) {
    const button = el("button", { type: "button", class: "button small", onclick: () => { item.remove(); action(); } }, label);
    item.append(button);
  }
  box.append(item);
  setTimeout(() => item.remove(), seconds * 1000);
}
