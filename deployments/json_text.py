"""JSON as people type it: a parser that knows on which line each value stands, and says where it went wrong."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from ecsconsole.characters import is_storable

Path = tuple[str | int, ...]
BLANK = re.compile(r"[ \t\n\r]*")
NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")
DECODER = json.JSONDecoder()
WORD = {"true": True, "false": False, "null": None}
# Deeper than any task definition, and far from what Python's stack bears.
DEEPEST = 40


class TextError(ValueError):
    """The text is no JSON; says on which line and why."""

    def __init__(self, text: str, at: int, why: str) -> None:
        self.line = line_of(text, at)
        self.why = why
        super().__init__(f"Line {self.line}: {why}")


@dataclass(slots=True)
class Parsed:
    """A document with the place of each of its values in the text."""

    text: str
    value: Any = None
    spans: dict[Path, tuple[int, int]] = field(default_factory=dict)

    def line(self, path: Path) -> int:
        """Return the line of a value, else of the nearest one around it."""
        while path and path not in self.spans:
            path = path[:-1]
        return line_of(self.text, self.spans.get(path, (0, 0))[0])


def line_of(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1


def parse(text: str) -> Parsed:
    """Parse a text; raises `TextError`."""
    parsed = Parsed(text)
    parsed.value, end = read_value(parsed, blank(text, 0), ())
    if blank(text, end) != len(text):
        raise TextError(text, blank(text, end), "Something follows the end of the document.")
    return parsed


def blank(text: str, at: int) -> int:
    found = BLANK.match(text, at)
    return found.end() if found else at


def read_value(parsed: Parsed, at: int, path: Path) -> tuple[Any, int]:
    text = parsed.text
    if len(path) > DEEPEST:
        raise TextError(text, at, "This is nested too deep.")
    sign = text[at : at + 1]
    value: Any
    if sign == "{":
        value, end = read_object(parsed, at + 1, path)
    elif sign == "[":
        value, end = read_list(parsed, at + 1, path)
    elif sign == '"':
        value, end = read_string(text, at)
    else:
        value, end = read_scalar(text, at)
    parsed.spans[path] = (at, end)
    return value, end


def read_object(parsed: Parsed, at: int, path: Path) -> tuple[dict[str, Any], int]:
    text, found = parsed.text, dict[str, Any]()
    at = blank(text, at)
    if text[at : at + 1] == "}":
        return found, at + 1
    while True:
        if text[at : at + 1] != '"':
            raise TextError(text, at, "A name in double quotes is expected here.")
        name, end = read_string(text, at)
        if name in found:
            raise TextError(text, at, f"{name[:80]} stands twice in one object.")
        end = blank(text, end)
        if text[end : end + 1] != ":":
            raise TextError(text, end, "A colon is expected here.")
        found[name], end = read_value(parsed, blank(text, end + 1), (*path, name))
        at, is_over = after_item(text, end, "}")
        if is_over:
            return found, at


def read_list(parsed: Parsed, at: int, path: Path) -> tuple[list[Any], int]:
    text, found = parsed.text, list[Any]()
    at = blank(text, at)
    if text[at : at + 1] == "]":
        return found, at + 1
    while True:
        value, end = read_value(parsed, at, (*path, len(found)))
        found.append(value)
        at, is_over = after_item(text, end, "]")
        if is_over:
            return found, at


def after_item(text: str, at: int, close: str) -> tuple[int, bool]:
    """Return where the next item begins, or where the end is behind us."""
    at = blank(text, at)
    sign = text[at : at + 1]
    if sign == close:
        return at + 1, True
    if sign != ",":
        raise TextError(text, at, f"A comma or {close} is expected here.")
    behind = blank(text, at + 1)
    if text[behind : behind + 1] == close:
        raise TextError(text, at, "There is a comma too many.")
    return behind, False


def read_string(text: str, at: int) -> tuple[str, int]:
    try:
        value, end = DECODER.raw_decode(text, at)
    except json.JSONDecodeError as error:
        raise TextError(text, at, "This text in quotes does not end, or has a wrong escape.") from error
    if not is_storable(value):
        raise TextError(text, at, "This text has a NUL character or half a character in it; take it out.")
    return str(value), end


def read_scalar(text: str, at: int) -> tuple[Any, int]:
    for word, value in WORD.items():
        if text.startswith(word, at):
            return value, at + len(word)
    found = NUMBER.match(text, at)
    if found is None:
        raise TextError(
            text, at, "A value is expected here: text in double quotes, a number, true, false, { or [."
        )
    return json.loads(found[0]), found.end()
