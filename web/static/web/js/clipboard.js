// Copying, also on plain http, where browsers keep the clipboard API to themselves.

function copyTheOldWay(text) {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "visually-hidden";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}

export async function copyText(text, button = null) {
  let done = false;
  try {
    await navigator.clipboard.writeText(text);
    done = true;
  } catch {
    done = copyTheOldWay(text);
  }
  if (done && button) confirmOn(button);
  return done;
}

function confirmOn(button) {
  button.classList.add("copied");
  const before = button.title;
  button.title = "Copied";
  setTimeout(() => {
    button.classList.remove("copied");
    button.title = before;
  }, 1600);
}

export function enableCopyButtons() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy], [data-copy-previous]");
    if (!button) return;
    event.preventDefault();
    const text = button.dataset.copy ?? button.parentElement.querySelector("pre").textContent;
    copyText(text, button);
  });
}
