"""The cluster query language: which container instances an expression means.

`attribute:ecs.instance-type =~ t3.* and not (runningTasksCount > 2)`
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from sandbox.ports import ApiError
from sandbox.state import Cluster, ContainerInstance

Test = Callable[[Cluster, ContainerInstance], bool]

_TOKEN = re.compile(
    r"\s*(\(|\)|\[|\]|,|==|!=|>=|<=|=~|!~|!exists|!in|>|<|!|\"[^\"]*\"|'[^']*'|[^\s()\[\],=!<>~]+)"
)
_WORDS = {
    "equals": "==",
    "not_equals": "!=",
    "greater_than": ">",
    "greater_than_equal": ">=",
    "less_than": "<",
    "less_than_equal": "<=",
    "matches": "=~",
    "not_matches": "!~",
    "not_exists": "!exists",
    "not_in": "!in",
}
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
}


def compile_query(text: str) -> Test:
    """Return the test that an expression describes; raises InvalidParameterException for one that is none."""
    return _Parser(text).parse()


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[str] = []
        position = 0
        while text[position:].strip():
            found = _TOKEN.match(text, position)
            if found is None:
                raise self.wrong()
            self.tokens.append(found[1])
            position = found.end()

    def wrong(self) -> ApiError:
        return ApiError("InvalidParameterException", f"Invalid filter expression: {self.text}")

    def parse(self) -> Test:
        test = self.either()
        if self.tokens:
            raise self.wrong()
        return test

    def take(self) -> str:
        if not self.tokens:
            raise self.wrong()
        return self.tokens.pop(0)

    def next_is(self, *words: str) -> bool:
        if self.tokens and self.tokens[0].lower() in words:
            self.tokens.pop(0)
            return True
        return False

    def either(self) -> Test:
        tests = [self.both()]
        while self.next_is("or", "||"):
            tests.append(self.both())
        return lambda cluster, item: any(test(cluster, item) for test in tests)

    def both(self) -> Test:
        tests = [self.one()]
        while self.next_is("and", "&&"):
            tests.append(self.one())
        return lambda cluster, item: all(test(cluster, item) for test in tests)

    def one(self) -> Test:
        if self.next_is("not", "!"):
            inner = self.one()
            return lambda cluster, item: not inner(cluster, item)
        if self.next_is("("):
            inner = self.either()
            if not self.next_is(")"):
                raise self.wrong()
            return inner
        subject = _subject(self.take())
        if subject is None:
            raise self.wrong()
        return self.condition(subject)

    def condition(self, subject: Callable[[Cluster, ContainerInstance], list[str]]) -> Test:
        word = self.take().lower()
        operator = _WORDS.get(word, word)
        if operator in ("exists", "!exists"):
            return lambda cluster, item: bool(subject(cluster, item)) == (operator == "exists")
        if operator in ("in", "!in"):
            wanted = self.values()
            return lambda cluster, item: (
                any(value in wanted for value in subject(cluster, item)) == (operator == "in")
            )
        argument = self.take().strip("\"'")
        if operator in ("==", "!="):
            return lambda cluster, item: (argument in subject(cluster, item)) == (operator == "==")
        if operator in ("=~", "!~"):
            try:
                pattern = re.compile(argument)
            except re.error:
                raise self.wrong() from None
            return lambda cluster, item: (
                any(pattern.search(value) for value in subject(cluster, item)) == (operator == "=~")
            )
        if operator not in _COMPARE:
            raise self.wrong()
        compare = _COMPARE[operator]
        return lambda cluster, item: any(
            compare(*_comparable(value, argument)) for value in subject(cluster, item)
        )

    def values(self) -> list[str]:
        if not self.next_is("["):
            raise self.wrong()
        found = [self.take().strip("\"'")]
        while self.next_is(","):
            found.append(self.take().strip("\"'"))
        if not self.next_is("]"):
            raise self.wrong()
        return found


def _comparable(one: str, other: str) -> tuple[Any, Any]:
    try:
        return float(one), float(other)
    except ValueError:
        return one, other


def _subject(name: str) -> Callable[[Cluster, ContainerInstance], list[str]] | None:
    """Return what a subject's values are on an instance; an attribute that it has not has none."""
    if name.startswith("attribute:"):
        wanted = name.removeprefix("attribute:")
        return lambda cluster, item: [
            one.get("value") or "" for one in item.attributes if one["name"] == wanted
        ]
    subjects: dict[str, Callable[[Cluster, ContainerInstance], list[str]]] = {
        "agentConnected": lambda cluster, item: ["true" if item.connected else "false"],
        "agentVersion": lambda cluster, item: [str(item.version_info.get("agentVersion", ""))],
        "ec2InstanceId": lambda cluster, item: [item.ec2_instance_id],
        "registeredAt": lambda cluster, item: [item.registered_at.isoformat()],
        "runningTasksCount": lambda cluster, item: [str(_running(cluster, item))],
        "task:group": lambda cluster, item: [
            task.group for task in cluster.tasks.values() if task.instance is item and task.wanted
        ],
    }
    return subjects.get(name)


def _running(cluster: Cluster, item: ContainerInstance) -> int:
    return sum(task.instance is item and task.is_running for task in cluster.tasks.values())
