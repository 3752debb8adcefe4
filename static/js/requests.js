/* What every htmx request needs: a text selection survives, and a failed one of the user's says so. */
const toasts = document.getElementById("toasts");

/* Signing in again, in whichever tab, gives a new token; the one that this page came with is no longer good. */
function csrfToken() {
  return document.cookie.match(/(?:^|; )(?:__Host-)?csrftoken=([^;]+)/)?.[1];
}
document.addEventListener(
  "submit",
  (event) => {
    const field = event.target.querySelector("[name=csrfmiddlewaretoken]");
    if (field) field.value = csrfToken() ?? field.value;
  },
  true,
);

/* Empty filters stay out of the address. */
document.addEventListener("htmx:config:request", (event) => {
  const { request } = event.detail.ctx;
  if (csrfToken()) {
    request.headers["X-CSRFToken"] = csrfToken();
    if (request.body instanceof FormData && request.body.has("csrfmiddlewaretoken"))
      request.body.set("csrfmiddlewaretoken", csrfToken());
  }
  if (request.method !== "GET" || !(request.body instanceof FormData)) return;
  for (const [name, value] of [...request.body]) if (value === "") request.body.delete(name);
});

/* A fragment that holds the selected text is left alone; the next nudge brings it. */
function holdsSelection(target) {
  const selection = getSelection();
  return Boolean(selection && !selection.isCollapsed && target?.contains?.(selection.anchorNode));
}

document.addEventListener("htmx:before:swap", (event) => {
  const context = event.detail.ctx;
  const isOwnIdea = !(context.sourceEvent instanceof UIEvent) && context.sourceEvent?.type !== "submit";
  if (isOwnIdea && context.sourceEvent?.type !== "load" && holdsSelection(context.target)) event.preventDefault();
});

/* A plan that took its time was made of what was typed before; what hangs on both is asked for again. */
document.addEventListener("htmx:after:swap", (event) => {
  const then = event.detail.ctx?.target?.dataset?.then;
  if (then) document.getElementById(then)?.dispatchEvent(new Event("input", { bubbles: true }));
});

function toast(title, detail) {
  const box = document.createElement("div");
  box.className = "toast";
  box.setAttribute("role", "alert");
  const glyph = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  glyph.setAttribute("class", "g c-failed");
  glyph.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", "#s-failed");
  glyph.append(use);
  const strong = document.createElement("strong");
  strong.textContent = title;
  const close = document.createElement("button");
  close.className = "btn quiet small";
  close.type = "button";
  close.textContent = "Close";
  close.addEventListener("click", () => box.remove());
  const text = document.createElement("p");
  text.textContent = detail;
  box.append(glyph, strong, close, text);
  toasts.replaceChildren(box);
}

/* The console did not answer at all: nothing is swapped, so the page itself must say it. */
document.addEventListener("htmx:error", (event) => {
  const context = event.detail.ctx;
  const isUsers = context?.sourceEvent instanceof UIEvent || context?.sourceEvent?.type === "submit";
  if (!isUsers) return;
  const isTimeout = context.request?.signal?.reason === "timeout";
  toast(
    isTimeout ? "No answer in time" : "The console did not answer",
    "Whether it was received is not known. Look at the page again before repeating it.",
  );
});
