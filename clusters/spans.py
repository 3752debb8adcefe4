"""Lengths of time in words, the way the pages write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

DAY = 86_400


def spell(span: timedelta | float) -> str:
    """Return a length of time in its two largest units: `2 min 40 s`, `3 h 5 min`, `12 d`."""
    seconds = span.total_seconds() if isinstance(span, timedelta) else float(span)
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return _two(whole // 60, "min", whole % 60, "s")
    if whole < DAY:
        return _two(whole // 3600, "h", whole % 3600 // 60, "min")
    return _two(whole // DAY, "d", whole % DAY // 3600, "h")


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large} {large_unit} {small} {small_unit}" if small else f"{large} {large_unit}"


def clock(at: datetime, now: datetime) -> str:
    """Return the UTC time of day, with the date when it was not within the last day."""
    at = at.astimezone(UTC)
    if abs((now - at).total_seconds()) < DAY:
        return f"{at:%H:%M:%S}"
    return f"{at:%Y-%m-%d %H:%M}"


def parse_time(value: object) -> datetime | None:
    """Return an ISO string of the facts as an aware time; None for what is missing or is no time."""
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
