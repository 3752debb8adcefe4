"""CloudWatch Logs filter patterns for unstructured text.

Terms must all occur, `-term` must not, of `?term`s one must; quotes keep blanks, `%…%` is a regular expression.
Follows https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from sandbox.ports import ApiError

Matcher = Callable[[str], bool]
_TERM = re.compile(r'([-?]?)(?:"((?:[^"\\]|\\.)*)"|%((?:[^%\\]|\\.)*)%|([^\s"]+))')
_FIELD = re.compile(r'\{\s*\$\.([\w.]+)\s*(!?=|[<>]=?)\s*(?:"([^"]*)"|([^\s"}]+))\s*\}')


def compile_pattern(pattern: str) -> Matcher:
    """Return a test for messages; the empty pattern matches all."""
    text = pattern.strip()
    if not text:
        return lambda _: True
    if text.startswith("{"):
        return _json_matcher(text)
    if text.startswith("["):
        raise ApiError(
            "InvalidParameterException", "The sandbox does not know space-delimited filter patterns"
        )
    needed: list[Matcher] = []
    refused: list[Matcher] = []
    either: list[Matcher] = []
    for sign, quoted, expression, word in _TERM.findall(text):
        matcher = _regex(expression) if expression else _contains(quoted.replace('\\"', '"') or word)
        {"": needed, "-": refused, "?": either}[sign].append(matcher)

    def matches(message: str) -> bool:
        return (
            all(test(message) for test in needed)
            and not any(test(message) for test in refused)
            # AWS ignores ?terms beside plain ones.
            and (not either or bool(needed) or any(test(message) for test in either))
        )

    return matches


def _contains(term: str) -> Matcher:
    return lambda message: term in message


def _regex(expression: str) -> Matcher:
    try:
        compiled = re.compile(expression)
    except re.error as error:
        raise ApiError("InvalidParameterException", f"Invalid filter pattern: {error}") from error
    return lambda message: compiled.search(message) is not None


def _json_matcher(text: str) -> Matcher:
    found = _FIELD.fullmatch(text)
    if found is None:
        raise ApiError(
            "InvalidParameterException", "The sandbox knows JSON filter patterns of one comparison only"
        )
    path, operator, quoted, bare = found[1].split("."), found[2], found[3], found[4]

    def matches(message: str) -> bool:
        try:
            value = json.loads(message)
            for step in path:
                value = value[step]
        except (ValueError, KeyError, TypeError):
            return False
        return _compare(value, operator, quoted if quoted is not None else bare)

    return matches


def _compare(value: object, operator: str, wanted: str) -> bool:
    if operator in {"=", "!="}:
        text = json.dumps(value) if isinstance(value, bool) else str(value)
        equal = re.fullmatch(re.escape(wanted).replace(r"\*", ".*"), text) is not None
        return equal == (operator == "=")
    try:
        number, limit = float(str(value)), float(wanted)
    except ValueError:
        return False
    return {"<": number < limit, "<=": number <= limit, ">": number > limit, ">=": number >= limit}[operator]
