"""How many tasks of a service ran in each minute, from the tasks themselves and what is known of those before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from sandbox.state import Presence, Service

# A task whose checks pass serves this long after its start.
SERVES_AFTER = 15.0


class Level(NamedTuple):
    """A number of tasks that ran before the world began."""

    start: datetime
    end: datetime
    tasks: int


@dataclass(slots=True)
class Minutes:
    """Consecutive minutes from `first`: tasks by time spent, tasks seen at all, and what was wrong with some."""

    first: int
    weight: list[float]
    seen: list[int]
    healthy: list[float]
    failures: list[int]
    growing: dict[int, list[float]] = field(default_factory=dict)


def presences(service: Service) -> Iterator[Presence]:
    """List when each task of a service ran."""
    yield from service.departed
    for task in service.tasks.values():
        presence = task.presence
        if presence:
            yield presence


def count(service: Service, levels: list[Level], first: int, last: int) -> Minutes:
    """Count a service's tasks in the minutes `first` to `last`, both included."""
    size = last - first + 1
    result = Minutes(first, [0.0] * size, [0] * size, [0.0] * size, [0] * size)
    start, end = first * 60.0, (last + 1) * 60.0
    for level in levels:
        span = (max(start, level.start.timestamp()), min(end, level.end.timestamp()))
        _cover(result.weight, result.seen, start, *span, level.tasks)
        _cover(result.healthy, None, start, *span, level.tasks)
    for item in presences(service):
        begins = item.started_at.timestamp()
        ends = item.ended_at.timestamp() if item.ended_at else end
        if begins >= end or ends < start:
            continue
        _cover(result.weight, result.seen, start, max(start, begins), min(end, ends), 1)
        if item.healthy:
            _cover(result.healthy, None, start, max(start, begins + SERVES_AFTER), min(end, ends), 1)
        if item.failed and item.ended_at and start <= ends < end:
            result.failures[int(ends // 60) - first] += 1
        if item.growth:
            _grow(result, item, begins, ends)
    return result


def _cover(
    weight: list[float], seen: list[int] | None, origin: float, start: float, end: float, tasks: int
) -> None:
    if end <= start:
        return
    low, high = int((start - origin) // 60), int((end - origin - 1e-6) // 60)
    for place in range(low, high + 1):
        begins = origin + place * 60
        weight[place] += (min(end, begins + 60) - max(start, begins)) / 60 * tasks
        if seen is not None:
            seen[place] += tasks


def _grow(result: Minutes, item: Presence, begins: float, ends: float) -> None:
    """Note how full the memory of a task was at the end of each minute: from two fifths to the limit."""
    if item.growth is None:
        return
    since, full = (moment.timestamp() for moment in item.growth)
    low = max(result.first, int(begins // 60))
    high = min(result.first + len(result.weight) - 1, int(ends // 60))
    for minute in range(low, high + 1):
        moment = min(ends, (minute + 1) * 60.0)
        if moment >= since:
            share = min(1.0, (moment - since) / max(1.0, full - since))
            result.growing.setdefault(minute - result.first, []).append(40 + 60 * share)
