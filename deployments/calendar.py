"""Freezes, windows and scheduled changes as a month and as a list."""

from __future__ import annotations

import calendar
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from access.queries import Access
from clusters.spans import spell
from deployments.freezes import schedule_of
from deployments.models import Change, Freeze
from deployments.seeing import readable
from deployments.states import NOT_BEGUN
from deployments.window_words import day, in_words
from deployments.windows import ALLOW, Window, next_window, windows

A_DAY = timedelta(days=1)
# A month of daily windows of many freezes says no more in a list than its first ones do.
MOST_ENTRIES = 15


@dataclass(slots=True)
class Day:
    """One day of a month, in UTC."""

    date: date
    is_out: bool
    is_today: bool
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
    """A month as whole weeks, Monday first."""

    first: date
    days: list[Day]
    entries: list[Entry]
    left_off: int
    # The list of the month that runs begins now.
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


def current_freezes(access: Access, now: datetime) -> list[Freeze]:
    """Return the freezes that this person may read and nobody took away, in one query."""
    rows = Freeze.objects.filter(ended_at=None).select_related("created_by")
    return readable(access, rows, now)


def month_of(
    access: Access, year: int, month: int, now: datetime, *, freezes: list[Freeze] | None = None
) -> Month:
    """Return a month with what holds and what is due in it; two queries, one where the freezes are given."""
    dates = list(calendar.Calendar().itermonthdates(year, month))
    begin, end = midnight(dates[0]), midnight(dates[-1] + A_DAY)
    today = now.astimezone(UTC).date()
    days = {one: Day(one, one.month != month, one == today) for one in dates}
    found = current_freezes(access, now) if freezes is None else freezes
    entries = []
    for freeze in found:
        for window in windows(schedule_of(freeze), begin, end):
            mark(days, freeze, window)
            entries.append(Entry(window.starts_at, window.ends_at, span(window, year), freeze))
    due = Change.objects.filter(state__in=sorted(NOT_BEGUN), scheduled_at__gte=begin, scheduled_at__lt=end)
    for change in access.visible(due.select_related("service__cluster__account")).order_by("scheduled_at"):
        at = change.scheduled_at or now
        days[at.astimezone(UTC).date()].changes.append(change)
        entries.append(
            Entry(at, at, f"{day(at.astimezone(UTC), year)} {at.astimezone(UTC):%H:%M}", None, change)
        )
    is_current = (today.year, today.month) == (year, month)
    shown = [one for one in entries if is_within(one, year, month) and (one.ends_at > now or not is_current)]
    shown.sort(key=lambda one: one.at)
    first, left_off = date(year, month, 1), len(shown[MOST_ENTRIES:])
    return Month(first, list(days.values()), shown[:MOST_ENTRIES], left_off, is_current)


def is_within(entry: Entry, year: int, month: int) -> bool:
    """Whether a line begins in a month, or lasts into it."""
    first, last = entry.at.astimezone(UTC), entry.ends_at.astimezone(UTC)
    return (first.year, first.month) <= (year, month) <= (last.year, last.month)


def midnight(one: date) -> datetime:
    return datetime.combine(one, time(), UTC)


def mark(days: dict[date, Day], freeze: Freeze, window: Window) -> None:
    """Mark every day that a window touches."""
    current = window.starts_at.astimezone(UTC).date()
    current = max(current, next(iter(days)))
    # What ends at midnight does not touch the day that begins then.
    last = (window.ends_at.astimezone(UTC) - timedelta(microseconds=1)).date()
    while current <= last and current in days:
        names = days[current].allows if freeze.effect == ALLOW else days[current].denies
        if freeze.name not in names:
            names.append(freeze.name)
        current += A_DAY


def span(window: Window, year: int) -> str:
    """Return a window in UTC: "Fri 13 Mar 16:00 to Sat 14 Mar 00:00"."""
    first, last = window.starts_at.astimezone(UTC), window.ends_at.astimezone(UTC)
    if first.date() == last.date():
        return f"{day(first, year)} {first:%H:%M} to {last:%H:%M}"
    return f"{day(first, year)} {first:%H:%M} to {day(last, year)} {last:%H:%M}"


def freezes_in_words(
    access: Access, now: datetime, *, freezes: list[Freeze] | None = None
) -> list[FreezeLine]:
    """Return the freezes and windows in words, what is open first, then what begins next; one query."""
    found = current_freezes(access, now) if freezes is None else freezes
    nexts = [(freeze, next_window(schedule_of(freeze), now)) for freeze in found]
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
        left = spell(window.ends_at - now)
        return f"open, closes in {left}" if is_allow else f"holds changes, opens in {left}"
    return f"{'closed, opens' if is_allow else 'begins'} in {spell(window.starts_at - now)}"
