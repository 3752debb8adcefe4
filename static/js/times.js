/* Keeps relative times current. `ecsconsole/ages.py` says the same on the server. */
const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const MONTH = 30 * DAY;
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

function durationWords(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < MINUTE) return `${whole} s`;
  if (whole < HOUR) return `${Math.floor(whole / MINUTE)} min`;
  if (whole < DAY) return `${Math.floor(whole / HOUR)} h`;
  if (whole < 2 * MONTH) return `${Math.floor(whole / DAY)} d`;
  return `${Math.floor(whole / MONTH)} mo`;
}

function relativeWords(moment, now) {
  const seconds = (now - moment) / 1000;
  if (seconds < -MINUTE) return `in ${durationWords(-seconds)}`;
  if (seconds > MONTH) return `${moment.getUTCDate()} ${MONTHS[moment.getUTCMonth()]} ${moment.getUTCFullYear()}`;
  return `${durationWords(seconds)} ago`;
}

function refresh(root) {
  const now = new Date();
  for (const element of root.querySelectorAll("time[data-age]")) {
    const moment = new Date(element.dateTime);
    const seconds = (now - moment) / 1000;
    const words = element.dataset.age === "for" ? durationWords(seconds) : relativeWords(moment, now);
    if (element.textContent !== words) element.textContent = words;
  }
}

refresh(document);
setInterval(() => {
  if (!document.hidden) refresh(document);
}, 5000);
document.addEventListener("visibilitychange", () => refresh(document));
document.addEventListener("htmx:after:swap", () => refresh(document));
