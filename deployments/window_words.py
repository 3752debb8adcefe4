"""Windows of time in words: "every Friday 16:00 to Saturday 00:00 Europe/Berlin". Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from deployments.windows import Schedule

DAYS = {
    "MO": "Monday",
    "TU": "Tuesday",
    "WE": "Wednesday",
    "TH": "Thursday",
    "FR": "Friday",
    "SA": "Saturday",
    "SU": "Sunday",
}
WEEKDAYS = ["MO", "TU", "WE", "TH", "FR"]
UNITS = {"DAILY": "day", "WEEKLY": "week", "MONTHLY": "month", "YEARLY": "year"}
NUMBERED = {1: "first", 2: "second", 3: "third", 4: "fourth", 5: "fifth", -1: "last", -2: "second to last"}
# What the words can tell; a rule with anything else is quoted.
SAID = {"FREQ", "INTERVAL", "BYDAY", "BYMONTHDAY", "UNTIL", "COUNT", "WKST"}
A_DAY = timedelta(days=1)


def parts_of(rule: str) -> dict[str, str]:
    """Return a rule of RFC 5545 by its parts."""
    text = rule.strip().upper().removeprefix("RRULE:")
    pairs = (part.partition("=") for part in text.split(";") if part)
    return {name.strip(): value.strip() for name, _, value in pairs}


def in_words(schedule: Schedule, now: datetime) -> str:
    """Return when a window is, or a series of them."""
    first = schedule.starts_at.astimezone(schedule.tz).replace(tzinfo=None, fold=0)
    if not schedule.rule:
        return f"{once(first, first + schedule.duration, now.year)} {schedule.zone}"
    parts = parts_of(schedule.rule)
    series = series_of(parts, first) if set(parts) <= SAID else ""
    if not series:
        return f"by the rule {schedule.rule}, {hours(first, schedule.duration)} {schedule.zone}"
    days = parts.get("BYDAY", "").split(",") if parts.get("BYDAY") else []
    weekly = parts["FREQ"] == "WEEKLY"
    single = days[0] if weekly and len(days) == 1 else weekday(first) if weekly and not days else ""
    return f"{series} {hours(first, schedule.duration, single)} {schedule.zone}{bounds(parts, first, now)}"


def once(first: datetime, last: datetime, year: int) -> str:
    if first.date() == last.date():
        return f"{day(first, year)} {first:%H:%M} to {last:%H:%M}"
    return f"{day(first, year)} {first:%H:%M} to {day(last, year)} {last:%H:%M}"


def day(moment: datetime, year: int) -> str:
    """Return "Fri 13 Mar", with the year when it is another one."""
    text = f"{moment:%a} {moment.day} {moment:%b}"
    return text if moment.year == year else f"{text} {moment.year}"


def hours(first: datetime, duration: timedelta, weekday_code: str = "") -> str:
    """Return from when to when on the clock; the day of the end by its name where there is but one."""
    last = first + duration
    later = (last.date() - first.date()).days
    if not later:
        return f"{first:%H:%M} to {last:%H:%M}"
    if weekday_code and later < len(DAYS):
        names = list(DAYS)
        end = DAYS[names[(names.index(weekday_code) + later) % len(names)]]
        return f"{first:%H:%M} to {end} {last:%H:%M}"
    return f"{first:%H:%M} to {last:%H:%M} {'the next day' if later == 1 else f'{later} days later'}"


def series_of(parts: dict[str, str], first: datetime) -> str:
    """Return how often, or nothing where there are no words for it."""
    unit = UNITS.get(parts.get("FREQ", ""))
    interval = parts.get("INTERVAL", "1")
    if unit is None or not interval.isdecimal():
        return ""
    every = f"every {unit}" if interval == "1" else f"every {interval} {unit}s"
    days = parts["BYDAY"].split(",") if parts.get("BYDAY") else []
    numbers = parts["BYMONTHDAY"].split(",") if parts.get("BYMONTHDAY") else []
    if unit == "month" and numbers and not days:
        return f"on the {both([ordinal(number) for number in numbers])} of {every}"
    if unit == "month" and days and not numbers:
        named = [numbered(code) for code in days]
        return f"on the {both(named)} of {every}" if all(named) else ""
    if unit == "week" and not numbers:
        return weekly(days or [weekday(first)], interval)
    if days or numbers:
        return ""
    return {
        "day": every,
        "month": f"on the {ordinal(str(first.day))} of {every}",
        "year": f"{every} on {first.day} {first:%B}",
    }[unit]


def weekly(days: list[str], interval: str) -> str:
    if not all(code in DAYS for code in days):
        return ""
    if days == WEEKDAYS:
        named = "weekday"
    else:
        numbers = sorted(list(DAYS).index(code) for code in days)
        names = [list(DAYS.values())[number] for number in numbers]
        in_a_row = len(names) > 2 and numbers == list(range(numbers[0], numbers[-1] + 1))
        named = f"{names[0]} to {names[-1]}" if in_a_row else both(names)
    return f"every {named}" if interval == "1" else f"every {interval} weeks on {named}"


def bounds(parts: dict[str, str], first: datetime, now: datetime) -> str:
    """Return when a series begins and ends, as far as it does."""
    text = f", from {day(first, now.year)}" if first.date() > now.date() else ""
    if parts.get("COUNT"):
        text += f", {parts['COUNT']} times"
    until = parts.get("UNTIL", "")[:8]
    if until.isdecimal() and len(until) == len("20270131"):
        text += f", until {day(datetime.strptime(until, '%Y%m%d'), now.year)}"  # noqa: DTZ007 - a wall-clock day
    return text


def weekday(moment: datetime) -> str:
    return list(DAYS)[moment.weekday()]


def numbered(code: str) -> str:
    """Return "first Monday" of 1MO; nothing for what has no number."""
    number, name = code[:-2], DAYS.get(code[-2:], "")
    try:
        which = NUMBERED.get(int(number), "")
    except ValueError:
        return ""
    return f"{which} {name}" if which and name else ""


def ordinal(number: str) -> str:
    """Return "1st" of 1, "last day" of -1."""
    if number == "-1":
        return "last day"
    if number.startswith("-"):
        return f"{ordinal(number[1:])} to last day"
    ending = (
        "th" if number[-2:] in ("11", "12", "13") else {"1": "st", "2": "nd", "3": "rd"}.get(number[-1], "th")
    )
    return f"{number}{ending}"


def both(names: Sequence[str]) -> str:
    """Return "a, b and c"."""
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)
