"""The next windows of a schedule, in its zone and in UTC, with what the clocks do to them. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import islice
from zoneinfo import ZoneInfo

from clusters.spans import spell
from deployments.window_words import once
from deployments.windows import HORIZON, Schedule, Window, windows

SHOWN = 5


@dataclass(frozen=True, slots=True)
class Preview:
    """One window that is to come."""

    local: str
    utc: str
    remark: str


def preview_of(schedule: Schedule, now: datetime) -> list[Preview]:
    """Return the next windows, the one that is open now among them."""
    found = list(islice(windows(schedule, now, now + HORIZON), SHOWN))
    befores: list[Window | None] = [None, *found[:-1]]
    return [
        Preview(
            local=written(window, schedule.tz, now),
            utc=written(window, UTC, now),
            remark=remark(window, before, schedule),
        )
        for window, before in zip(found, befores, strict=True)
    ]


def written(window: Window, zone: tzinfo, now: datetime) -> str:
    first, last = (at.astimezone(zone) for at in (window.starts_at, window.ends_at))
    return once(first, last, now.year)


def remark(window: Window, before: Window | None, schedule: Schedule) -> str:
    """Say where the clocks change within a window, or between it and the one before."""
    tz = schedule.tz
    start, end = offset(window.starts_at, tz), offset(window.ends_at, tz)
    if start != end:
        lasts = spell(window.ends_at - window.starts_at)
        return f"The clocks go {direction(end - start)} in it: it lasts {lasts}."
    if before and offset(before.ends_at, tz) != start:
        moved = start - offset(before.ends_at, tz)
        side = "earlier" if moved > timedelta() else "later"
        return f"The clocks go {direction(moved)} before it: {spell(abs(moved))} {side} in UTC."
    return ""


def direction(moved: timedelta) -> str:
    return "forward" if moved > timedelta() else "back"


def offset(at: datetime, tz: ZoneInfo) -> timedelta:
    return at.astimezone(tz).utcoffset() or timedelta()
