/* Buttons with data-copy put their value on the clipboard and say so. */
async function put(value) {
  if (navigator.clipboard) return navigator.clipboard.writeText(value);
  // Plain HTTP on another machine has no clipboard API.
  const field = Object.assign(document.createElement("textarea"), { value });
  document.body.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await put(button.dataset.copy);
  const use = button.querySelector("use");
  const before = use?.getAttribute("href");
  use?.setAttribute("href", "#i-check");
  document.dispatchEvent(new CustomEvent("console:announce", { detail: "Copied." }));
  setTimeout(() => before && use.setAttribute("href", before), 1200);
});
