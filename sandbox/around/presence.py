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
    start, end = first * 60.0, (last + 1) * 60.0
    running, healthy = _Tally(start, size), _Tally(start, size)
    result = Minutes(first, running.weight, running.seen, healthy.weight, [0] * size)
    for level in levels:
        for tally in (running, healthy):
            tally.add(level.start.timestamp(), level.end.timestamp(), level.tasks)
    for item in presences(service):
        begins = item.started_at.timestamp()
        ends = item.ended_at.timestamp() if item.ended_at else end
        if begins >= end or ends < start:
            continue
        running.add(begins, ends, 1)
        if item.healthy:
            healthy.add(begins + SERVES_AFTER, ends, 1)
        if item.failed and item.ended_at and start <= ends < end:
            result.failures[int(ends // 60) - first] += 1
        if item.growth:
            _grow(result, item, begins, ends)
    running.sum_up()
    healthy.sum_up()
    return result


class _Tally:
    """Tasks by minute: those that fill a minute are noted where they begin and end, so that long lives are cheap."""

    def __init__(self, origin: float, size: int) -> None:
        self.weight = [0.0] * size
        self.seen = [0] * size
        self._whole = [0] * (size + 1)
        self._origin = origin
        self._end = origin + size * 60

    def add(self, start: float, end: float, tasks: int) -> None:
        start, end = max(start, self._origin) - self._origin, min(end, self._end) - self._origin
        if end <= start:
            return
        low, high = int(start // 60), int((end - 1e-6) // 60)
        if low == high:
            self._part(low, (end - start) / 60, tasks)
            return
        self._part(low, 1 - (start - low * 60) / 60, tasks)
        self._part(high, (end - high * 60) / 60, tasks)
        self._whole[low + 1] += tasks
        self._whole[high] -= tasks

    def _part(self, place: int, share: float, tasks: int) -> None:
        self.weight[place] += share * tasks
        self.seen[place] += tasks

    def sum_up(self) -> None:
        """Add the tasks that filled whole minutes."""
        whole = 0
        for place in range(len(self.seen)):
            whole += self._whole[place]
            self.weight[place] += whole
            self.seen[place] += whole


def _grow(result: Minutes, item: Presence, begins: float, ends: float) -> None:
    """Note how full the memory of a task was at the end of each minute: from two fifths to the limit."""
    if item.growth is None:
        return
    low = max(result.first, int(begins // 60))
    high = min(result.first + len(result.weight) - 1, int(ends // 60))
    for minute in range(low, high + 1):
        used = fullness(item.growth, min(ends, (minute + 1) * 60.0))
        if used is not None:
            result.growing.setdefault(minute - result.first, []).append(used)


def fullness(growth: tuple[datetime, datetime], moment: float) -> float | None:
    """Return how much of its memory a growing task uses, in percent; None before it grows."""
    since, full = (end.timestamp() for end in growth)
    if moment < since:
        return None
    return 40 + 60 * min(1.0, (moment - since) / max(1.0, full - since))
