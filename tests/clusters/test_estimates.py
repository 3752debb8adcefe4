"""What is usual, by a service's own past and by nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from clusters.estimates import Estimate, estimate, span_words

AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Past:
    minutes: float
    status: str = "SUCCESSFUL"
    strategy: str = ""
    has_end: bool = True
    created_at: datetime = AT

    @property
    def started_at(self) -> datetime:
        return AT + timedelta(minutes=1)

    @property
    def finished_at(self) -> datetime | None:
        return self.started_at + timedelta(minutes=self.minutes) if self.has_end else None


def test_the_median_and_what_nine_of_ten_keep() -> None:
    found = estimate([Past(minutes) for minutes in (4, 4, 4, 4, 4, 5, 5, 5, 6, 60)])
    assert (found.count, found.usual, found.at_most) == (10, timedelta(minutes=4.5), timedelta(minutes=6))
    assert found.words == "Usually 4 to 6 min, by its last 10 that succeeded"


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_little_past_is_said_and_not_guessed(count: int) -> None:
    found = estimate([Past(4)] * count)
    assert not found.is_known
    assert found.span == ""
    assert found.words.endswith(
        f"{['none', 'one', 'two'][count]} of its deployments like this succeeded, 3 are needed"
    )
    assert found.beside(timedelta(minutes=2, seconds=9)) == "2 min"


def test_only_what_succeeded_with_the_same_strategy_counts() -> None:
    others = [
        Past(90, "ROLLBACK_SUCCESSFUL"),
        Past(90, strategy="BLUE_GREEN"),
        Past(90, has_end=False),
        Past(-1),
    ]
    found = estimate([*others, Past(4), Past(4), Past(4, strategy="ROLLING")])
    assert (found.count, found.at_most) == (3, timedelta(minutes=4))
    assert estimate([*others, Past(4)], "BLUE_GREEN").count == 1


def test_old_ones_do_not_count() -> None:
    assert estimate([Past(4)] * 20 + [Past(90)] * 20).at_most == timedelta(minutes=4)


def test_what_has_passed_stands_beside_what_is_usual() -> None:
    found = Estimate(5, timedelta(minutes=5), timedelta(minutes=6))
    assert found.beside(timedelta(seconds=40)) == "40 s of usually 5 to 6 min"
    assert found.beside(timedelta(minutes=2, seconds=50)) == "2 min of usually 5 to 6 min"
    assert found.beside(timedelta(minutes=2), is_over=True) == "2 min, usually 5 to 6 min"
    assert found.beside(timedelta(minutes=9)) == "9 min, longer than the usual 5 to 6 min"


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (4, 6, "10 s"),
        (42, 58, "40 to 60 s"),
        (60, 130, "1 to 3 min"),
        (240, 240, "4 min"),
        (7200, 9000, "2 h to 2 h 30 min"),
        (7200, 7200, "2 h"),
    ],
)
def test_spans_in_words(low: float, high: float, words: str) -> None:
    assert span_words(timedelta(seconds=low), timedelta(seconds=high)) == words
