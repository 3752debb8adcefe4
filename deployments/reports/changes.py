"""What the ledger tells of each change: who asked, who agreed, under which rules, and how it ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from access.resources import Resource
from deployments.policies import Requirement
from deployments.reports.entries import Entry
from deployments.reports.scope import place_of

OVERRIDES = {"change.overridden": "override", "change.glass_broken": "break-glass"}
ACTIONS = (
    "change.requested",
    "change.approved",
    "change.approvals_used",
    "change.state",
    "change.deployment",
    "change.policy_moved",
    *OVERRIDES,
    "override.reviewed",
)
# A chain of requests that replace each other is rarely longer.
MOST_EDITS = 50


@dataclass(frozen=True, slots=True)
class Agreed:
    """An approval under which a change began."""

    by: str
    by_id: str
    at: datetime
    seq: int


@dataclass(frozen=True, slots=True)
class Review:
    """How somebody judged an override afterwards."""

    by: str
    at: datetime
    was_justified: bool
    text: str
    seq: int


@dataclass(slots=True)
class Overriding:
    """A change that went past rules, and its review once there is one."""

    change: str
    kind: str
    by: str
    by_id: str
    at: datetime
    place: Resource
    rules: tuple[str, ...]
    reason: str
    ticket: str
    expires_at: datetime
    review_due_at: datetime
    seq: int
    title: str = ""
    review: Review | None = None

    def standing(self, moment: datetime, *, has_begun: bool) -> str:
        """Return how its review stands: done, late, unused, open or overdue."""
        if self.review is not None:
            return "late" if self.review.at > self.review_due_at else "done"
        if not has_begun:
            return "unused"
        return "overdue" if moment >= self.review_due_at else "open"


@dataclass(slots=True)
class ChangeSeen:
    """A change as its entries tell it."""

    number: str
    title: str
    kind: str
    requester: str
    requester_id: str
    asked_at: datetime
    place: Resource
    reason: str
    ticket: str
    requirement: Requirement
    replaces: str
    by_token: str
    seq: int
    given: list[Agreed] = field(default_factory=list)
    used: list[Agreed] = field(default_factory=list)
    began_at: datetime | None = None
    began_seq: int = 0
    ended_at: datetime | None = None
    state: str = ""
    outcome: str = ""
    overriding: Overriding | None = None

    @property
    def approved_before(self) -> bool:
        """Whether every approval that counted was given before the change began, by the order of the ledger.

        The clocks of the machines that wrote the two entries may differ, and the worker is often there within the second.
        """
        return self.began_at is not None and all(one.seq < self.began_seq for one in self.used)


class Changes:
    """All changes of a stretch of the ledger, and which service deployment each began."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.by_number: dict[str, ChangeSeen] = {}
        self.began: dict[str, tuple[str, Entry]] = {}
        self.overrides: list[Overriding] = []
        for entry in entries:
            self.take(entry)

    def take(self, entry: Entry) -> None:
        """Let one entry tell its part; what was refused changed nothing."""
        if entry.outcome != "ok":
            return
        if entry.action == "change.requested":
            self.by_number[entry.target] = change_of(entry)
            return
        change = self.by_number.get(entry.target)
        if entry.action == "change.deployment":
            # The first one began it.
            self.began.setdefault(entry.data["service_deployment"], (entry.target, entry))
        elif entry.action in OVERRIDES:
            self.overrides.append(overriding_of(entry, change))
            if change is not None:
                change.overriding = self.overrides[-1]
        elif entry.action == "override.reviewed":
            self.review(entry)
        elif change is not None:
            follow(change, entry)

    def review(self, entry: Entry) -> None:
        for one in reversed(self.overrides):
            if one.change == entry.target and one.review is None:
                judged = bool(entry.data["was_justified"])
                one.review = Review(entry.actor, entry.at, judged, entry.reason, entry.seq)
                return

    def of(self, arn: str) -> ChangeSeen | None:
        """Return the change that began a service deployment."""
        number, _ = self.began.get(arn, ("", None))
        return self.by_number.get(number)

    def has_begun(self, number: str) -> bool:
        """Whether a change was begun; one of which too little was read is taken for one that was."""
        change = self.by_number.get(number)
        return change is None or change.began_at is not None

    def authors_of(self, change: ChangeSeen) -> set[str]:
        """Return the ids of everybody who had a hand in a request: its requester, and those of what it replaces."""
        authors, current = {change.requester_id}, self.by_number.get(change.replaces)
        for _ in range(MOST_EDITS):
            if current is None:
                break
            authors.add(current.requester_id)
            current = self.by_number.get(current.replaces)
        return authors


def change_of(entry: Entry) -> ChangeSeen:
    data = entry.data
    return ChangeSeen(
        number=entry.target,
        title=str(data.get("title", "")),
        kind=str(data.get("kind", "")),
        requester=entry.actor,
        requester_id=entry.actor_id,
        asked_at=entry.at,
        place=place_of(entry),
        reason=entry.reason,
        ticket=str(data.get("ticket", "")),
        requirement=Requirement.from_json(data.get("requirement") or {}),
        replaces=str(data.get("replaces", "")),
        by_token=str(data.get("by_token", "")),
        seq=entry.seq,
    )


def follow(change: ChangeSeen, entry: Entry) -> None:
    """Carry on with what happened to a change."""
    data = entry.data
    if entry.action == "change.approved":
        change.given.append(Agreed(entry.actor, entry.actor_id, entry.at, entry.seq))
    elif entry.action == "change.approvals_used":
        change.used = [agreed for one in data["approvals"] if (agreed := given_by(change, one["by_id"]))]
    elif entry.action == "change.policy_moved":
        if "requirement" in data:
            change.requirement = Requirement.from_json(data["requirement"])
    elif entry.action == "change.state":
        change.state = str(data["to"])
        if change.state == "running" and change.began_at is None:
            change.began_at, change.began_seq = entry.at, entry.seq
        change.ended_at, change.outcome = entry.at, entry.reason


def given_by(change: ChangeSeen, person: str) -> Agreed | None:
    """Return the last approval of a person: an earlier one was void when they gave it again."""
    return next((one for one in reversed(change.given) if one.by_id == person), None)


def overriding_of(entry: Entry, change: ChangeSeen | None) -> Overriding:
    data = entry.data
    return Overriding(
        change=entry.target,
        kind=OVERRIDES[entry.action],
        by=entry.actor,
        by_id=entry.actor_id,
        at=entry.at,
        place=place_of(entry),
        rules=tuple(name_of(rule) for rule in data.get("rules", ())),
        reason=entry.reason,
        ticket=str(data.get("ticket", "")),
        expires_at=datetime.fromisoformat(data["expires_at"]),
        review_due_at=datetime.fromisoformat(data["review_due_at"]),
        seq=entry.seq,
        title=change.title if change else "",
    )


def name_of(rule: Mapping[str, Any]) -> str:
    return f"{rule['kind']} {rule['name']} v{rule['version']}"
