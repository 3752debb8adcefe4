/* The dock below a table: the opened row is marked, the address names it, Escape and the cross close it. */
const dock = () => document.getElementById("audit-dock");

function mark() {
  const id = dock()?.dataset.dock;
  for (const row of document.querySelectorAll("#audit-entries tr[aria-selected]")) row.removeAttribute("aria-selected");
  if (id) document.getElementById(id)?.setAttribute("aria-selected", "true");
}

function address(seq) {
  const url = new URL(location.href);
  if (seq) url.searchParams.set("entry", seq);
  else url.searchParams.delete("entry");
  history.replaceState(history.state, "", url);
}

function close() {
  const open = dock();
  if (!open?.dataset.dock) return;
  const row = document.getElementById(open.dataset.dock);
  const empty = Object.assign(document.createElement("div"), { id: "audit-dock" });
  open.replaceWith(empty);
  mark();
  address("");
  row?.querySelector("a.name")?.focus();
}

/* Exports follow what the filters show, without the page being loaded again. */
function follow() {
  const here = new URL(location.href);
  here.searchParams.delete("page");
  here.searchParams.delete("entry");
  for (const link of document.querySelectorAll("[data-follows-filters]")) link.search = here.search;
}

document.addEventListener("htmx:after:swap", () => {
  mark();
  const id = dock()?.dataset.dock;
  if (id) address(id.replace("entry-", ""));
  follow();
});

document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-dock-close]")) return;
  event.preventDefault();
  close();
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !document.querySelector("dialog[open], [popover]:popover-open")) close();
});
