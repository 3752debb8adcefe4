/* The log panel: appends lines as they come, follows or lets read, remembers how lines are shown. */
const MOST_ROWS = 5000;
const QUIET = 20_000; // Keeps the group followed while nothing is written, and heals a lost nudge.
const WITHOUT_STREAM = 3_000; // On a page whose stream does not carry this log.
const NEAR_END = 48;
const LOOKS = { wrap: "no-wrap", times: "no-times" };

function remembered(name) {
  try {
    return localStorage.getItem(`log-${name}`) !== "off";
  } catch {
    return true; // Storage may be forbidden; the page then opens as designed.
  }
}

function remember(name, isOn) {
  try {
    localStorage.setItem(`log-${name}`, isOn ? "on" : "off");
  } catch {
    // The choice holds for this page only.
  }
}

function dress(panel) {
  for (const [name, css] of Object.entries(LOOKS)) {
    const isOn = remembered(name);
    panel.classList.toggle(css, !isOn);
    panel.querySelector(`[data-log-toggle="${name}"]`)?.setAttribute("aria-pressed", String(isOn));
  }
}

class Follower {
  constructor(panel) {
    this.panel = panel;
    this.list = panel.querySelector("#log-lines");
    this.cursor = panel.dataset.cursor;
    this.isFollowing = true;
    this.isPaused = false;
    this.isBusy = false;
    this.isAsked = false;
    this.held = [];
    this.newCount = 0;
    this.topics = panel.dataset.topics.split(",").filter(Boolean);
    const stream = document.getElementById("stream")?.getAttribute("hx-sse:connect") ?? "";
    const isPushed = this.topics.every((topic) => stream.includes(topic));
    this.fetchBound = () => this.fetchLines();
    this.topics.forEach((topic) => document.body.addEventListener(topic, this.fetchBound));
    this.timer = setInterval(this.fetchBound, isPushed ? QUIET : WITHOUT_STREAM);
    this.list.addEventListener("scroll", () => this.scrolled(), { passive: true });
    panel.querySelector("[data-log-resume]").addEventListener("click", () => this.resume());
    panel.querySelector("[data-log-pause]")?.addEventListener("click", () => this.pause(!this.isPaused));
    this.toEnd();
  }

  stop() {
    clearInterval(this.timer);
    this.topics.forEach((topic) => document.body.removeEventListener(topic, this.fetchBound));
  }

  async fetchLines() {
    if (!this.panel.isConnected) return this.stop();
    if (document.hidden || document.documentElement.hasAttribute("data-paused")) return;
    if (this.isBusy) {
      this.isAsked = true; // A nudge during a fetch is answered by one more.
      return;
    }
    this.isBusy = true;
    try {
      await this.fetchOnce();
    } catch {
      // The page's own indicator tells of a lost connection; the timer tries again.
    } finally {
      this.isBusy = false;
    }
    if (this.isAsked) {
      this.isAsked = false;
      this.fetchLines();
    }
  }

  async fetchOnce() {
    const address = `${this.panel.dataset.lines}&after=${encodeURIComponent(this.cursor)}`;
    const response = await fetch(address, { headers: { "HX-Request": "true" }, credentials: "same-origin" });
    if (response.status === 401) return location.assign(response.headers.get("HX-Redirect") ?? "/");
    if (!response.ok) return;
    const box = document.createElement("template");
    box.innerHTML = await response.text();
    const lines = box.content.querySelector("ol");
    this.cursor = lines.dataset.cursor;
    const state = box.content.getElementById("log-state");
    const shown = this.panel.querySelector("#log-state");
    if (state && shown && shown.innerHTML !== state.innerHTML) shown.replaceWith(state);
    this.take([...lines.children]);
  }

  take(rows) {
    if (!rows.length) return;
    this.panel.querySelector("[data-log-none]").hidden = true;
    if (!this.isFollowing || this.isPaused) this.newCount += rows.length;
    // While someone reads, the top stays where it is: what would push it out waits.
    const isFull = !this.isFollowing && this.list.children.length + rows.length > MOST_ROWS;
    if (this.isPaused || isFull) {
      this.held = [...this.held, ...rows].slice(-MOST_ROWS);
    } else {
      rows.forEach((row) => this.place(row));
      if (this.isFollowing) {
        this.trim();
        this.toEnd();
      }
    }
    this.drawResume();
  }

  /* Tasks write through batches of their own, so a line may belong some rows up. */
  place(row) {
    if (document.getElementById(row.id)) return;
    const at = Number(row.dataset.ms);
    let after = this.list.lastElementChild;
    while (after && Number(after.dataset.ms) > at) after = after.previousElementSibling;
    after ? after.after(row) : this.list.prepend(row);
  }

  trim() {
    const excess = this.list.children.length - MOST_ROWS;
    for (let count = 0; count < excess; count += 1) this.list.firstElementChild.remove();
  }

  toEnd() {
    this.list.scrollTop = this.list.scrollHeight;
  }

  scrolled() {
    const distance = this.list.scrollHeight - this.list.clientHeight - this.list.scrollTop;
    const isNear = distance < NEAR_END;
    if (isNear && !this.isFollowing && !this.held.length && !this.isPaused) this.newCount = 0;
    this.isFollowing = isNear;
    this.drawResume();
  }

  pause(value) {
    this.isPaused = value;
    const button = this.panel.querySelector("[data-log-pause]");
    button.setAttribute("aria-pressed", String(value));
    button.querySelector("span").textContent = value ? "Resume" : "Pause";
    button.querySelector("use").setAttribute("href", value ? "#i-play" : "#i-pause");
    value ? this.drawResume() : this.resume();
  }

  resume() {
    if (this.isPaused) return this.pause(false);
    this.held.forEach((row) => this.place(row));
    this.held = [];
    this.newCount = 0;
    this.isFollowing = true;
    this.trim();
    this.toEnd();
    this.drawResume();
  }

  drawResume() {
    const isAway = this.isPaused || !this.isFollowing;
    const count = this.newCount.toLocaleString("en");
    const words = this.newCount === 1 ? "1 new line" : `${count} new lines`;
    this.panel.querySelector("[data-log-waiting]").textContent =
      this.newCount ? `${words}, follow again` : "Follow again";
    this.panel.querySelector("[data-log-resume]").hidden = !isAway;
  }
}

/* Seconds pass on screen while AWS is asked. */
function countSeconds(panel) {
  const text = panel.querySelector("[data-log-wait]");
  if (!text) return;
  const sentence = text.textContent;
  const began = Date.now();
  const timer = setInterval(() => {
    if (!text.isConnected) return clearInterval(timer);
    text.textContent = `${sentence} ${Math.floor((Date.now() - began) / 1000)} s so far.`;
  }, 1000);
}

/* The line that the address names; it came after the browser had looked for it. */
function showLinked() {
  const row = location.hash.startsWith("#l") && document.getElementById(location.hash.slice(1));
  if (!row || !row.closest("[data-log='at']")) return;
  row.classList.add("marked");
  const list = row.parentElement;
  list.scrollTop = row.offsetTop - list.offsetTop - list.clientHeight / 2;
}

function ready(root) {
  for (const panel of root.querySelectorAll("[data-log]")) {
    dress(panel);
    if (panel.dataset.ready) continue;
    panel.dataset.ready = "1";
    countSeconds(panel);
    if (panel.dataset.lines) new Follower(panel);
  }
  showLinked();
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-log-toggle]");
  if (!button) return;
  remember(button.dataset.logToggle, button.getAttribute("aria-pressed") !== "true");
  dress(button.closest("[data-log]"));
});
document.addEventListener("htmx:after:swap", () => ready(document));
ready(document);
