"""On what terms a change is asked for: when, behind what, in spite of what, and through which door."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from access.models import ApiToken
from deployments.fingerprint import sha256_of
from deployments.models import Change, Override
from deployments.models.changes import Via
from ecsconsole.numbers import is_number

FARTHEST = timedelta(days=30)


class IfBusy(StrEnum):
    """What becomes of a request while another change has the service."""

    REFUSE = "refuse"
    # Wait for its turn; what it builds upon is read when the turn comes.
    QUEUE = "queue"
    # Take the place of the other one, if that has not begun.
    SUPERSEDE = "supersede"


@dataclass(frozen=True, slots=True)
class OverrideAsked:
    """The wish to begin in spite of named freezes and policies, written as "freeze:3" and "policy:7"."""

    kind: str = Override.Kind.OVERRIDE
    rules: tuple[str, ...] = ()
    reason: str = ""
    ticket: str = ""
    hours: int = 1

    def ids(self, kind: str) -> list[int]:
        """Return the ids of one kind of rule; what is no id names nothing."""
        prefix = f"{kind}:"
        rest = [rule.removeprefix(prefix) for rule in self.rules if rule.startswith(prefix)]
        return [int(text) for text in rest if is_number(text)]


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of one request; the defaults are those of a person who clicks the button now."""

    if_busy: IfBusy = IfBusy.REFUSE
    scheduled_at: datetime | None = None
    override: OverrideAsked | None = None
    replaces: Change | None = None
    via: str = Via.PAGE
    token: ApiToken | None = None
    idempotency_key: str = ""
    request_sha256: str = ""

    def sha256(self, set_aside: Iterable[Mapping[str, Any]]) -> str:
        """Return what stands for the part of the terms that a plan shows, with the rules that it sets aside.

        The rules count with their versions: one that is edited between the look and the click is not the one named.
        """
        rules = sorted(set_aside, key=lambda rule: (rule["kind"], rule["id"]))
        return sha256_of(
            {
                "if_busy": self.if_busy,
                "scheduled_at": self.scheduled_at.isoformat() if self.scheduled_at else "",
                "override": [self.override.kind, *rules] if self.override else [],
            }
        )


NOW = Terms()


def error_of_hour(at: datetime | None, now: datetime) -> str:
    """Return why a change cannot begin at an hour, nothing where it can or where it begins now."""
    if at is None:
        return ""
    if at <= now:
        return "That time is over; give one that is still to come (UTC)."
    return f"Give a time within the next {FARTHEST.days} days." if at - now > FARTHEST else ""
