"""How loud a service event is on the page; the words themselves stay ECS's own."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import Enum
from typing import Protocol


class Kind(Enum):
    """What an event is about, with the shape and colour that stand beside it."""

    TROUBLE = ("s-failed", "c-failed", "problem")
    WARNING = ("s-degraded", "c-degraded", "warning")
    TASKS = ("s-deploying", "c-deploying", "tasks started or stopped")
    STEADY = ("s-steady", "c-steady", "steady state")
    ROUTINE = ("s-zero", "c-zero", "routine")

    @property
    def glyph(self) -> str:
        return self.value[0]

    @property
    def css(self) -> str:
        return self.value[1]

    @property
    def label(self) -> str:
        return self.value[2]

    @property
    def is_quiet(self) -> bool:
        return self in (Kind.ROUTINE, Kind.STEADY)


# First match wins. An event that no phrase describes is shown plainly and never folded away.
PHRASES: tuple[tuple[str, Kind], ...] = (
    ("deployment failed", Kind.TROUBLE),
    ("rolling back", Kind.TROUBLE),
    ("was unable to", Kind.TROUBLE),
    ("is unable to", Kind.TROUBLE),
    ("could not", Kind.TROUBLE),
    ("is unhealthy", Kind.WARNING),
    ("not healthy", Kind.WARNING),
    ("unhealthy status", Kind.WARNING),
    ("deployment completed", Kind.STEADY),
    ("steady state", Kind.STEADY),
    ("has started", Kind.TASKS),
    ("has stopped", Kind.TASKS),
    ("stopped", Kind.TASKS),
    ("registered", Kind.ROUTINE),
    ("draining", Kind.ROUTINE),
)
TASK = re.compile(r"(?<=\(task )([0-9a-f]{6,64})(?=\))")


class Event(Protocol):
    """A service event as the inventory keeps it."""

    @property
    def created_at(self) -> datetime: ...
    @property
    def message(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a message; with a task id it is a link to that task."""

    text: str
    task_id: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One event, or a fold of quiet ones."""

    at: datetime
    kind: Kind
    pieces: list[Piece]
    folded: int = 0
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Day:
    """The events of one UTC day, newest first."""

    date: date
    lines: list[Line]
    count: int

    @property
    def is_quiet(self) -> bool:
        """Whether one fold is all there is to show of the day."""
        return len(self.lines) == 1 and self.lines[0].folded > 0


def kind_of(message: str) -> Kind:
    """Return how an event is shown; an unknown one counts as being about tasks, so that it is not overlooked."""
    lowered = message.lower()
    return next((kind for phrase, kind in PHRASES if phrase in lowered), Kind.TASKS)


def task_ids_of(messages: Iterable[str]) -> set[str]:
    """Return the ids of all tasks that the messages name."""
    return {task_id for message in messages for task_id in TASK.findall(message)}


def pieces_of(message: str, known: Container[str]) -> list[Piece]:
    """Cut a message at the ids of known tasks; the others are from before the console watched and lead nowhere."""
    parts = TASK.split(message)
    return [
        Piece(part, part if index % 2 and part in known else "") for index, part in enumerate(parts) if part
    ]


def line_of(event: Event, known: Container[str]) -> Line:
    return Line(event.created_at, kind_of(event.message), pieces_of(event.message, known))


def group_days(events: Iterable[Event], known: Container[str], *, folds: bool) -> list[Day]:
    """Group events, newest first, by day; with `folds`, runs of quiet events become one line."""
    days: dict[date, list[Line]] = {}
    for event in events:
        days.setdefault(event.created_at.astimezone(UTC).date(), []).append(line_of(event, known))
    return [Day(day, fold_quiet(lines) if folds else lines, len(lines)) for day, lines in days.items()]


def fold_quiet(lines: Sequence[Line]) -> list[Line]:
    """Fold runs of three and more quiet lines; shorter runs take no more room than the fold would."""
    folded: list[Line] = []
    run: list[Line] = []
    for line in lines:
        if line.kind.is_quiet:
            run.append(line)
            continue
        folded += close_run(run)
        run = []
        folded.append(line)
    return [*folded, *close_run(run)]


def close_run(run: Sequence[Line]) -> list[Line]:
    if len(run) < 3:
        return list(run)
    return [Line(run[0].at, Kind.ROUTINE, [], folded=len(run), until=run[-1].at)]
