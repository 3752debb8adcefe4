"""How long a rollout usually takes, by the service's own past. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Protocol

from clusters.spans import spell

# Fewer say nothing about what is usual.
LEAST = 3
# Older ones were of another size and another image.
MOST = 20
ROLLING = "ROLLING"


class Ended(Protocol):
    """A service deployment as far as its length matters."""

    @property
    def status(self) -> str: ...
    @property
    def strategy(self) -> str: ...
    @property
    def created_at(self) -> datetime: ...
    @property
    def started_at(self) -> datetime | None: ...
    @property
    def finished_at(self) -> datetime | None: ...


@dataclass(frozen=True, slots=True)
class Estimate:
    """What is usual; without enough past there is no length, and only the count of what there is."""

    count: int
    usual: timedelta | None = None
    at_most: timedelta | None = None

    @property
    def is_known(self) -> bool:
        return self.usual is not None

    @property
    def span(self) -> str:
        """Return "4 to 6 min", empty when it is not known."""
        if self.usual is None or self.at_most is None:
            return ""
        return span_words(self.usual, self.at_most)

    @property
    def words(self) -> str:
        """Say what is usual, or why that is not known."""
        if self.is_known:
            return f"Usually {self.span}, by its last {self.count} that succeeded"
        have = {0: "None", 1: "One", 2: "Two"}[self.count]
        return f"How long it takes is not known: {have.lower()} of its deployments like this succeeded, {LEAST} are needed"

    def beside(self, taken: timedelta, *, is_over: bool = False) -> str:
        """Say how long something has taken, or took, beside what is usual."""
        spent = rough(taken)
        if self.usual is None or self.at_most is None:
            return spent
        if taken > self.at_most:
            return f"{spent}, longer than the usual {self.span}"
        return f"{spent}, usually {self.span}" if is_over else f"{spent} of usually {self.span}"


def estimate(past: Iterable[Ended], strategy: str = "") -> Estimate:
    """Estimate from the newest deployments with the same strategy that succeeded: the median, and what nine of ten keep."""
    lengths = [
        length
        for row in past
        if row.status == "SUCCESSFUL"
        and (row.strategy or ROLLING) == (strategy or ROLLING)
        and (length := length_of(row)) is not None
    ][:MOST]
    if len(lengths) < LEAST:
        return Estimate(len(lengths))
    return Estimate(
        len(lengths), timedelta(seconds=median(lengths)), timedelta(seconds=percentile(lengths, 0.9))
    )


def length_of(row: Ended) -> float | None:
    """Return the seconds from begin to end, None where ECS does not tell."""
    if row.finished_at is None:
        return None
    seconds = (row.finished_at - (row.started_at or row.created_at)).total_seconds()
    return seconds if seconds > 0 else None


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that so large a share of all does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def span_words(low: timedelta, high: timedelta) -> str:
    """Return two lengths as a span in one unit: "4 to 6 min", "40 to 50 s", and one where they are the same."""
    if high < timedelta(minutes=2):
        first, last, unit = tens(low), tens(high), "s"
    elif high < timedelta(hours=2):
        first, last, unit = round(low / timedelta(minutes=1)), math.ceil(high / timedelta(minutes=1)), "min"
    else:
        return spell(low) if spell(low) == spell(high) else f"{spell(low)} to {spell(high)}"
    first = max(first, 1)
    return f"{last} {unit}" if first >= last else f"{first} to {last} {unit}"


def tens(length: timedelta) -> int:
    """Return seconds rounded to tens, but not to none."""
    return max(10, round(length.total_seconds() / 10) * 10)


def rough(length: timedelta) -> str:
    """Return a length that still grows, without seconds once it has minutes."""
    minutes = int(length / timedelta(minutes=1))
    return spell(timedelta(minutes=minutes)) if minutes else spell(length)
