"""Windows of time: once and again, over midnight, over the change of clocks, and how they combine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.windows import (
    ALLOW,
    DENY,
    InvalidRuleError,
    Schedule,
    holding,
    opens_at,
    parse_rule,
    window_with,
    windows,
)

BERLIN = ZoneInfo("Europe/Berlin")


def berlin(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=BERLIN)  # type: ignore[misc,arg-type]


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


def nightly(effect: str = DENY) -> Schedule:
    """From 22:00 to 06:00 in Berlin, every night since 2020."""
    return Schedule(berlin(2020, 1, 1, 22), timedelta(hours=8), "Europe/Berlin", "FREQ=DAILY", effect)


@pytest.mark.parametrize(
    ("until", "opens"), [("20270131T000000", utc(2027, 1, 31, 23)), ("20290101T000000", None)]
)
def test_days_in_a_row_open_after_the_last_one(until: str, opens: datetime | None) -> None:
    """Three months of whole days are one freeze, not more windows than anybody walks through."""
    every_day = Schedule(
        berlin(2026, 11, 1), timedelta(hours=24), "Europe/Berlin", f"FREQ=DAILY;UNTIL={until}"
    )
    assert opens_at([every_day], utc(2026, 11, 3, 12)) == opens


@pytest.mark.parametrize("until", ["20261231", "20261231T235959", "20261231T235959Z"])
def test_series_until_a_day_holds_on_that_day_as_its_words_say(until: str) -> None:
    office = Schedule(
        berlin(2026, 12, 1, 8), timedelta(hours=10), "Europe/Berlin", f"FREQ=DAILY;UNTIL={until};INTERVAL=1"
    )
    assert window_with(office, berlin(2026, 12, 31, 9))
    assert not window_with(office, berlin(2027, 1, 1, 9))


def test_single_window_holds_from_its_start_until_just_before_its_end() -> None:
    once = Schedule(utc(2026, 3, 13, 16), timedelta(hours=8))
    assert not holding([once], utc(2026, 3, 13, 15, 59))
    assert holding([once], utc(2026, 3, 13, 16)) == [0]
    assert holding([once], utc(2026, 3, 13, 23, 59)) == [0]
    assert not holding([once], utc(2026, 3, 14))
    assert opens_at([once], utc(2026, 3, 13, 20)) == utc(2026, 3, 14)


@pytest.mark.parametrize(
    ("moment", "opens"),
    [
        (berlin(2026, 3, 28, 23), berlin(2026, 3, 29, 6)),  # the night that has seven hours
        (berlin(2026, 10, 24, 23), berlin(2026, 10, 25, 6)),  # the night that has nine
        (berlin(2028, 2, 29, 1), berlin(2028, 2, 29, 6)),
        (berlin(2026, 12, 31, 23, 59), berlin(2027, 1, 1, 6)),
    ],
)
def test_night_ends_by_the_clock_on_the_wall(moment: datetime, opens: datetime) -> None:
    assert opens_at([nightly()], moment) == opens
    assert holding([nightly()], moment) == [0]


def test_night_of_the_long_hour_lasts_nine_hours_and_of_the_short_one_seven() -> None:
    long = window_with(nightly(), berlin(2026, 10, 25, 1))
    short = window_with(nightly(), berlin(2026, 3, 29, 1))
    assert long
    assert short
    assert long.ends_at - long.starts_at == timedelta(hours=9)
    assert short.ends_at - short.starts_at == timedelta(hours=7)


def test_where_the_clock_shows_a_time_twice_deny_takes_both_hours_and_allow_neither() -> None:
    span = {
        "starts_at": berlin(2026, 10, 25, 2, 15),
        "duration": timedelta(minutes=30),
        "zone": "Europe/Berlin",
    }
    first, second = utc(2026, 10, 25, 0, 20), utc(2026, 10, 25, 1, 20)
    deny, allow = Schedule(**span), Schedule(**span, effect=ALLOW)  # type: ignore[arg-type]
    assert holding([deny], first) == holding([deny], second) == [0]
    assert holding([allow], first) == holding([allow], second) == [0]


def test_window_that_starts_in_the_hour_that_does_not_exist_still_holds() -> None:
    schedule = Schedule(
        berlin(2026, 3, 1, 2, 30), timedelta(hours=1), "Europe/Berlin", "FREQ=WEEKLY;BYDAY=SU"
    )
    found = [(w.starts_at, w.ends_at) for w in windows(schedule, utc(2026, 3, 29), utc(2026, 3, 30))]
    assert found == [(utc(2026, 3, 29, 0, 30), utc(2026, 3, 29, 1, 30))]


def test_deny_beats_allow() -> None:
    always = Schedule(utc(2026, 1, 1), timedelta(days=365), effect=ALLOW)
    friday = Schedule(utc(2026, 3, 13), timedelta(days=1))
    assert holding([always], utc(2026, 3, 13, 9)) == []
    assert holding([always, friday], utc(2026, 3, 13, 9)) == [1]


def test_outside_every_allow_window_all_of_them_hold_and_the_next_one_opens() -> None:
    mornings = Schedule(utc(2026, 1, 1, 9), timedelta(hours=2), "UTC", "FREQ=DAILY", ALLOW)
    evenings = Schedule(utc(2026, 1, 1, 18), timedelta(hours=1), "UTC", "FREQ=DAILY", ALLOW)
    assert holding([mornings, evenings], utc(2026, 5, 5, 12)) == [0, 1]
    assert opens_at([mornings, evenings], utc(2026, 5, 5, 12)) == utc(2026, 5, 5, 18)
    assert holding([mornings, evenings], utc(2026, 5, 5, 18, 30)) == []


def test_opening_walks_through_windows_that_follow_each_other() -> None:
    first = Schedule(utc(2026, 3, 13), timedelta(days=1))
    second = Schedule(utc(2026, 3, 13, 12), timedelta(days=3))
    mornings = Schedule(utc(2026, 1, 1, 9), timedelta(hours=2), "UTC", "FREQ=WEEKLY;BYDAY=MO,WE", ALLOW)
    assert opens_at([first, second, mornings], utc(2026, 3, 13, 1)) == utc(2026, 3, 18, 9)


def test_allow_window_in_the_past_never_opens_again() -> None:
    assert opens_at([Schedule(utc(2026, 1, 1), timedelta(hours=1), effect=ALLOW)], utc(2026, 2, 1)) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "FREQ=SECONDLY",
        "FREQ=HOURLY",
        "every friday",
        "FREQ=WEEKLY;BYDAY=XX",
        "FREQ=DAILY\nDTSTART:20200101",
    ],
)
def test_rule_that_cannot_be_meant_is_refused(text: str) -> None:
    with pytest.raises(InvalidRuleError):
        parse_rule(text, datetime(2026, 1, 1))  # noqa: DTZ001 - a wall-clock time


def test_zone_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InvalidRuleError, match="not a time zone"):
        holding([Schedule(utc(2026, 1, 1), timedelta(hours=1), "Mars/Olympus")], utc(2026, 1, 1))


schedules = st.builds(
    Schedule,
    starts_at=st.datetimes(datetime(2026, 1, 1), datetime(2026, 2, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    duration=st.integers(5, 2000).map(lambda minutes: timedelta(minutes=minutes)),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]),
    rule=st.sampled_from(["", "FREQ=DAILY", "FREQ=WEEKLY;BYDAY=MO,FR", "FREQ=MONTHLY;BYMONTHDAY=-1"]),
    effect=st.sampled_from([DENY, ALLOW]),
)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(schedules, max_size=4),
    st.datetimes(datetime(2026, 3, 20), datetime(2026, 11, 10), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_nothing_holds_at_the_opening_and_something_does_until_then(
    found: list[Schedule], moment: datetime
) -> None:
    opening = opens_at(found, moment)
    if opening is None:
        assert holding(found, moment)
        return
    assert holding(found, opening) == []
    if opening > moment:
        for part in range(10):
            between = moment + (opening - moment) * part / 10
            assert holding(found, between)
