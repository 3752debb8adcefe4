"""Statistic sets of one minute, as CloudWatch keeps them, and the statistics that are read from them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from sandbox.ports import ApiError

SIMPLE = ("SampleCount", "Sum", "Average", "Minimum", "Maximum")
_PERCENTILE = re.compile(r"p(\d{1,2}(\.\d+)?|100)")


@dataclass(slots=True)
class Sample:
    """What was measured in one minute."""

    count: float
    sum: float
    minimum: float
    maximum: float

    @classmethod
    def of(cls, value: float, count: float = 1.0, *, minimum: float = -1.0, maximum: float = -1.0) -> Sample:
        """Make the set of `count` measurements around a mean."""
        return cls(count, value * count, value if minimum < 0 else minimum, value if maximum < 0 else maximum)

    def add(self, other: Sample) -> None:
        self.count += other.count
        self.sum += other.sum
        self.minimum = min(self.minimum, other.minimum)
        self.maximum = max(self.maximum, other.maximum)


def check_statistic(name: str) -> None:
    if name not in SIMPLE and not _PERCENTILE.fullmatch(name):
        raise ApiError("ValidationError", f"The value {name} for parameter Stat is not supported.")


def statistic(sample: Sample, name: str) -> float:
    """Read one statistic; percentiles are interpolated between minimum, mean and maximum."""
    mean = sample.sum / sample.count if sample.count else 0.0
    if name == "Average":
        return mean
    if name == "Sum":
        return sample.sum
    if name == "SampleCount":
        return sample.count
    if name == "Minimum":
        return sample.minimum
    if name == "Maximum":
        return sample.maximum
    share = (float(name[1:]) - 50) / 50
    if share < 0:
        return float(mean + (mean - sample.minimum) * share)
    return float(mean + (sample.maximum - mean) * share**2)


def combined(samples: Iterable[Sample]) -> Sample | None:
    """Add up the sets of several minutes, None when there are none."""
    total: Sample | None = None
    for sample in samples:
        if total is None:
            total = Sample(sample.count, sample.sum, sample.minimum, sample.maximum)
        else:
            total.add(sample)
    return total
