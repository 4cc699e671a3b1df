// Parts of a page that stay fresh: the page is asked for again and the marked parts are exchanged.

async function fetchPage(address) {
  const response = await fetch(address, { credentials: "same-origin", headers: { Accept: "text/html" } });
  if (!response.ok || response.redirected) throw new Error(`The page answered ${response.status}.`);
  return new DOMParser().parseFromString(await response.text(), "text/html");
}

function isInUse(region) {
  const selection = document.getSelection();
  const isSelected = selection && !selection.isCollapsed && region.contains(selection.anchorNode);
  return isSelected || region.contains(document.activeElement);
}

/** Exchange every `[data-live-region]` that changed; a part that is being used is left alone. */
export async function refreshRegions(address = location.href) {
  const fresh = await fetchPage(address);
  for (const region of document.querySelectorAll("[data-live-region][id]")) {
    const next = fresh.getElementById(region.id);
    if (!next || isInUse(region) || next.outerHTML === region.dataset.shown) continue;
    const html = next.outerHTML;
    const adopted = document.adoptNode(next);
    region.replaceWith(adopted);
    adopted.dataset.shown = html;
    adopted.dispatchEvent(new CustomEvent("region:shown", { bubbles: true }));
  }
  return fresh;
}

export { fetchPage };
