/* The live indicator: connected, paused or lost; and what happens to nudges meanwhile. */
const SILENCE = 45_000; // Three ticks missed.
const WITHOUT_BUS = 10_000;
const indicator = document.getElementById("live");
const text = indicator?.querySelector("[data-live-text]");
const banner = document.getElementById("live-lost");
const stream = document.getElementById("stream");
const topics = new Set((stream?.getAttribute("hx-sse:connect") ?? "").split("topics=").at(-1).split(",").filter(Boolean));

const narrow = matchMedia("(width < 40rem)");

let heardAt = Date.now();
let lostAt = 0;
let isPaused = false;
const missed = new Set();
let polling = 0;

function nudge(name) {
  document.body.dispatchEvent(new CustomEvent(name, { bubbles: true }));
}

function words(seconds) {
  return seconds < 60 ? `${Math.floor(seconds)} s` : `${Math.floor(seconds / 60)} min`;
}

/* The age of the newest figures, as the rail has them. */
function dataAge() {
  const read = [...document.querySelectorAll(".rail-foot time")].map((element) => new Date(element.dateTime).getTime());
  return read.length ? words(Math.max(0, Date.now() - Math.max(...read)) / 1000) : "";
}

function show(state, sentence, brief = sentence) {
  indicator.dataset.state = state;
  indicator.classList.toggle("off", state === "lost" || state === "paused" || state === "connecting");
  const shown = narrow.matches ? brief : sentence;
  if (text.textContent !== shown) text.textContent = shown;
}

function draw() {
  if (!stream || !indicator) return;
  const now = Date.now();
  if (isPaused) {
    show("paused", missed.size ? `Paused, ${missed.size} waiting` : "Paused");
  } else if (lostAt) {
    show("lost", `Not live for ${words((now - lostAt) / 1000)}`, "Not live");
  } else if (indicator.dataset.state === "connecting") {
    show("connecting", "Connecting", "…");
  } else {
    const age = dataAge();
    show("live", age ? `Live, updated ${age} ago` : "Live", age || "Live");
  }
  const isLong = lostAt && now - lostAt > 10_000 && !isPaused;
  banner.hidden = !isLong;
  if (isLong) {
    const since = new Date(lostAt).toISOString().slice(11, 19);
    banner.querySelector("[data-lost-text]").textContent =
      `The connection was lost ${words((now - lostAt) / 1000)} ago, trying again. Figures below are from ${since} UTC.`;
  }
}

function heard() {
  heardAt = Date.now();
  const wasLost = lostAt !== 0;
  lostAt = 0;
  if (indicator && indicator.dataset.state !== "paused") indicator.dataset.state = "live";
  if (wasLost) topics.forEach(nudge); // Whatever moved while we were deaf.
  draw();
}

function lose() {
  if (!lostAt) lostAt = heardAt;
  draw();
}

/* Ends the wait before the next attempt, or a connection that has fallen silent, or makes the first one. */
function reconnect() {
  const connection = stream?._htmx?.sse;
  if (!connection) stream?.dispatchEvent(new CustomEvent("every"));
  else if (connection.delayCanceller) connection.delayCanceller();
  else connection.reader?.cancel();
}

function pause(value) {
  isPaused = value;
  document.documentElement.toggleAttribute("data-paused", value);
  if (!isPaused) {
    const names = [...missed];
    missed.clear();
    if (indicator) indicator.dataset.state = lostAt ? "lost" : "live";
    names.forEach(nudge);
  }
  draw();
}

/* The server has lost its own bus: nothing is pushed, so the page asks for everything until the bus is back. */
function pollInstead(isNeeded) {
  clearInterval(polling);
  polling = isNeeded ? setInterval(() => isPaused || topics.forEach(nudge), WITHOUT_BUS) : 0;
}

document.addEventListener("htmx:sse:after:connection", () => pollInstead(false));
document.addEventListener("htmx:sse:after:connection", heard);
document.addEventListener("htmx:sse:error", lose);
document.addEventListener("htmx:sse:before:message", (event) => {
  const name = event.detail.message.event;
  heard();
  if (name === "tick") return;
  if (name === "bus") {
    event.preventDefault();
    pollInstead(event.detail.message.data === "lost");
  } else if (name === "resync") {
    event.preventDefault();
    topics.forEach(isPaused ? (topic) => missed.add(topic) : nudge);
  } else if (isPaused && name !== "logout") {
    event.preventDefault();
    missed.add(name);
  }
  draw();
});

/* A nudged or timed request is the page's own idea: it waits while paused or out of sight, and its failure
   must not replace what is on screen. */
function isBackground(context) {
  const type = context.sourceEvent?.type ?? "";
  return type === "every" || topics.has(type);
}
document.addEventListener("htmx:before:request", (event) => {
  const context = event.detail.ctx;
  if (context.sourceElement === stream || !isBackground(context)) return;
  if (document.hidden || isPaused) event.preventDefault();
});
document.addEventListener("htmx:before:swap", (event) => {
  const context = event.detail.ctx;
  if (isBackground(context) && context.response?.status >= 400) {
    event.preventDefault();
    console.info(`Not refreshed: ${context.request.action} answered ${context.response.status}.`);
  }
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) heardAt = Math.max(heardAt, Date.now() - SILENCE / 2);
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-live-retry]")) reconnect();
  if (event.target.closest("[data-live-toggle]")) lostAt ? reconnect() : pause(!isPaused);
});
document.addEventListener("console:toggle-live", () => pause(!isPaused));

setInterval(() => {
  if (!stream || document.hidden) return;
  if (Date.now() - heardAt > SILENCE) {
    lose();
    reconnect();
    heardAt = Date.now() - SILENCE + 10_000; // The next attempt in ten seconds.
  }
  draw();
}, 1000);
draw();
