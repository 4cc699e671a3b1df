// Suggest the key from the name while the person has not typed one.

const form = document.querySelector("[data-project-form]");
const name = form.elements.name;
const key = form.elements.key;
let isOwn = key.value !== "";

key.addEventListener("input", () => {
  isOwn = key.value !== "";
  key.value = key.value.toUpperCase().replace(/[^A-Z0-9]/g, "");
});
name.addEventListener("input", () => {
  if (isOwn) return;
  key.placeholder = name.value.toUpperCase().replace(/[^A-Z0-9]/g, "").replace(/^\d+/, "").slice(0, 3);
});
