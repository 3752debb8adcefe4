"""Windows of time, once or by a rule of RFC 5545, and when nothing stands in the way any more. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dateutil.rrule import DAILY, MONTHLY, WEEKLY, YEARLY, rrule, rrulestr

DENY, ALLOW = "deny", "allow"
FREQUENCIES = (DAILY, WEEKLY, MONTHLY, YEARLY)
# How far ahead an opening is looked for, and how many windows in a row are walked through on the way.
HORIZON = timedelta(days=400)
MOST_WINDOWS = 60
UNTIL_A_DAY = re.compile(r"(UNTIL=\d{8})(?![\dT])")


class InvalidRuleError(ValueError):
    """The rule cannot be meant; the text says why."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """A window or a series of windows in the wall-clock time of a zone."""

    starts_at: datetime
    duration: timedelta
    zone: str = "UTC"
    rule: str = ""
    effect: str = DENY

    @property
    def tz(self) -> ZoneInfo:
        return zone_of(self.zone)


@dataclass(frozen=True, slots=True)
class Window:
    """One window; `ends_at` is no longer in it."""

    starts_at: datetime
    ends_at: datetime

    def __contains__(self, moment: datetime) -> bool:
        return self.starts_at <= moment < self.ends_at


def zone_of(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidRuleError(f"{name[:64]} is not a time zone. Write one like Europe/Berlin.") from error


@lru_cache(maxsize=256)
def parse_rule(text: str, first: datetime) -> rrule:
    """Return the rule of a series that starts at a wall-clock time; raises `InvalidRuleError`."""
    if any(word in text.upper() for word in ("DTSTART", "RDATE", "EXDATE", "EXRULE", "\n")):
        raise InvalidRuleError("Write one rule only, such as FREQ=WEEKLY;BYDAY=FR.")
    try:
        # The series counts in wall-clock time, so an UNTIL in UTC is read as the clock on the wall; one that names a
        # day alone means all of it, as calendars read it.
        wall = UNTIL_A_DAY.sub(r"\1T235959", text.upper().replace("Z;", ";").removesuffix("Z"))
        found = rrulestr(wall, dtstart=first, cache=True)
    except (ValueError, TypeError, AttributeError, IndexError) as error:
        raise InvalidRuleError(f"{text[:80]} is not a rule of RFC 5545: {error}.") from error
    if not isinstance(found, rrule) or found._freq not in FREQUENCIES:  # type: ignore[attr-defined]
        raise InvalidRuleError("A window returns daily, weekly, monthly or yearly, not more often.")
    return found


def moments_of(wall: datetime, tz: ZoneInfo) -> tuple[datetime, datetime]:
    """Return the earlier and the later moment that a wall-clock time can mean; mostly they are one.

    At the end of summer time a time comes twice; at its start some never come, and count as either side of the gap.
    """
    both = [wall.replace(tzinfo=tz, fold=fold).astimezone(UTC) for fold in (0, 1)]
    return min(both), max(both)


def window_at(schedule: Schedule, wall: datetime) -> Window:
    """Return the window that starts at a wall-clock time.

    It ends by the clock on the wall as well. Where the clocks change, a deny window is as long as it can be meant and
    an allow window as short: nothing begins that somebody meant to hold up.
    """
    early_start, late_start = moments_of(wall, schedule.tz)
    early_end, late_end = moments_of(wall + schedule.duration, schedule.tz)
    return Window(early_start, late_end) if schedule.effect == DENY else Window(late_start, early_end)


def windows(schedule: Schedule, begin: datetime, end: datetime) -> Iterator[Window]:
    """Yield the windows that touch a span, in order."""
    tz = schedule.tz
    first = schedule.starts_at.astimezone(tz).replace(tzinfo=None, fold=0)
    if not schedule.rule:
        starts: Iterable[datetime] = [first]
    else:
        # Two hours more on either side: the clocks may change in between.
        margin = schedule.duration + timedelta(hours=2)
        after = begin.astimezone(tz).replace(tzinfo=None) - margin
        before = end.astimezone(tz).replace(tzinfo=None) + timedelta(hours=2)
        starts = parse_rule(schedule.rule, first).xafter(after, inc=True)
        starts = until(starts, before)
    for wall in starts:
        window = window_at(schedule, wall)
        if window.ends_at > begin and window.starts_at < end:
            yield window


def until(starts: Iterable[datetime], last: datetime) -> Iterator[datetime]:
    for wall in starts:
        if wall > last:
            return
        yield wall


def window_with(schedule: Schedule, moment: datetime) -> Window | None:
    """Return the window that a moment lies in, the one that lasts longest."""
    found = [
        window for window in windows(schedule, moment, moment + timedelta(seconds=1)) if moment in window
    ]
    return max(found, key=lambda window: window.ends_at, default=None)


def next_window(schedule: Schedule, moment: datetime) -> Window | None:
    """Return the window that a moment lies in, else the next one within the horizon."""
    return next(windows(schedule, moment, moment + HORIZON), None)


def holding(schedules: Sequence[Schedule], moment: datetime) -> list[int]:
    """Return the positions of the schedules that hold a change up at a moment.

    A deny window holds while it is open, whatever any allow window says. Allow windows hold together: where there
    are some and none is open, all of them do.
    """
    found = [
        number
        for number, schedule in enumerate(schedules)
        if schedule.effect == DENY and window_with(schedule, moment)
    ]
    allows = [number for number, schedule in enumerate(schedules) if schedule.effect == ALLOW]
    if allows and not any(window_with(schedules[number], moment) for number in allows):
        found += allows
    return found


def opens_at(schedules: Sequence[Schedule], moment: datetime) -> datetime | None:
    """Return when nothing holds a change up any more: the moment itself, or None beyond the horizon."""
    at = moment
    for _ in range(MOST_WINDOWS):
        held_by = [schedules[number] for number in holding(schedules, at)]
        if not held_by:
            return at
        later = next_chance(held_by, at)
        if later is None or later - moment > HORIZON:
            return None
        at = later
    return None


def end_of_run(schedule: Schedule, at: datetime) -> datetime:
    """Return when the windows are over that hold a moment and touch one another: whole days in a row are one freeze."""
    end = at
    for number, window in enumerate(windows(schedule, at, at + HORIZON)):
        if window.starts_at > end:
            break
        if number > HORIZON.days:
            # Several a day without a gap: nobody waits for the last one, and walking them all would take seconds.
            return at + 2 * HORIZON
        end = max(end, window.ends_at)
    return end


def next_chance(held_by: Sequence[Schedule], at: datetime) -> datetime | None:
    """Return the next moment at which what holds now may hold no more; None when it always will."""
    denies = [end_of_run(one, at) for one in held_by if one.effect == DENY]
    if denies:
        return max(denies)
    openings = [window.starts_at for one in held_by if (window := next_window(one, at))]
    return min(openings, default=None)
