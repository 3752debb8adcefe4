"""How times read: 4 s, 12 min, 15 h, 31 d, 5 mo. `static/js/times.js` says the same in the browser."""

from __future__ import annotations

from datetime import UTC, datetime

MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR
MONTH = 30 * DAY
RELATIVE_DAYS = 30


def duration_words(seconds: float) -> str:
    """Return a duration in its largest whole unit."""
    whole = max(0, int(seconds))
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        return f"{whole // MINUTE} min"
    if whole < DAY:
        return f"{whole // HOUR} h"
    if whole < 2 * MONTH:
        return f"{whole // DAY} d"
    return f"{whole // MONTH} mo"


def relative_words(moment: datetime, now: datetime) -> str:
    """Return how long ago a moment was, or its date when that is more than 30 days."""
    seconds = (now - moment).total_seconds()
    if seconds < -MINUTE:
        return f"in {duration_words(-seconds)}"
    if seconds > RELATIVE_DAYS * DAY:
        return moment.astimezone(UTC).strftime("%-d %b %Y")
    return f"{duration_words(seconds)} ago"
