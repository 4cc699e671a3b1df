// Token colours as the canvas needs them: resolved for the theme in force.

const probe = document.createElement("span");
probe.hidden = true;
let cache = new Map();

export function token(name) {
  if (!cache.has(name)) {
    if (!probe.isConnected) document.body.append(probe);
    probe.style.color = `var(--${name})`;
    cache.set(name, getComputedStyle(probe).color);
  }
  return cache.get(name);
}

export function faded(color, opacity) {
  const parts = color.match(/[\d.]+/g).slice(0, 3);
  return color.startsWith("rgb") ? `rgb(${parts.join(" ")} / ${opacity})` : color;
}

/** A run keeps its colour on every page: it follows from its id. */
export function runColor(run) {
  let hash = 0;
  for (const letter of run) hash = (hash * 31 + letter.charCodeAt(0)) >>> 0;
  return token(`series-${(hash % 8) + 1}`);
}

document.addEventListener("theme:changed", () => {
  cache = new Map();
});
