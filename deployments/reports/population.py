"""Every service deployment of a period: with its change and approvals, or as an exception. Pure.

A deployment that the circuit breaker or an alarm rolled back is the one that began it, and the autoscaler begins none:
neither is an exception of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from access.resources import Resource
from deployments.history import LOOKS, UNKNOWN_LOOK, WORDS, Image, image_of
from deployments.reports import changes as told
from deployments.reports.changes import Agreed, Changes, ChangeSeen, Overriding
from deployments.reports.entries import Entry, Ledger
from deployments.reports.rights import Act, Rights
from deployments.reports.scope import Scope, place_of
from deployments.trail_matching import short_principal

SEEN = ("deployments.observed", "deployments.ended")
ATTRIBUTED = "deployments.attributed"
# ECS says when a deployment was created, and our clock when it was read; they may differ by so much.
CLOCKS_DIFFER = timedelta(hours=1)
# A change is dispatched at most 30 days after it was asked for, and waits for approval for at most 14.
ASKED_BEFORE = timedelta(days=60)
# The classes of exceptions, the gravest first.
CLASSES: dict[str, str] = {
    "outside": "Outside the console",
    "self_approved": "Approved by its requester",
    "unapproved": "Approvals missing",
    "no_right": "Approver had no right",
    "break_glass": "Break-glass",
    "override": "Override",
    "lost_right": "Approver lost the right since",
    "no_ticket": "Ticket or reason missing",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """Why a deployment is an exception, with the entry that says so."""

    kind: str
    text: str
    seq: int

    @property
    def label(self) -> str:
        return CLASSES[self.kind]


@dataclass(frozen=True, slots=True)
class Principal:
    """Who began a deployment outside the console, as CloudTrail tells."""

    arn: str
    source_identity: str
    ip: str
    event_id: str
    seq: int


@dataclass(slots=True)
class Deployment:
    """A service deployment as the ledger tells it, with what was found about it."""

    arn: str
    place: Resource
    created_at: datetime
    seq: int
    facts: Mapping[str, Any] = field(default_factory=dict)
    change: ChangeSeen | None = None
    principal: Principal | None = None
    findings: list[Finding] = field(default_factory=list)

    @property
    def status(self) -> str:
        return str(self.facts.get("status", ""))

    @property
    def name(self) -> str:
        return self.arn.rsplit("/", 1)[-1]

    @property
    def gist(self) -> tuple[str, str, str]:
        """Return the colour, the shape and the words of how it ended."""
        css, shape = LOOKS.get(self.status, UNKNOWN_LOOK)
        words = WORDS.get(self.status, self.status.lower().replace("_", " ") or "not seen yet")
        return css, shape, f"{words} by ECS" if self.is_rolled_back_by_ecs else words

    @property
    def images(self) -> list[Image]:
        return [image_of(one) for one in self.facts.get("images", ())]

    @property
    def finished_at(self) -> datetime | None:
        text = self.facts.get("finished_at")
        return datetime.fromisoformat(text) if text else None

    @property
    def is_rolled_back_by_ecs(self) -> bool:
        """Whether the circuit breaker or an alarm ended it."""
        signs = {self.facts.get("circuit_breaker"), self.facts.get("alarms")}
        return "TRIGGERED" in signs and self.status.startswith("ROLLBACK")


@dataclass(frozen=True, slots=True)
class Population:
    """All service deployments of a scope: the exceptions first, the gravest and newest on top."""

    rows: list[Deployment]

    @property
    def exceptions(self) -> list[Deployment]:
        return [row for row in self.rows if row.findings]

    @property
    def counts(self) -> dict[str, int]:
        exceptions = self.exceptions
        return {
            "deployments": len(self.rows),
            "matched": len(self.rows) - len(exceptions),
            "exceptions": len(exceptions),
            "rolled_back_by_ecs": sum(row.is_rolled_back_by_ecs for row in self.rows),
        }

    def of_class(self, kind: str) -> list[Deployment]:
        """Return the rows of one class of exceptions, all of them without one."""
        return [row for row in self.rows if not kind or kind in (finding.kind for finding in row.findings)]

    @property
    def classes(self) -> dict[str, int]:
        """Count each class of exception; a deployment may be in several."""
        counted = Counter(finding.kind for row in self.rows for finding in row.findings)
        return {kind: counted[kind] for kind in CLASSES}


def population(ledger: Ledger, scope: Scope) -> Population:
    """Match every service deployment of a scope; reads the ledger three times at most."""
    since = scope.since - ASKED_BEFORE
    changes = Changes(ledger.read(told.ACTIONS, since))
    rows = seen(ledger.read((*SEEN, ATTRIBUTED), scope.since - CLOCKS_DIFFER), scope)
    add_unseen(rows, changes, scope)
    for row in rows.values():
        row.change = changes.of(row.arn)
    rights = Rights(ledger, end=min(scope.until, ledger.head.at))
    rights.ask(act_of(one, row) for row in rows.values() if row.change for one in row.change.used)
    for row in rows.values():
        row.findings = list(findings_of(row, changes, rights))
    return Population(sorted(rows.values(), key=gravest_first))


def gravest_first(row: Deployment) -> tuple[int, float, str]:
    kinds = list(CLASSES)
    rank = min((kinds.index(finding.kind) for finding in row.findings), default=len(kinds))
    return rank, -row.created_at.timestamp(), row.arn


def seen(entries: Iterable[Entry], scope: Scope) -> dict[str, Deployment]:
    """Return the deployments of a scope by ARN; what a later entry tells counts."""
    rows: dict[str, Deployment] = {}
    for entry in entries:
        if entry.action == ATTRIBUTED:
            for one in entry.data["deployments"]:
                if (row := rows.get(one.get("arn", ""))) is not None:
                    row.principal = principal_of(one, entry)
        elif scope.has(entry):
            for facts in entry.data["deployments"]:
                take(rows, facts, entry, scope)
    return rows


def take(rows: dict[str, Deployment], facts: Mapping[str, Any], entry: Entry, scope: Scope) -> None:
    created = datetime.fromisoformat(facts["created_at"])
    if scope.is_in(created):
        row = rows.setdefault(facts["arn"], Deployment(facts["arn"], place_of(entry), created, entry.seq))
        row.facts, row.seq = facts, entry.seq


def principal_of(told_of: Mapping[str, Any], entry: Entry) -> Principal:
    return Principal(
        arn=str(told_of.get("principal", "")),
        source_identity=str(told_of.get("source_identity", "")),
        ip=str(told_of.get("ip", "")),
        event_id=str(told_of.get("event_id", "")),
        seq=entry.seq,
    )


def add_unseen(rows: dict[str, Deployment], changes: Changes, scope: Scope) -> None:
    """Add the deployments that a change began and that no read has shown, so that none is missing."""
    for arn, (_, entry) in changes.began.items():
        created = datetime.fromisoformat(entry.data["created_at"])
        if arn not in rows and scope.is_in(created) and scope.has(entry):
            facts = {"task_definition": entry.data.get("task_definition", "")}
            rows[arn] = Deployment(arn, place_of(entry), created, entry.seq, facts)


def act_of(approval: Agreed, row: Deployment) -> Act:
    return Act(approval.seq, approval.at, approval.by_id, row.place)


def findings_of(row: Deployment, changes: Changes, rights: Rights) -> Iterator[Finding]:
    """Yield what makes a deployment an exception, nothing where all is in order."""
    change = row.change
    if change is None:
        yield outside(row)
        return
    yield from approval_findings(change, changes.authors_of(change))
    yield from right_findings(row, change, rights)
    if change.overriding is not None:
        yield overridden(change.overriding)
    for text in change.requirement.errors(change.reason, change.ticket).values():
        yield Finding("no_ticket", text, change.seq)


def outside(row: Deployment) -> Finding:
    found = row.principal
    if found is None:
        return Finding("outside", "No change began it. CloudTrail has named nobody.", row.seq)
    name = short_principal(found.arn) or "a caller without a name"
    who = f"{name} ({found.source_identity})" if found.source_identity else name
    which = "" if found.arn else f", event {found.event_id}"
    return Finding("outside", f"No change began it. CloudTrail names {who}{which}.", found.seq)


def approval_findings(change: ChangeSeen, authors: set[str]) -> Iterator[Finding]:
    needed = change.requirement.count
    people = {one.by_id for one in change.used} - authors
    if len(people) < needed:
        yield Finding(
            "unapproved",
            f"{len(people)} of {needed} approvals are in the ledger before it began.",
            change.seq,
        )
    elif change.used and not change.approved_before:
        yield Finding("unapproved", "An approval came after it had begun.", change.seq)
    for one in change.used:
        if one.by_id in authors:
            yield Finding("self_approved", f"{one.by} had a hand in the request and approved it.", one.seq)


def right_findings(row: Deployment, change: ChangeSeen, rights: Rights) -> Iterator[Finding]:
    for one in change.used:
        act = act_of(one, row)
        then, later = rights.then[act], rights.later[act]
        if then is False:
            yield Finding("no_right", f"{one.by} might not approve there when they did.", one.seq)
        elif then and not later:
            yield Finding(
                "lost_right", f"{one.by} approved and may not any more at the end of the period.", one.seq
            )


def overridden(found: Overriding) -> Finding:
    kind = "override" if found.kind == "override" else "break_glass"
    review = found.review
    if review is None:
        state = f"not reviewed, due {found.review_due_at:%Y-%m-%d %H:%M} UTC"
    else:
        verdict = "justified" if review.was_justified else "not justified"
        state = f"reviewed by {review.by}: {verdict}"
    return Finding(kind, f"Past {', '.join(found.rules) or 'the rules'}: {found.reason} ({state})", found.seq)
