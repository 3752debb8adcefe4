"""World time: a clock that stands still until it is moved, and the events that wait for it."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

# More callbacks than this at one moment come from callbacks that set each other for now, which would never end.
BUSIEST_MOMENT = 100_000
# Callbacks that wait; twenty thousand tasks keep some sixty thousand waiting.
MOST_WAITING = 1_000_000
LONGEST_ADVANCE = timedelta(days=400)


class WorldStuckError(RuntimeError):
    """The world would work without end or memory would run out."""


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
        if len(self._waiting) >= MOST_WAITING:
            raise WorldStuckError(f"{MOST_WAITING} callbacks wait at {self.now}; one sets ever more of them")
        self._count += 1
        heapq.heappush(self._waiting, (moment, self._count, callback))
        return moment

    def advance_to(self, moment: datetime) -> None:
        """Move to a moment, running every callback due until then; never moves backwards.

        Raises WorldStuckError rather than run callbacks at one moment for ever.
        """
        if moment - self.now > LONGEST_ADVANCE:
            raise ValueError(f"time moves on by at most {LONGEST_ADVANCE.days} days at once")
        at_once = 0
        while self._waiting and self._waiting[0][0] <= moment:
            due, _, callback = heapq.heappop(self._waiting)
            at_once = at_once + 1 if due <= self.now else 0
            if at_once > BUSIEST_MOMENT:
                name = getattr(callback, "__qualname__", repr(callback))
                raise WorldStuckError(f"time stands still at {self.now}: {name} runs over and over")
            self.now = max(self.now, due)
            callback()
        self.now = max(self.now, moment)
