/* The palette: the server searches, this moves the selection and opens it. */
const palette = document.getElementById("palette");
const input = document.getElementById("palette-input");
const list = document.getElementById("palette-list");
let opener = null; // What to focus when the palette closes: { element, home, href }.
let moved = null; // The address of what somebody moved to; results that come late do not take it from them.

/* A live update may have put another element in the place of what had the focus. */
function remember(element) {
  const home = element?.closest("[id]");
  return { element, home: home?.id, href: element?.getAttribute("href") };
}

function comeBack({ element, home, href }) {
  if (element?.isConnected) return element;
  const place = home && document.getElementById(home);
  return (href && place?.querySelector(`[href="${CSS.escape(href)}"]`)) || place;
}

function options() {
  return [...list.querySelectorAll('[role="option"]')];
}

function hrefs() {
  return options().map((option) => option.getAttribute("href"));
}

function select(index) {
  const all = options();
  all.forEach((option, at) => option.setAttribute("aria-selected", String(at === index)));
  const chosen = all[index];
  if (chosen) {
    input.setAttribute("aria-activedescendant", chosen.id);
    chosen.scrollIntoView({ block: "nearest" });
  } else {
    input.removeAttribute("aria-activedescendant");
  }
}

function selected() {
  return options().findIndex((option) => option.getAttribute("aria-selected") === "true");
}

palette?.addEventListener("beforetoggle", (event) => {
  if (event.newState !== "open") return;
  opener = remember(document.activeElement);
  moved = null;
});
palette?.addEventListener("toggle", (event) => {
  if (event.newState === "open") {
    input.focus();
    input.select();
    input.dispatchEvent(new CustomEvent("palette:open"));
  } else if (opener) {
    comeBack(opener)?.focus();
  }
});
input?.addEventListener("input", () => {
  moved = null;
});
document.addEventListener("htmx:after:swap", (event) => {
  if (event.detail.ctx?.target === list) select(Math.max(0, moved ? hrefs().indexOf(moved) : 0));
});
palette?.addEventListener("keydown", (event) => {
  const all = options();
  if (event.key === "Escape") {
    event.preventDefault(); // A search field would only clear itself.
    palette.hidePopover();
  } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    const step = event.key === "ArrowDown" ? 1 : -1;
    if (!all.length) return;
    select((selected() + step + all.length) % all.length);
    moved = hrefs()[selected()];
  } else if (event.key === "Enter") {
    event.preventDefault();
    all[Math.max(0, selected())]?.click();
  }
});
list?.addEventListener("pointermove", (event) => {
  const option = event.target.closest('[role="option"]');
  if (option) select(options().indexOf(option));
});
