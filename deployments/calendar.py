"""Freezes, windows and scheduled changes as a month and as a list."""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Q, QuerySet

from access.queries import Access
from clusters.spans import spell
from deployments.freezes import schedule_of
from deployments.models import Change, Freeze
from deployments.seeing import readable
from deployments.states import NOT_BEGUN
from deployments.window_words import day, in_words, once
from deployments.windows import ALLOW, HORIZON, Window, end_of_run, next_window, windows

A_DAY = timedelta(days=1)
# A month of daily windows of many freezes says no more in a list than its first ones do.
MOST_ENTRIES = 15


@dataclass(slots=True)
class Day:
    """One day of a month, in the zone of the month."""

    date: date
    is_out: bool
    is_today: bool
    is_past: bool
    denies: list[str] = field(default_factory=list)
    allows: list[str] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)

    @property
    def label(self) -> str:
        """Return the day as it is read out: "13 March, frozen by Quarter close, 2 scheduled changes"."""
        said = [f"{self.date.day} {self.date:%B}"]
        said += ["today"] if self.is_today else []
        said += [f"frozen by {', '.join(self.denies)}"] if self.denies else []
        said += [f"window {', '.join(self.allows)}"] if self.allows else []
        if self.changes:
            count = len(self.changes)
            said.append(f"{count} scheduled change{'' if count == 1 else 's'}")
        return ", ".join(said)

    @property
    def css(self) -> str:
        marks = {
            "out": self.is_out,
            "today": self.is_today,
            "past": self.is_past,
            "frozen": bool(self.denies),
            "window": bool(self.allows),
            "due": bool(self.changes),
        }
        return " ".join(["day", *(name for name, is_set in marks.items() if is_set)])


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a month's list: a window of a freeze, or a scheduled change."""

    at: datetime
    ends_at: datetime
    text: str
    freeze: Freeze | None = None
    change: Change | None = None


@dataclass(frozen=True, slots=True)
class Month:
    """A month of a time zone as whole weeks, Monday first; what is over has a list of its own, the latest first."""

    first: date
    zone: str
    days: list[Day]
    entries: list[Entry]
    left_off: int
    past: list[Entry]
    past_left_off: int
    is_current: bool

    @property
    def title(self) -> str:
        return f"{self.first:%B %Y}"

    @property
    def previous(self) -> str:
        return f"{self.first - A_DAY:%Y-%m}"

    @property
    def following(self) -> str:
        return f"{self.first + timedelta(days=31):%Y-%m}"


@dataclass(frozen=True, slots=True)
class FreezeLine:
    """A freeze as a list shows it."""

    freeze: Freeze
    when: str
    state: str
    # Whether its window is open at the moment.
    is_open: bool
    can_manage: bool

    @property
    def holds_now(self) -> bool:
        """Whether it stands in the way by itself; beside a closed window another one may be open."""
        return self.is_open != (self.freeze.effect == ALLOW)


def default_zone() -> ZoneInfo:
    """Return the zone whose days are shown to those who choose none."""
    return ZoneInfo(settings.TIME_ZONE)


def current_freezes(access: Access, now: datetime) -> list[Freeze]:
    """Return the freezes that this person may read and nobody took away, in one query."""
    rows = Freeze.objects.filter(ended_at=None).select_related("created_by")
    return readable(access, rows, now)


def month_of(access: Access, year: int, month: int, now: datetime, *, zone: ZoneInfo | None = None) -> Month:
    """Return a month of a zone with what held, holds and is due in it; two queries."""
    tz = zone or default_zone()
    dates = list(calendar.Calendar().itermonthdates(year, month))
    begin, end = midnight(dates[0], tz), midnight(dates[-1] + A_DAY, tz)
    today = now.astimezone(tz).date()
    days = {one: Day(one, one.month != month, one == today, one < today) for one in dates}
    entries = []
    for freeze, window in windows_held(access, begin, end, now):
        mark(days, freeze, window, tz)
        entries.append(
            Entry(window.starts_at, window.ends_at, text_of(freeze, window, year, now, tz), freeze)
        )
    for change in changes_due(access, begin, end):
        at = (change.scheduled_at or now).astimezone(tz)
        days[at.date()].changes.append(change)
        entries.append(Entry(at, at, f"{day(at, year)} {at:%H:%M}", None, change))
    shown = sorted((one for one in entries if is_within(one, year, month, tz)), key=lambda one: one.at)
    coming = [one for one in shown if one.ends_at > now]
    past = [one for one in reversed(shown) if one.ends_at <= now]
    return Month(
        first=date(year, month, 1),
        zone=tz.key,
        days=list(days.values()),
        entries=coming[:MOST_ENTRIES],
        left_off=len(coming[MOST_ENTRIES:]),
        past=past[:MOST_ENTRIES],
        past_left_off=len(past[MOST_ENTRIES:]),
        is_current=(today.year, today.month) == (year, month),
    )


def windows_held(
    access: Access, begin: datetime, end: datetime, now: datetime
) -> Iterator[tuple[Freeze, Window]]:
    """Yield the windows of a span, also of freezes that were taken away since, as far as each freeze stood."""
    rows = Freeze.objects.filter(Q(ended_at=None) | Q(ended_at__gt=begin))
    for freeze in readable(access, rows, now):
        for window in windows(schedule_of(freeze), begin, end):
            if (held := part_held(freeze, window)) is not None:
                yield freeze, held


def part_held(freeze: Freeze, window: Window) -> Window | None:
    """Return the part of a window from when its freeze was set up until it was taken away; None where none is left."""
    starts_at = max(window.starts_at, freeze.created_at)
    ends_at = min(window.ends_at, freeze.ended_at or window.ends_at)
    return Window(starts_at, ends_at) if starts_at < ends_at else None


def changes_due(access: Access, begin: datetime, end: datetime) -> QuerySet[Change]:
    due = Change.objects.filter(state__in=sorted(NOT_BEGUN), scheduled_at__gte=begin, scheduled_at__lt=end)
    return access.visible(due.select_related("service__cluster__account")).order_by("scheduled_at")


def is_within(entry: Entry, year: int, month: int, tz: ZoneInfo) -> bool:
    """Whether a line begins in a month, or lasts into it."""
    first, last = entry.at.astimezone(tz), last_moment(entry.at, entry.ends_at, tz)
    return (first.year, first.month) <= (year, month) <= (last.year, last.month)


def midnight(one: date, tz: ZoneInfo) -> datetime:
    return datetime.combine(one, time(), tz)


def last_moment(starts_at: datetime, ends_at: datetime, tz: ZoneInfo) -> datetime:
    """Return the last moment of a span: what ends at midnight does not touch the day that begins then."""
    return max(starts_at, ends_at - timedelta(microseconds=1)).astimezone(tz)


def mark(days: dict[date, Day], freeze: Freeze, window: Window, tz: ZoneInfo) -> None:
    """Mark every day that a window touches."""
    current = window.starts_at.astimezone(tz).date()
    current = max(current, next(iter(days)))
    last = last_moment(window.starts_at, window.ends_at, tz).date()
    while current <= last and current in days:
        names = days[current].allows if freeze.effect == ALLOW else days[current].denies
        if freeze.name not in names:
            names.append(freeze.name)
        current += A_DAY


def text_of(freeze: Freeze, window: Window, year: int, now: datetime, tz: ZoneInfo) -> str:
    """Return a window in a zone: "Fri 13 Mar 16:00 to Sat 14 Mar 00:00", and what else has to be known of a past one."""
    text = once(window.starts_at.astimezone(tz), window.ends_at.astimezone(tz), year)
    if freeze.ended_at is not None and window.ends_at == freeze.ended_at:
        return f"{text}, when it was taken away"
    if freeze.version > 1 and window.ends_at <= now:
        # Earlier versions are in the ledger alone.
        return f"{text}, as its version {freeze.version} has it"
    return text


def freezes_in_words(access: Access, now: datetime) -> list[FreezeLine]:
    """Return the freezes and windows in words, what is open first, then what begins next; one query."""
    nexts = [(freeze, next_window(schedule_of(freeze), now)) for freeze in current_freezes(access, now)]
    nexts.sort(key=lambda pair: (pair[1] is None, pair[1].starts_at if pair[1] else now))
    return [line_of(freeze, window, access, now) for freeze, window in nexts]


def line_of(freeze: Freeze, window: Window | None, access: Access, now: datetime) -> FreezeLine:
    schedule = schedule_of(freeze)
    is_open = window is not None and now in window
    return FreezeLine(
        freeze=freeze,
        when=in_words(schedule, now),
        state=state_of(freeze, window, now),
        is_open=is_open,
        can_manage=bool(access.can("freeze.manage", freeze.access_resource)),
    )


def state_of(freeze: Freeze, window: Window | None, now: datetime) -> str:
    """Say how a freeze stands: "opens in 3 h 12 min", "begins in 1 d"."""
    is_allow = freeze.effect == ALLOW
    if window is None:
        return "does not open again: nothing begins there" if is_allow else "is over"
    if now in window:
        end, word = end_of_run(schedule_of(freeze), now), "close" if is_allow else "open"
        when = f"{word}s in {spell(end - now)}" if end - now <= HORIZON else f"does not {word} by itself"
        return f"{'open' if is_allow else 'holds changes'}, {when}"
    return f"{'closed, opens' if is_allow else 'begins'} in {spell(window.starts_at - now)}"
