"""Schedule expressions of scheduled scaling: at(…), rate(…) and cron(…)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sandbox.ports import ApiError

_MONTHS = {
    name: number
    for number, name in enumerate(
        ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"], 1
    )
}
# As in cron expressions of AWS, where a week begins on Sunday with 1.
_DAYS = {name: number for number, name in enumerate(["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"], 1)}
_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (1, 7), (1970, 2199))
_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_AT = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)")
_CRON = re.compile(r"cron\(([^()]+)\)")


class Schedule:
    """When something is due, to be asked once a minute."""

    def __init__(self, expression: str, zone: str | None = None) -> None:
        try:
            self._zone = ZoneInfo(zone or "UTC")
        except (ZoneInfoNotFoundError, ValueError):
            raise _invalid(f"Invalid timezone: {zone}") from None
        rate, at, cron = _RATE.fullmatch(expression), _AT.fullmatch(expression), _CRON.fullmatch(expression)
        self._every: timedelta | None = None
        self._at: datetime | None = None
        self._fields: list[set[int]] = []
        if rate:
            self._every = timedelta(**{rate[2] + "s": int(rate[1])})
        elif at:
            self._at = datetime.fromisoformat(at[1]).replace(tzinfo=self._zone).astimezone(UTC)
        elif cron and len(cron[1].split()) == 6:
            self._fields = [
                _field(text, *span, names=names)
                for text, span, names in zip(
                    cron[1].upper().split(), _RANGES, ({}, {}, {}, _MONTHS, _DAYS, {}), strict=True
                )
            ]
        else:
            raise _invalid(f"Invalid schedule expression: {expression}")

    @property
    def once(self) -> bool:
        return self._at is not None

    def is_due(self, before: datetime, now: datetime) -> bool:
        """Whether a moment of the schedule lies after `before`, when it last acted or was made, and is here."""
        if self._every is not None:
            return now - before >= self._every
        if self._at is not None:
            return before < self._at <= now
        local = now.astimezone(self._zone)
        weekday = local.isoweekday() % 7 + 1
        parts = (local.minute, local.hour, local.day, local.month, weekday, local.year)
        return all(part in allowed for part, allowed in zip(parts, self._fields, strict=True))


def _field(text: str, low: int, high: int, *, names: dict[str, int]) -> set[int]:
    allowed: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        if span in ("*", "?"):
            first, last = low, high
        else:
            begin, _, end = span.partition("-")
            first = _number(begin, names)
            last = _number(end, names) if end else high if step else first
        if not low <= first <= last <= high or (step and not step.isdigit()):
            raise _invalid(f"Invalid schedule expression: {text}")
        allowed.update(range(first, last + 1, int(step or 1)))
    return allowed


def _number(text: str, names: dict[str, int]) -> int:
    if text in names:
        return names[text]
    if not text.isdigit():
        raise _invalid(f"Invalid schedule expression: {text}")
    return int(text)


def _invalid(message: str) -> ApiError:
    return ApiError("ValidationException", message)
