/* Nothing moves under the pointer. While the pointer or the focus is in a [data-hold] table, a live update changes
   the contents of rows and leaves their places; what would move is counted and applied on leaving or on request. */
let waiting = null; // { target, text } of the newest answer that was held back.

function rowsOf(root) {
  return [...root.querySelectorAll("tr[id]")];
}

function isBusy(target) {
  const table = target.querySelector("table");
  return Boolean(table && (table.matches(":hover") || table.contains(document.activeElement)));
}

function movedCount(before, after) {
  const places = new Map(after.map((row, at) => [row.id, at]));
  let gone = 0;
  let moved = 0;
  let last = -1;
  for (const row of before) {
    const place = places.get(row.id);
    if (place === undefined) gone += 1;
    else if (place < last) moved += 1;
    else last = place;
  }
  return gone + moved + Math.max(0, after.length - (before.length - gone));
}

/* A row that becomes a problem while held keeps its one line, so that it does not push the others down. */
function fillRow(row, fresh) {
  const wasTall = row.matches(".failed, .degraded");
  row.className = fresh.className;
  if (!wasTall && row.matches(".failed, .degraded")) row.classList.add("one-line");
  const cells = [...fresh.children];
  [...row.children].forEach((cell, at) => {
    const next = cells[at];
    if (!next || cell.innerHTML === next.innerHTML) return;
    if (cell.contains(document.activeElement)) {
      const glyph = cell.querySelector("svg.g");
      const nextGlyph = next.querySelector("svg.g");
      if (glyph && nextGlyph) glyph.replaceWith(nextGlyph);
      return;
    }
    cell.replaceChildren(...next.childNodes);
  });
}

function fillTally(target, fresh) {
  const tally = target.querySelector(".tally");
  const next = fresh.querySelector(".tally");
  if (!tally || !next) return;
  [...tally.querySelectorAll("b")].forEach((count, at) => {
    const value = next.querySelectorAll("b")[at]?.textContent ?? "";
    if (count.textContent !== value) count.textContent = value;
  });
}

function offer(count) {
  const button = document.getElementById("held");
  if (!button) return;
  button.hidden = count === 0;
  button.querySelector("[data-held-text]").textContent = count === 1 ? "1 update, apply" : `${count} updates, apply`;
}

function apply() {
  if (!waiting) return;
  const { target, text } = waiting;
  waiting = null;
  offer(0);
  if (target.isConnected) htmx.swap({ target, text, swap: "outerMorph", sourceElement: target });
}

document.addEventListener("htmx:before:swap", (event) => {
  const context = event.detail.ctx;
  const target = context.target;
  if (!target?.matches?.("[data-hold]") || !context.text) return;
  const isOwnIdea = context.sourceElement === target && context.sourceEvent;
  if (!isOwnIdea || !isBusy(target)) {
    waiting = null;
    offer(0);
    return;
  }
  const fresh = new DOMParser().parseFromString(context.text, "text/html");
  const before = rowsOf(target);
  const after = rowsOf(fresh);
  const count = movedCount(before, after);
  if (count === 0 && before.every((row, at) => row.className.trim() === after[at].className.trim())) return;
  event.preventDefault();
  const byId = new Map(after.map((row) => [row.id, row]));
  for (const row of before) if (byId.has(row.id)) fillRow(row, byId.get(row.id));
  fillTally(target, fresh);
  waiting = { target, text: context.text };
  offer(count);
  document.dispatchEvent(new CustomEvent("htmx:after:swap", { detail: { ctx: context } }));
});

document.addEventListener("click", (event) => {
  if (event.target.closest("#held")) apply();
});
document.addEventListener("pointerover", () => {
  if (waiting && !isBusy(waiting.target)) apply();
});
document.addEventListener("focusout", () => {
  requestAnimationFrame(() => {
    if (waiting && !isBusy(waiting.target)) apply();
  });
});
document.documentElement.addEventListener("pointerleave", () => {
  requestAnimationFrame(() => {
    if (waiting && !isBusy(waiting.target)) apply();
  });
});
