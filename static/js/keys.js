/* Single keys. They open and move, they never change anything; off in text fields, and as a whole if switched off. */
const GO_WINDOW = 1200;
let goUntil = 0;

function areOn() {
  try {
    return localStorage.getItem("keys") !== "off";
  } catch {
    return true;
  }
}

function isTyping(target) {
  return Boolean(target.closest?.("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]"));
}

function rows() {
  return [...document.querySelectorAll("main tr[id] a.name, main li[id] a.name")].filter((link) => link.checkVisibility());
}

function move(step) {
  const links = rows();
  if (!links.length) return;
  const at = links.indexOf(document.activeElement);
  const next = at < 0 ? (step > 0 ? 0 : links.length - 1) : Math.min(links.length - 1, Math.max(0, at + step));
  links[next].focus();
  links[next].closest("tr, li").scrollIntoView({ block: "nearest" });
}

function nextProblem() {
  const links = rows().filter((link) => link.closest(".failed, .degraded"));
  if (!links.length) {
    document.dispatchEvent(new CustomEvent("console:announce", { detail: "Nothing on this page needs attention." }));
    return;
  }
  const link = links[(links.indexOf(document.activeElement) + 1) % links.length];
  link.focus();
  link.closest("tr, li").scrollIntoView({ block: "nearest" });
}

function show(id) {
  const element = document.getElementById(id);
  if (element && !element.matches(":popover-open")) element.showPopover();
}

function press(selector) {
  const element = document.querySelector(selector);
  if (!element || element.getAttribute("aria-disabled") === "true") return false;
  element.click();
  return true;
}

function leave(target) {
  target.blur();
  getSelection()?.removeAllRanges();
}

const ACTIONS = {
  "/": () => show("palette"),
  "?": () => show("keys"),
  j: () => move(1),
  k: () => move(-1),
  n: nextProblem,
  p: () => document.dispatchEvent(new CustomEvent("console:toggle-live")),
  f: () => document.querySelector("[data-filter]")?.focus(),
  g: () => {
    goUntil = Date.now() + GO_WINDOW;
  },
};

function act(key) {
  if (Date.now() < goUntil) {
    goUntil = 0;
    return press(`[data-go="${CSS.escape(key)}"]`);
  }
  if (ACTIONS[key]) {
    ACTIONS[key]();
    return true;
  }
  if (/^[1-8]$/.test(key)) return press(`.tabs a:nth-of-type(${key})`);
  if (/^[a-z]$/.test(key)) return press(`main [data-key="${key}"]`);
  return false;
}

document.addEventListener("keydown", (event) => {
  if (event.key.toLowerCase() === "k" && (event.metaKey || event.ctrlKey) && !event.altKey) {
    event.preventDefault();
    show("palette");
    return;
  }
  if (event.metaKey || event.ctrlKey || event.altKey || event.isComposing || event.defaultPrevented) return;
  if (event.key === "Escape" && isTyping(event.target) && !event.target.closest("[popover], dialog")) leave(event.target);
  if (isTyping(event.target) || !areOn() || document.querySelector("dialog[open]")) return;
  if (act(event.key)) event.preventDefault();
});

const toggle = document.querySelector("[data-keys-switch]");
if (toggle) {
  toggle.checked = areOn();
  toggle.addEventListener("change", () => {
    try {
      localStorage.setItem("keys", toggle.checked ? "on" : "off");
    } catch {
      // The choice cannot be kept; the keys stay on.
    }
  });
}
