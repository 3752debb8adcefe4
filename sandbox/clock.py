"""World time: a clock that stands still until it is moved, and the events that wait for it."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


class Clock:
    """Run callbacks in order of world time; callbacks due at the same moment run in the order they were set."""

    def __init__(self, start: datetime) -> None:
        if start.tzinfo is None:
            raise ValueError("the start of world time must be an aware datetime")
        self.now = start.astimezone(UTC)
        # How many times faster than AWS everything takes its course, while moments stay what they are.
        self.pace = 1.0
        self._waiting: list[tuple[datetime, int, Callable[[], None]]] = []
        self._count = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def after(self, seconds: float, callback: Callable[[], None]) -> datetime:
        """Set a callback some seconds from now and return its moment."""
        return self.at(self.now + self.span(seconds), callback)

    def span(self, seconds: float) -> timedelta:
        """Return how long something lasts that takes AWS so many seconds."""
        return timedelta(seconds=max(0.0, seconds) / self.pace)

    def lasted(self, since: datetime) -> float:
        """Return the seconds that AWS would have taken for what has happened since a moment."""
        return (self.now - since).total_seconds() * self.pace

    def at(self, moment: datetime, callback: Callable[[], None]) -> datetime:
        """Set a callback; a moment in the past is run at the next advance, without turning the clock back."""
        self._count += 1
        heapq.heappush(self._waiting, (moment, self._count, callback))
        return moment

    def advance_to(self, moment: datetime) -> None:
        """Move to a moment, running every callback due until then; never moves backwards."""
        while self._waiting and self._waiting[0][0] <= moment:
            due, _, callback = heapq.heappop(self._waiting)
            self.now = max(self.now, due)
            callback()
        self.now = max(self.now, moment)
