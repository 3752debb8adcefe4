"""Filters that people type: plain text, or a regular expression that cannot hang the console."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

LONGEST_PATTERN = 200
# A regular expression looks at this much of a line: its time may grow with the cube of it.
SEARCHED = 1000
MOST_REPEATS = 2
# Ways through the choices of a pattern, (a|b|c) and x?, all tried at each place in the worst case.
MOST_WAYS = 256
SIMPLE = (codes.LITERAL, codes.NOT_LITERAL, codes.ANY, codes.IN)
REPEATS = (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT)


class PatternRefused(ValueError):
    """The pattern is not valid, or could take too long; the text says which."""


def compile_text(text: str) -> re.Pattern[str]:
    """Return what finds a plain text in either case."""
    return re.compile(re.escape(text[:LONGEST_PATTERN]), re.IGNORECASE)


def compile_regex(text: str) -> re.Pattern[str]:
    """Compile a regular expression, unless it is one that can run for hours on a line made for it."""
    if len(text) > LONGEST_PATTERN:
        raise PatternRefused(f"A pattern may have {LONGEST_PATTERN} characters.")
    try:
        tree = parser.parse(text)
        check(list(tree))
        return re.compile(text, re.IGNORECASE)
    except (re.error, OverflowError, RecursionError) as error:
        raise PatternRefused(f"Not a regular expression: {error}.") from error


def check(tree: list[Any]) -> None:
    """Refuse what can backtrack without bound: repeats of repeats or choices, and many repeats in a row."""
    nodes = list(walk(tree))
    repeats = [args for code, args in nodes if code in REPEATS and args[1] > 1]
    optional_count = sum(code in REPEATS and args[:2] == (0, 1) for code, args in nodes)
    ways = math.prod(len(args[1]) for code, args in nodes if code is codes.BRANCH) * 2**optional_count
    if any(code in (codes.GROUPREF, codes.GROUPREF_EXISTS) for code, _ in nodes):
        raise PatternRefused("Back references are not supported here.")
    if any(len(args[2]) != 1 or args[2][0][0] not in SIMPLE for args in repeats):
        raise PatternRefused("*, + and {n} may repeat a character or a set such as [a-z], not a group.")
    if sum(args[0] != args[1] for args in repeats) > MOST_REPEATS:
        raise PatternRefused(f"At most {MOST_REPEATS} of *, + and {{n,}} fit into one pattern.")
    if ways > MOST_WAYS:
        raise PatternRefused("The pattern has too many alternatives.")


def walk(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every node of a parsed pattern."""
    for code, args in tree:
        yield code, args
        for part in children(args):
            yield from walk(part)


def children(args: Any) -> Iterator[Any]:
    """Yield the patterns inside a node, whatever its kind keeps them in."""
    if isinstance(args, parser.SubPattern):
        yield args
    elif isinstance(args, tuple | list):
        for part in args:
            yield from children(part)
