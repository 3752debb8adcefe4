/* Somebody is no longer signed in: their session ended over night, or was ended. A page on which nothing was typed
   goes to the sign-in. One on which something was stays, because going would lose it: they sign in in another tab
   and go on here. */
const QUIET = 60_000; // Longer than the stream is ever silent; a machine that slept may not know yet.
const banner = document.getElementById("signed-out");
const typed = new Set();
let heardAt = Date.now();
let isOut = false;
let isLeaving = false; // Whoever signs out here is not told so, and the next person does not land on their page.

function hasTyped() {
  return [...typed].some((form) => form.isConnected);
}

function say(value) {
  isOut = value;
  if (banner) banner.hidden = !value;
}

document.addEventListener("input", (event) => {
  if (event.target.form?.method === "post") typed.add(event.target.form);
});
document.addEventListener("htmx:sse:before:message", () => {
  heardAt = Date.now();
});
document.getElementById("sign-out")?.addEventListener("submit", () => {
  isLeaving = true;
});
document.addEventListener("logout", () => {
  if (isLeaving) return;
  if (hasTyped()) return say(true);
  const here = encodeURIComponent(location.pathname + location.search);
  location.assign(`/sign-in/?expired=1&next=${here}`);
});

async function isSignedIn() {
  const answer = await fetch(banner.dataset.ask, { headers: { "HX-Request": "true" }, cache: "no-store" });
  return answer.status !== 401;
}

async function askAgain() {
  if (!isOut || !(await isSignedIn())) return;
  say(false);
  document.querySelector("[data-live-retry]")?.click();
}
addEventListener("focus", askAgain);
document.addEventListener("visibilitychange", () => document.hidden || askAgain());

/* A form that would only lead to the sign-in waits until somebody is signed in again. */
document.addEventListener("submit", async (event) => {
  const { target: form, submitter } = event;
  if (!typed.has(form) || (!isOut && Date.now() - heardAt < QUIET)) return;
  event.preventDefault();
  const isIn = await isSignedIn().catch(() => true); // Away altogether: the browser says that better.
  say(!isIn);
  if (!isIn) return banner.scrollIntoView({ block: "center" });
  heardAt = Date.now();
  form.requestSubmit(submitter);
});
