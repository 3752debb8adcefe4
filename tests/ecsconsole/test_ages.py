from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ecsconsole.ages import duration_words, relative_words

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-3, "0 s"),
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (86_399, "23 h"),
        (86_400, "1 d"),
        (59 * 86_400, "59 d"),
        (60 * 86_400, "2 mo"),
    ],
)
def test_duration_is_said_in_its_largest_whole_unit(seconds: float, words: str) -> None:
    assert duration_words(seconds) == words


def test_moment_is_relative_for_thirty_days_then_a_date() -> None:
    assert relative_words(NOW - timedelta(days=30), NOW) == "30 d ago"
    assert relative_words(NOW - timedelta(days=31), NOW) == "24 Oct 2026"


def test_moment_ahead_says_in() -> None:
    assert relative_words(NOW + timedelta(minutes=5, seconds=1), NOW) == "in 5 min"
