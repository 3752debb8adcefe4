"""How the measurements time and summarise: medians with their range, never a single lucky value."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Spent:
    """What one run of something took in this process, all threads together."""

    wall_s: float
    cpu_s: float


def spent(call: Callable[[], Any]) -> Spent:
    """Run once and return what it took."""
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return Spent(time.perf_counter() - wall, time.process_time() - cpu)


def spread(values: Sequence[float], digits: int = 2) -> dict[str, float | list[float]]:
    """Return the median of the rounds and their range."""
    low, high = round(min(values), digits), round(max(values), digits)
    return {"median": round(statistics.median(values), digits), "range": [low, high]}


def spread_of(runs: Sequence[Spent]) -> dict[str, Any]:
    """Return wall and CPU seconds of the rounds."""
    return {
        "wall_s": spread([run.wall_s for run in runs], 3),
        "cpu_s": spread([run.cpu_s for run in runs], 3),
    }


def ratios(measured: Sequence[float], floor: Sequence[float]) -> dict[str, float | list[float]]:
    """Return the ratio of each round to the floor of the same round."""
    return spread([value / bottom for value, bottom in zip(measured, floor, strict=True)])


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the value that this share of a sorted sample does not exceed."""
    return ordered[max(0, min(len(ordered) - 1, round(len(ordered) * share) - 1))]
