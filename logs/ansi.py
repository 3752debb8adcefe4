"""Foreign log text made safe to show: colours become classes, everything else that steers a terminal goes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

LONGEST_MESSAGE = 6000
CUT_MARK = " … cut here"

COLOURS = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
STYLES = {1: "bold", 2: "faint", 3: "italic", 4: "underline", 9: "strike"}
STYLE_ENDS = {22: ("bold", "faint"), 23: ("italic",), 24: ("underline",), 29: ("strike",)}

# One alternative for each way in which a terminal is told something, in 7 bit (ESC x) and 8 bit (C1) form.
# A string that never ends is text: hiding the rest of a line would hide it from the person who must read it.
STRING_COMMAND = r"(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x80-\x9f]*(?:\x07|\x1b\\|\x9c)"
CSI = r"(?:\x1b\[|\x9b)(?P<args>[\x30-\x3f]*)[\x20-\x2f]*(?P<final>[\x40-\x7e])?"
OTHER_ESCAPE = r"\x1b[\x20-\x2f]*[\x30-\x7e]?"
# Controls but tab and newline; bidirectional marks, which reorder what a person reads; separators that break lines.
LONE = "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
TOKEN = re.compile(f"{STRING_COMMAND}|{CSI}|{OTHER_ESCAPE}|{LONE}")


@dataclass(frozen=True, slots=True)
class Span:
    """Text of one style; `css` are class names from this module only."""

    text: str
    css: str = ""


class Style:
    """The state that SGR sequences change."""

    def __init__(self) -> None:
        self.styles: set[str] = set()
        self.foreground = ""
        self.background = ""

    @property
    def css(self) -> str:
        names = [*sorted(self.styles), self.foreground, self.background]
        return " ".join(f"ansi-{name}" for name in names if name)

    def apply(self, args: str) -> None:
        """Apply one SGR sequence; what is not on the list changes nothing."""
        codes = iter([int(part) if part.isdecimal() and len(part) < 4 else -1 for part in args.split(";")])
        if not args:
            codes = iter([0])
        for code in codes:
            if code in (38, 48):
                self._apply_extended(code, codes)
            else:
                self._apply_one(code)

    def _apply_one(self, code: int) -> None:
        if code == 0:
            self.styles.clear()
            self.foreground = self.background = ""
        elif code in STYLES:
            self.styles.add(STYLES[code])
        elif code in STYLE_ENDS:
            self.styles.difference_update(STYLE_ENDS[code])
        elif code in (39, 49):
            self._colour(code == 49, "")
        elif 30 <= code <= 47 or 90 <= code <= 107:
            self._apply_basic(code)

    def _apply_basic(self, code: int) -> None:
        bright, base = (8, 90) if code >= 90 else (0, 30)
        is_background, index = divmod(code - base, 10)
        if index < 8:
            self._colour(bool(is_background), indexed(index + bright))

    def _apply_extended(self, code: int, rest: Iterator[int]) -> None:
        mode = next(rest, -1)
        if mode == 5:
            self._colour(code == 48, indexed(next(rest, -1)))
        elif mode == 2:
            # Any colour can be asked for, but only named ones have a class that is readable in both themes.
            for _ in range(3):
                next(rest, None)

    def _colour(self, is_background: bool, name: str) -> None:
        if is_background:
            self.background = f"on-{name}" if name else ""
        else:
            self.foreground = name


def indexed(index: int) -> str:
    """Return the name of one of the sixteen base colours, nothing for the others."""
    if not 0 <= index < 16:
        return ""
    return COLOURS[index] if index < 8 else f"bright-{COLOURS[index - 8]}"


def cap(message: str) -> str:
    """Cut a message that is too long to show, and say so in it."""
    return message if len(message) <= LONGEST_MESSAGE else message[:LONGEST_MESSAGE] + CUT_MARK


def parse(message: str) -> list[Span]:
    """Return a message as styled text; nothing in it steers a terminal or a reader any more."""
    text = cap(message).replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")
    spans: list[Span] = []
    style = Style()
    position = 0
    for token in TOKEN.finditer(text):
        add(spans, text[position : token.start()], style.css)
        position = token.end()
        if token["final"] == "m":
            style.apply(token["args"])
    add(spans, text[position:], style.css)
    return spans


def add(spans: list[Span], text: str, css: str) -> None:
    """Append text, to the last span when it looks the same."""
    if not text:
        return
    if spans and spans[-1].css == css:
        spans[-1] = Span(spans[-1].text + text, css)
    else:
        spans.append(Span(text, css))


def plain(message: str) -> str:
    """Return a message without any style."""
    return "".join(span.text for span in parse(message))
