"""The month of freezes, windows and scheduled changes, and freezes in words."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User
from hypothesis import given
from hypothesis import strategies as st

from access.queries import access_for
from deployments.calendar import Day, Month, freezes_in_words, month_of
from deployments.models import Freeze
from deployments.states import State
from deployments.views.freezes import chosen_month
from deployments.window_words import in_words
from deployments.windows import FREQUENCIES, Schedule
from tests.builders import bind, make_change, make_person, make_service

NOW = datetime(2026, 3, 12, 10, tzinfo=UTC)
BERLIN = "Europe/Berlin"


def freeze(name: str = "Quarter close", **fields: Any) -> Freeze:
    defaults: dict[str, Any] = {
        "environment": "production",
        "starts_at": datetime(2026, 3, 13, 16, tzinfo=UTC),
        "duration_minutes": 8 * 60,
        "created_at": datetime(2025, 12, 1, tzinfo=UTC),
    }
    return Freeze.objects.create(name=name, **{**defaults, **fields})


def day_of(month: Month, *when: int) -> Day:
    return next(one for one in month.days if one.date == date(*when))


def friday(*parts: int, rule: str = "", hours: float = 8) -> Schedule:
    return Schedule(datetime(*parts, tzinfo=ZoneInfo(BERLIN)), timedelta(hours=hours), BERLIN, rule)  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        (friday(2026, 3, 13, 16), "Fri 13 Mar 16:00 to Sat 14 Mar 00:00 Europe/Berlin"),
        (friday(2026, 3, 13, 10), "Fri 13 Mar 10:00 to 18:00 Europe/Berlin"),
        (friday(2026, 12, 31, 20), "Thu 31 Dec 20:00 to Fri 1 Jan 2027 04:00 Europe/Berlin"),
        (
            friday(2026, 3, 6, 16, rule="FREQ=WEEKLY;BYDAY=FR"),
            "every Friday 16:00 to Saturday 00:00 Europe/Berlin",
        ),
        (friday(2026, 3, 6, 16, rule="FREQ=WEEKLY"), "every Friday 16:00 to Saturday 00:00 Europe/Berlin"),
        (
            friday(2026, 3, 5, 22, rule="RRULE:FREQ=WEEKLY;BYDAY=TH,MO"),
            "every Monday and Thursday 22:00 to 06:00 the next day Europe/Berlin",
        ),
        (
            friday(2026, 3, 2, 9, rule="FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"),
            "every weekday 09:00 to 17:00 Europe/Berlin",
        ),
        (
            friday(2026, 3, 2, 9, rule="FREQ=WEEKLY;BYDAY=MO,TU,WE,TH"),
            "every Monday to Thursday 09:00 to 17:00 Europe/Berlin",
        ),
        (
            friday(2026, 3, 6, 9, rule="FREQ=WEEKLY;INTERVAL=2;BYDAY=FR"),
            "every 2 weeks on Friday 09:00 to 17:00 Europe/Berlin",
        ),
        (friday(2026, 3, 1, 22, rule="FREQ=DAILY"), "every day 22:00 to 06:00 the next day Europe/Berlin"),
        (
            friday(2026, 1, 31, 0, rule="FREQ=MONTHLY;BYMONTHDAY=-1", hours=48),
            "on the last day of every month 00:00 to 00:00 2 days later Europe/Berlin",
        ),
        (
            friday(2026, 1, 1, 8, rule="FREQ=MONTHLY;BYMONTHDAY=1,22"),
            "on the 1st and 22nd of every month 08:00 to 16:00 Europe/Berlin",
        ),
        (
            friday(2026, 2, 2, 8, rule="FREQ=MONTHLY;BYDAY=1MO"),
            "on the first Monday of every month 08:00 to 16:00 Europe/Berlin",
        ),
        (
            friday(2025, 12, 24, 8, rule="FREQ=YEARLY;COUNT=3"),
            "every year on 24 December 08:00 to 16:00 Europe/Berlin, 3 times",
        ),
        (
            friday(2026, 4, 3, 16, rule="FREQ=WEEKLY;BYDAY=FR;UNTIL=20270129T000000"),
            "every Friday 16:00 to Saturday 00:00 Europe/Berlin, from Fri 3 Apr, until Fri 29 Jan 2027",
        ),
        (
            friday(2026, 3, 1, 8, rule="FREQ=MONTHLY;BYDAY=MO,TU;BYSETPOS=-1"),
            "by the rule FREQ=MONTHLY;BYDAY=MO,TU;BYSETPOS=-1, 08:00 to 16:00 Europe/Berlin",
        ),
    ],
)
def test_window_is_said_in_words(schedule: Schedule, words: str) -> None:
    assert in_words(schedule, NOW) == words


@given(
    frequency=st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]),
    interval=st.integers(1, 40),
    days=st.lists(st.sampled_from(["MO", "1TU", "-1FR", "5SU", "-3WE", "SA"]), max_size=3, unique=True),
    numbers=st.lists(st.integers(-31, 31).filter(bool), max_size=3, unique=True),
    hours=st.integers(1, 24 * 90),
)
def test_every_rule_has_words(
    frequency: str, interval: int, days: list[str], numbers: list[int], hours: int
) -> None:
    rule = f"FREQ={frequency};INTERVAL={interval}"
    rule += f";BYDAY={','.join(days)}" if days else ""
    rule += f";BYMONTHDAY={','.join(map(str, numbers))}" if numbers else ""
    assert len(FREQUENCIES) == 4
    words = in_words(friday(2026, 3, 6, 16, rule=rule, hours=hours), NOW)
    assert "16:00 to" in words
    assert words.startswith(("every ", "on the ", f"by the rule {rule}"))


def test_month_hatches_what_is_frozen_and_boxes_today(people: dict[str, User]) -> None:
    freeze()
    freeze("Quarter end", starts_at=datetime(2026, 3, 30, tzinfo=UTC), duration_minutes=60 * 60)
    month = month_of(access_for(people["carol"]), 2026, 3, NOW)
    assert len(month.days) == 42
    assert (month.title, month.previous, month.following) == ("March 2026", "2026-02", "2026-04")
    assert [one.date.day for one in month.days if one.is_today] == [12]
    # Until midnight is not the day after; until noon is.
    frozen = [one.date for one in month.days if one.denies]
    assert frozen == [date(2026, 3, 13), date(2026, 3, 30), date(2026, 3, 31), date(2026, 4, 1)]
    assert day_of(month, 2026, 3, 13).label == "13 March, frozen by Quarter close"
    assert month.zone == "UTC"
    assert [entry.text for entry in month.entries] == [
        "Fri 13 Mar 16:00 to Sat 14 Mar 00:00",
        "Mon 30 Mar 00:00 to Wed 1 Apr 12:00",
    ]


def test_list_of_this_month_begins_now_and_what_is_over_stands_apart(people: dict[str, User]) -> None:
    freeze(rule="FREQ=DAILY", starts_at=datetime(2026, 1, 1, 22, tzinfo=UTC), duration_minutes=60)
    this = month_of(access_for(people["carol"]), 2026, 3, NOW)
    assert this.entries[0].text == "Thu 12 Mar 22:00 to 23:00"
    assert (len(this.entries), this.left_off) == (15, 5)
    assert this.past[0].text == "Wed 11 Mar 22:00 to 23:00"
    assert (len(this.past), this.past_left_off) == (11, 0)
    assert [one.css for one in this.days if one.date.day == 10] == ["day past frozen"]
    earlier = month_of(access_for(people["carol"]), 2026, 2, NOW)
    assert (earlier.entries, earlier.past[0].text) == ([], "Sat 28 Feb 22:00 to 23:00")
    assert (len(earlier.past), earlier.past_left_off) == (15, 13)
    later = month_of(access_for(people["carol"]), 2026, 4, NOW)
    assert (later.entries[0].text, later.past) == ("Wed 1 Apr 22:00 to 23:00", [])


def test_freeze_that_came_once_stays_in_its_month_when_it_is_over(people: dict[str, User]) -> None:
    freeze("Sale", starts_at=NOW - timedelta(days=5))
    month = month_of(access_for(people["carol"]), 2026, 3, NOW)
    assert [entry.text for entry in month.past] == ["Sat 7 Mar 10:00 to 18:00"]
    assert day_of(month, 2026, 3, 7).css == "day past frozen"


def test_freeze_that_was_taken_away_is_shown_as_far_as_it_stood(people: dict[str, User]) -> None:
    taken = NOW - timedelta(days=1)
    sale = {"starts_at": NOW - timedelta(days=3), "duration_minutes": 60 * 24 * 7, "ended_at": taken}
    freeze("Sale", **sale)
    freeze("Never held", ended_at=taken)
    freeze("Long gone", **{**sale, "ended_at": NOW - timedelta(days=30)})
    month = month_of(access_for(people["carol"]), 2026, 3, NOW)
    assert [entry.text for entry in month.past] == [
        "Mon 9 Mar 10:00 to Wed 11 Mar 10:00, when it was taken away"
    ]
    assert month.entries == []
    assert [one.date.day for one in month.days if one.denies] == [9, 10, 11]
    assert freezes_in_words(access_for(people["carol"]), NOW) == []


def test_nothing_is_shown_from_before_a_freeze_was_set_up(people: dict[str, User]) -> None:
    weekly = {"rule": "FREQ=WEEKLY", "starts_at": datetime(2026, 1, 6, 16, tzinfo=UTC)}
    freeze("Tuesdays", created_at=datetime(2026, 3, 3, 20, tzinfo=UTC), version=3, **weekly)
    month = month_of(access_for(people["carol"]), 2026, 3, NOW)
    assert [entry.text for entry in month.past] == [
        "Tue 10 Mar 16:00 to Wed 11 Mar 00:00, as its version 3 has it",
        "Tue 3 Mar 20:00 to Wed 4 Mar 00:00, as its version 3 has it",
    ]
    assert month_of(access_for(people["carol"]), 2026, 2, NOW).past == []


@pytest.mark.parametrize(
    ("zone", "days", "text", "today"),
    [
        ("UTC", [13], "Fri 13 Mar 16:00 to Sat 14 Mar 00:00", 12),
        ("Europe/Berlin", [13, 14], "Fri 13 Mar 17:00 to Sat 14 Mar 01:00", 12),
        ("Asia/Tokyo", [14], "Sat 14 Mar 01:00 to 09:00", 12),
        ("Pacific/Kiritimati", [14], "Sat 14 Mar 06:00 to 14:00", 13),
    ],
)
def test_days_are_those_of_the_zone(
    people: dict[str, User], zone: str, days: list[int], text: str, today: int
) -> None:
    freeze()
    month = month_of(access_for(people["carol"]), 2026, 3, NOW, zone=ZoneInfo(zone))
    assert month.zone == zone
    assert [one.date.day for one in month.days if one.denies] == days
    assert [entry.text for entry in month.entries] == [text]
    assert [one.date.day for one in month.days if one.is_today] == [today]


def test_scheduled_change_stands_on_its_day_of_the_zone(people: dict[str, User]) -> None:
    when = datetime(2026, 3, 31, 23, 30, tzinfo=UTC)
    change = make_change(
        make_service(), people["alice"], state=State.QUEUED, holds_slot=False, scheduled_at=when
    )
    berlin = month_of(access_for(people["carol"]), 2026, 4, NOW, zone=ZoneInfo(BERLIN))
    assert day_of(berlin, 2026, 4, 1).changes == [change]
    assert [entry.text for entry in berlin.entries] == ["Wed 1 Apr 01:30"]
    assert month_of(access_for(people["carol"]), 2026, 4, NOW).entries == []


def test_window_that_ends_at_midnight_is_no_line_of_the_next_month(people: dict[str, User]) -> None:
    freeze(starts_at=datetime(2026, 3, 31, 16, tzinfo=UTC))
    assert len(month_of(access_for(people["carol"]), 2026, 3, NOW).entries) == 1
    assert month_of(access_for(people["carol"]), 2026, 4, NOW).entries == []


def test_month_outlines_windows_and_dots_scheduled_changes(people: dict[str, User]) -> None:
    freeze("Office hours", effect="allow", rule="FREQ=WEEKLY;BYDAY=MO", starts_at=NOW - timedelta(days=30))
    here, there = make_service(), make_service("other")
    when = datetime(2026, 3, 19, 23, 30, tzinfo=UTC)
    change = make_change(here, people["alice"], state=State.QUEUED, holds_slot=False, scheduled_at=when)
    make_change(there, people["alice"], state=State.CANCELLED, scheduled_at=when)
    month = month_of(access_for(people["carol"]), 2026, 3, NOW)
    assert [one.date.day for one in month.days if one.allows] == [23, 2, 9, 16, 23, 30]
    assert day_of(month, 2026, 3, 19).changes == [change]
    assert day_of(month, 2026, 3, 19).label == "19 March, 1 scheduled change"


def test_freezes_are_listed_by_what_comes_next(people: dict[str, User]) -> None:
    freeze("Later")
    freeze("Now", starts_at=NOW - timedelta(hours=1), duration_minutes=252)
    freeze("Past", starts_at=NOW - timedelta(days=9))
    freeze(
        "Window", effect="allow", rule="FREQ=DAILY", starts_at=NOW - timedelta(days=4), duration_minutes=75
    )
    freeze("Gone", ended_at=NOW)
    lines = freezes_in_words(access_for(people["bob"]), NOW)
    assert [(line.freeze.name, line.state, line.holds_now) for line in lines] == [
        ("Now", "holds changes, opens in 3 h 12 min", True),
        ("Window", "open, closes in 1 h 15 min", False),
        ("Later", "begins in 1 d 6 h", False),
        ("Past", "is over", False),
    ]
    assert all(line.can_manage for line in lines)
    assert not any(line.can_manage for line in freezes_in_words(access_for(people["carol"]), NOW))


def test_whole_days_in_a_row_open_after_the_last_one(people: dict[str, User]) -> None:
    days = {"starts_at": NOW - timedelta(hours=1), "duration_minutes": 24 * 60}
    freeze("Audit", rule="FREQ=DAILY;COUNT=4", **days)
    freeze("Closed", rule="FREQ=DAILY", **days)
    lines = freezes_in_words(access_for(people["carol"]), NOW)
    assert {line.freeze.name: line.state for line in lines} == {
        "Audit": "holds changes, opens in 3 d 23 h",
        "Closed": "holds changes, does not open by itself",
    }


def test_closed_window_holds_and_one_that_never_opens_says_so(people: dict[str, User]) -> None:
    freeze("Weekly", effect="allow", rule="FREQ=WEEKLY", starts_at=NOW - timedelta(days=6))
    freeze("Once", effect="allow", starts_at=NOW - timedelta(days=6))
    lines = freezes_in_words(access_for(people["carol"]), NOW)
    assert [(line.state, line.holds_now) for line in lines] == [
        ("closed, opens in 1 d", True),
        ("does not open again: nothing begins there", True),
    ]


@pytest.mark.django_db
def test_freezes_are_read_where_a_person_sees_something() -> None:
    freeze("Production")
    freeze("Globbed", environment="", cluster="stage-*")
    freeze("Everywhere", environment="")
    nina = make_person("nina")
    assert freezes_in_words(access_for(nina), NOW) == []
    bind(nina, "viewer", environment="staging", cluster="stage-core")
    assert {line.freeze.name for line in freezes_in_words(access_for(nina), NOW)} == {"Globbed", "Everywhere"}
    bind(nina, "viewer", cluster="stage-*", effect="deny")
    assert freezes_in_words(access_for(nina), NOW) == []
    bind(nina, "viewer", environment="development")
    assert {line.freeze.name for line in freezes_in_words(access_for(nina), NOW)} == {"Everywhere"}


@pytest.mark.parametrize("text", ["", "nonsense", "2026-13", "0001-01", "9999-12", "2199-99"])
def test_month_that_cannot_be_meant_is_this_one(text: str) -> None:
    assert chosen_month(text, NOW) == (2026, 3)
    assert chosen_month("2027-02", NOW) == (2027, 2)
