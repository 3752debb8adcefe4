/* One polite live region for the whole page, at most one sentence in ten seconds. Others dispatch "console:announce". */
const GAP = 10_000;
const region = document.getElementById("announce");
let waiting = "";
let timer = 0;

function speak() {
  timer = 0;
  if (!waiting) return;
  region.textContent = waiting;
  waiting = "";
  timer = setTimeout(speak, GAP);
}

/* Only the newest sentence survives a busy ten seconds: the older ones are no longer true. */
document.addEventListener("console:announce", (event) => {
  waiting = event.detail;
  if (!timer) speak();
});

/* A morphed element may say in data-announce what its state now is; it is spoken when it differs. */
const said = new Map();
function listen(root) {
  for (const element of root.querySelectorAll("[data-announce][id]")) {
    const sentence = element.dataset.announce;
    if (said.has(element.id) && said.get(element.id) !== sentence && sentence) {
      document.dispatchEvent(new CustomEvent("console:announce", { detail: sentence }));
    }
    said.set(element.id, sentence);
  }
}
listen(document);
document.addEventListener("htmx:after:swap", () => listen(document));
