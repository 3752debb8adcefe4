"""Outgoing against incoming: figures of both sides, and a verdict for each by fixed thresholds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure, or why it is not known; never a zero that nobody measured."""

    value: float | None = None
    why: str = ""


class Verdict(Enum):
    """How the incoming side stands: its word, its shape and its colour."""

    SAME = ("Same", "steady")
    SIMILAR = ("Similar", "steady")
    LOWER = ("Lower", "steady")
    HIGHER = ("Higher", "degraded")
    UNKNOWN = ("Not known", "stale")

    @property
    def word(self) -> str:
        return self.value[0]

    @property
    def css(self) -> str:
        return self.value[1]


@dataclass(frozen=True, slots=True)
class Measure:
    """What is compared: how it is written, and how much is still the same, or similar.

    A difference counts as the same (similar) if it is within the absolute or within the relative bound. In all of them
    more is worse.
    """

    title: str
    same: float
    similar: float
    same_share: float
    similar_share: float
    digits: int
    unit: str = ""
    # The unit of a difference, where that is another one: points for shares.
    difference_unit: str = ""

    def write(self, value: float) -> str:
        return f"{value:.{self.digits}f}{self.unit}"


@dataclass(frozen=True, slots=True)
class Row:
    """One measure with both sides."""

    measure: Measure
    outgoing: Figure
    incoming: Figure

    @property
    def title(self) -> str:
        return self.measure.title

    @property
    def verdict(self) -> Verdict:
        return judge(self.measure, self.outgoing.value, self.incoming.value)

    @property
    def before(self) -> str:
        return written(self.measure, self.outgoing)

    @property
    def after(self) -> str:
        return written(self.measure, self.incoming)

    @property
    def difference(self) -> str:
        if self.outgoing.value is None or self.incoming.value is None:
            return ""
        # Of what is shown: 44% and 45% differ, however near they are.
        digits = self.measure.digits
        change = round(self.incoming.value, digits) - round(self.outgoing.value, digits)
        size = f"{abs(change):.{digits}f}"
        if not float(size):
            return "none"
        own = self.measure.difference_unit
        unit = (own.removesuffix("s") if size == "1" else own) or self.measure.unit
        return f"{'+' if change > 0 else '−'}{size}{unit}"

    @property
    def why(self) -> str:
        """Say why it is not known, once where both sides have one reason."""
        return " ".join(dict.fromkeys(filter(None, [self.outgoing.why, self.incoming.why])))


def judge(measure: Measure, before: float | None, after: float | None) -> Verdict:
    """Return the verdict of two figures; not known when either is not."""
    if before is None or after is None:
        return Verdict.UNKNOWN
    change = after - before
    if abs(change) <= max(measure.same, measure.same_share * abs(before)):
        return Verdict.SAME
    if abs(change) <= max(measure.similar, measure.similar_share * abs(before)):
        return Verdict.SIMILAR
    return Verdict.HIGHER if change > 0 else Verdict.LOWER


def written(measure: Measure, figure: Figure) -> str:
    return "not known" if figure.value is None else measure.write(figure.value)


# A share below a twentieth of a point is one request in two thousand: noise at any size of canary.
ERRORS_5XX = Measure("5xx responses", 0.05, 0.25, 0.0, 0.0, 2, "%", " points")
RESPONSE_P95 = Measure("Response p95", 5.0, 20.0, 0.05, 0.15, 0, " ms")
MEMORY = Measure("Memory, % of limit", 2.0, 5.0, 0.0, 0.0, 0, "%", " points")
ERROR_LINES = Measure("Error lines per min", 0.2, 1.0, 0.10, 0.25, 1)
RESTARTS = Measure("Restarts", 0.0, 0.0, 0.0, 0.0, 0)
