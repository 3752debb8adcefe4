/* Numbers beside the lines of a text that is edited; the line of an error is marked and scrolled to. */
function follow(editor) {
  const text = editor.querySelector("textarea");
  const lines = editor.querySelector(".editor-lines");
  const wrong = Number(editor.dataset.line || 0);
  let shown = 0;

  function number() {
    const count = text.value.split("\n").length;
    if (count === shown) return;
    shown = count;
    lines.replaceChildren(
      ...Array.from({ length: count }, (_, at) => {
        const line = document.createElement("span");
        line.textContent = `${at + 1}\n`;
        if (at + 1 === wrong) line.className = "wrong";
        return line;
      }),
    );
    lines.scrollTop = text.scrollTop;
  }

  function scrollToError() {
    if (!wrong || !text.offsetHeight) return;
    const height = text.scrollHeight / Math.max(1, shown);
    text.scrollTop = Math.max(0, (wrong - 6) * height);
    lines.scrollTop = text.scrollTop;
  }

  text.addEventListener("input", number);
  text.addEventListener("scroll", () => {
    lines.scrollTop = text.scrollTop;
  });
  editor.closest("details")?.addEventListener("toggle", scrollToError);
  number();
  scrollToError();
}

document.querySelectorAll(".editor").forEach(follow);
