"""The form of a freeze: when it is in the wall-clock time of its zone, once or again and again."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django import forms

from deployments.models import Freeze
from deployments.place_form import PLACE, PlaceForm
from deployments.window_words import DAYS, parts_of
from deployments.windows import InvalidRuleError, Schedule, parse_rule, zone_of

WALL = "%Y-%m-%dT%H:%M"
ONCE, DAILY, WEEKLY, MONTHLY, LAST_DAY, RULE = "once", "daily", "weekly", "monthly", "last_day", "rule"
REPEATS = {
    ONCE: "Once",
    DAILY: "Every day",
    WEEKLY: "Every week on days",
    MONTHLY: "Every month on one day",
    LAST_DAY: "Last day of every month",
    RULE: "By an RFC 5545 rule",
}
SPAN = re.compile(r"(?:(\d+)\s*d)?\s*(?:(\d+)\s*h)?\s*(?:(\d+)\s*min)?")
# Fields of the form, by the names that actions give errors to.
FIELD_OF = {"duration_minutes": "lasts", "starts_at": "starts"}


class FreezeForm(PlaceForm):
    """What a freeze holds up, where and when."""

    name = forms.CharField(max_length=80, help_text="Says what it is for")
    effect = forms.ChoiceField(choices=Freeze.Effect.choices, initial=Freeze.Effect.DENY)
    zone = forms.CharField(
        max_length=64, initial="UTC", label="Time zone", help_text="IANA name, such as Europe/Berlin"
    )
    starts = forms.CharField(
        max_length=16, help_text="In that zone; of the first one, where it returns", label="Starts"
    )
    lasts = forms.CharField(required=False, max_length=24, help_text="Such as 8 h, 90 min or 1 d 12 h")
    ends = forms.CharField(required=False, max_length=16, label="Or ends", help_text="In that zone")
    repeat = forms.ChoiceField(choices=list(REPEATS.items()), initial=ONCE, label="Returns")
    days = forms.MultipleChoiceField(required=False, choices=list(DAYS.items()), label="On these days")
    month_day = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=31,
        label="Day of the month",
        help_text="A month without that day is left out",
    )
    rule = forms.CharField(
        required=False, max_length=255, label="Rule", help_text="Such as FREQ=MONTHLY;BYDAY=1MO"
    )
    is_rollback_exempt = forms.BooleanField(
        required=False, initial=True, label="Rollbacks may begin all the same"
    )
    reason = forms.CharField(required=False, max_length=2000)
    version = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def __init__(self, data: Any = None, freeze: Freeze | None = None) -> None:
        super().__init__(data, initial=typed_of(freeze) if freeze else None)

    def clean(self) -> dict[str, Any]:
        """Turn what was typed into a start, a length and a rule, each error at its field."""
        typed: dict[str, Any] = self.cleaned_data
        tz = self.take("zone", zone_of)
        start = self.take("starts", read_wall)
        if tz and start:
            self.place_in(tz, start)
        if start:
            typed["duration_minutes"] = self.minutes(start)
        typed["made_rule"] = self.made_rule()
        if start and typed["made_rule"] and "rule" not in self.errors:
            try:
                parse_rule(typed["made_rule"], start)
            except InvalidRuleError as error:
                self.add_error("rule", str(error))
        return typed

    def take(self, name: str, read: Any) -> Any:
        """Return a field as something else; None, and an error there, where it cannot be read."""
        if name not in self.cleaned_data:
            return None
        try:
            return read(self.cleaned_data[name])
        except ValueError as error:
            self.add_error(name, str(error))
            return None

    def place_in(self, tz: ZoneInfo, start: datetime) -> None:
        moment = start.replace(tzinfo=tz)
        back = datetime.fromtimestamp(moment.timestamp(), tz).replace(tzinfo=None, fold=0)
        if back != start:
            # It would be kept as another time, and a series would return at that one.
            self.add_error("starts", f"There is no such time in {tz.key}: the clocks go forward over it.")
            return
        self.cleaned_data["starts_at"] = moment

    def minutes(self, start: datetime) -> int:
        """Return how long a window lasts on the clock, by its length or by its end."""
        lasts, ends = self.cleaned_data.get("lasts", ""), self.cleaned_data.get("ends", "")
        if bool(lasts) == bool(ends):
            self.add_error("lasts", "Say either how long it lasts or when it ends.")
            return 0
        if lasts:
            return self.take("lasts", read_span) or 0
        end = self.take("ends", read_wall)
        if end and end <= start:
            self.add_error("ends", "It ends before it starts.")
        return int((end - start) / timedelta(minutes=1)) if end else 0

    def made_rule(self) -> str:
        """Return the rule of what was chosen; empty for once."""
        typed = self.cleaned_data
        repeat = typed.get("repeat", ONCE)
        needed = {
            WEEKLY: ("days", "Choose a day at least."),
            MONTHLY: ("month_day", "Give the day of the month."),
            RULE: ("rule", "Write the rule."),
        }
        if repeat in needed:
            name, sentence = needed[repeat]
            if not typed.get(name) and name not in self.errors:
                self.add_error(name, sentence)
            if not typed.get(name):
                return ""
        rules: dict[str, str] = {
            DAILY: "FREQ=DAILY",
            WEEKLY: f"FREQ=WEEKLY;BYDAY={','.join(typed.get('days') or [])}",
            MONTHLY: f"FREQ=MONTHLY;BYMONTHDAY={typed.get('month_day')}",
            LAST_DAY: "FREQ=MONTHLY;BYMONTHDAY=-1",
            RULE: typed.get("rule", "").strip().upper().removeprefix("RRULE:"),
        }
        return rules.get(repeat, "")

    @property
    def schedule(self) -> Schedule | None:
        """Return when it is, None while that cannot be told, whatever else is missing."""
        names = ("zone", "starts", "lasts", "ends", "repeat", "days", "month_day", "rule")
        if any(name in self.errors for name in names):
            return None
        typed = self.cleaned_data
        length = timedelta(minutes=typed["duration_minutes"])
        return Schedule(
            typed["starts_at"], length, typed["zone"], typed["made_rule"], typed.get("effect", "deny")
        )

    @property
    def values(self) -> dict[str, Any]:
        """Return what was typed as an action takes it."""
        names = (*PLACE, "name", "effect", "zone", "is_rollback_exempt", "reason")
        typed = self.cleaned_data
        times = {"starts_at": typed["starts_at"], "duration_minutes": typed["duration_minutes"]}
        return {**{name: typed[name] for name in names}, **times, "rule": typed["made_rule"]}

    def take_errors(self, errors: dict[str, str]) -> None:
        super().take_errors({FIELD_OF.get(name, name): sentence for name, sentence in errors.items()})


def read_wall(text: str) -> datetime:
    """Return a wall-clock time as a browser writes it."""
    try:
        return datetime.strptime(text.strip().replace(" ", "T")[:16], WALL)  # noqa: DTZ007 - the zone is its own field
    except ValueError as error:
        raise ValueError("Give the day and the time, such as 2026-12-24T16:00.") from error


def read_span(text: str) -> int:
    """Return "1 d 12 h" in minutes."""
    found = SPAN.fullmatch(text.strip().lower())
    if not found or not any(found.groups()):
        raise ValueError("Write a length such as 8 h, 90 min or 1 d 12 h.")
    days, hours, minutes = (int(part or 0) for part in found.groups())
    return (days * 24 + hours) * 60 + minutes


def write_span(minutes: int) -> str:
    parts = ((minutes // 1440, "d"), (minutes % 1440 // 60, "h"), (minutes % 60, "min"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number)


def typed_of(freeze: Freeze) -> dict[str, Any]:
    """Return a freeze as the form takes it."""
    names = (*PLACE, "name", "effect", "zone", "is_rollback_exempt", "reason", "version")
    start = freeze.starts_at.astimezone(zone_of(freeze.zone))
    times = {"starts": f"{start:{WALL}}", "lasts": write_span(freeze.duration_minutes)}
    return {**{name: getattr(freeze, name) for name in names}, **times, **choice_of(freeze.rule)}


def choice_of(rule: str) -> dict[str, Any]:
    """Return a rule as the simple choice that makes it, or as itself."""
    parts = parts_of(rule)
    if not parts:
        return {"repeat": ONCE}
    if parts == {"FREQ": "DAILY"}:
        return {"repeat": DAILY}
    days, number = parts.get("BYDAY", "").split(","), parts.get("BYMONTHDAY", "")
    if parts.keys() == {"FREQ", "BYDAY"} and parts["FREQ"] == "WEEKLY" and set(days) <= set(DAYS):
        return {"repeat": WEEKLY, "days": days}
    if parts == {"FREQ": "MONTHLY", "BYMONTHDAY": "-1"}:
        return {"repeat": LAST_DAY}
    if parts == {"FREQ": "MONTHLY", "BYMONTHDAY": number} and number.isdecimal():
        return {"repeat": MONTHLY, "month_day": int(number)}
    return {"repeat": RULE, "rule": rule}
