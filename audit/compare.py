"""Before and after of an entry, line by line. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Path = tuple[str, ...]
MISSING = object()
# What a page of an entry shows in places of its own.
SHOWN_ELSEWHERE = frozenset({"before", "after", "from", "to", "by_token", "aws_request_id"})


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a side: its text, and `add`, `del` or nothing."""

    text: str
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The two sides, of which each shows what it alone has."""

    before: list[Line]
    after: list[Line]


def compare(data: Mapping[str, Any]) -> Comparison | None:
    """Return both sides where an entry's data has them: `before` and `after`, or the states `from` and `to`."""
    if "before" in data or "after" in data:
        old, new = data.get("before"), data.get("after")
    elif "from" in data and "to" in data:
        old, new = ({"state": data["from"]} if data["from"] else {}), {"state": data["to"]}
    else:
        return None
    before, after = dict(flatten(old)), dict(flatten(new))
    return Comparison(lines_of(before, after, "del"), lines_of(after, before, "add"))


def details_of(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the plain values of an entry's data that stand nowhere else on its page."""
    return [
        (name.replace("_", " ").capitalize(), str(value))
        for name, value in data.items()
        if name not in SHOWN_ELSEWHERE and isinstance(value, str | int | float) and value != ""
    ]


def flatten(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Yield each member with its path, containers before what they contain."""
    members = items_of(value)
    if members is None:
        if path or value is not None:
            yield path or ("value",), json.dumps(value, ensure_ascii=False)
        return
    if path:
        yield path, ""
    for name, member in members:
        yield from flatten(member, (*path, name))


def items_of(value: Any) -> list[tuple[str, Any]] | None:
    """Return the members of an object or a list, None for a plain value or an empty container."""
    if isinstance(value, Mapping):
        return [(str(name), member) for name, member in value.items()]
    if isinstance(value, list) and value:
        return [(f"[{number}]", member) for number, member in enumerate(value)]
    return None


def lines_of(side: dict[Path, str], other: dict[Path, str], mark: str) -> list[Line]:
    """Draw one side and mark what the other does not have so."""
    lines = []
    for path, text in side.items():
        is_same = other.get(path, MISSING) == text
        sign = " " if is_same else ("-" if mark == "del" else "+")
        label = f"{path[-1]}: {text}".rstrip()
        lines.append(Line(f"{sign} {'  ' * (len(path) - 1)}{label}", "" if is_same else mark))
    return lines
