"""What policies ask of a change: how many people must agree, from where, and with what said. Pure but for one read."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any

from access.decisions import DIMENSIONS, ROLE_LABELS, Binding
from access.resources import Resource
from deployments.fingerprint import sha256_of
from deployments.models import ApprovalPolicy, Kind

SCALE_TO_ZERO = "scale_to_zero"
# What a policy can be about; a scale to nothing is a case of its own.
SUBJECTS: dict[str, str] = {**dict(Kind.choices), SCALE_TO_ZERO: "Scale to zero"}
# Unless a policy names them, the ways back are free: they must never wait.
FREE_UNLESS_NAMED = frozenset({str(Kind.ROLLBACK)})
ROLE, GROUP = "role:", "group:"
PLURALS = {"on_call": "people on call"}


@dataclass(frozen=True, slots=True)
class Voice:
    """A person who agrees, with the roles they hold at the place and the groups they are in."""

    user_id: int
    name: str
    roles: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()

    def speaks_for(self, who: str) -> bool:
        """Whether they are meant by "role:release_manager" or "group:sre"."""
        if who.startswith(ROLE):
            return who.removeprefix(ROLE) in self.roles
        return who.removeprefix(GROUP) in self.groups


@dataclass(frozen=True, slots=True)
class Rule:
    """What one version of one policy asks for."""

    id: int
    name: str
    version: int
    approvals: int = 1
    eligible: tuple[str, ...] = ()
    must_include: tuple[str, ...] = ()
    expiry_hours: int = 24
    wait_minutes: int = 0
    ticket_pattern: str = ""
    needs_reason: bool = False

    def counts(self, voice: Voice) -> bool:
        return not self.eligible or any(voice.speaks_for(who) for who in self.eligible)

    def missing(self, voices: Collection[Voice]) -> list[str]:
        """Return what is missing, in words; empty when the rule is met. A person counts once."""
        counted = {voice.user_id for voice in voices if self.counts(voice)}
        lacking = []
        if len(counted) < self.approvals:
            left = self.approvals - len(counted)
            lacking.append(f"{left} more {self.who()}" if counted else f"{left} {self.who()}")
        lacking += [
            f"one of {describe_who(who)}"
            for who in self.must_include
            if not any(voice.speaks_for(who) for voice in voices)
        ]
        return lacking

    def who(self) -> str:
        """Return whom it asks for, in words."""
        if not self.eligible:
            return "who may approve here"
        return "of " + " or ".join(describe_who(who) for who in self.eligible)


@dataclass(frozen=True, slots=True)
class Requirement:
    """What all policies of a place ask of one change. Approvals bind to its hash."""

    rules: tuple[Rule, ...] = ()
    # Names of the policies that an override sets aside.
    overridden: tuple[str, ...] = field(default=())

    @property
    def is_needed(self) -> bool:
        return any(rule.approvals or rule.must_include for rule in self.rules)

    @property
    def sha256(self) -> str:
        return sha256_of(self.as_json())

    @property
    def expiry(self) -> timedelta:
        return timedelta(hours=min((rule.expiry_hours for rule in self.rules), default=24))

    @property
    def wait(self) -> timedelta:
        return timedelta(minutes=max((rule.wait_minutes for rule in self.rules), default=0))

    @property
    def count(self) -> int:
        """Return how many people it takes at least."""
        return max((max(rule.approvals, len(rule.must_include) and 1) for rule in self.rules), default=0)

    @property
    def names(self) -> str:
        return ", ".join(f"{rule.name} v{rule.version}" for rule in self.rules)

    def missing(self, voices: Collection[Voice]) -> list[str]:
        """Return what is missing under all rules, each with its policy's name."""
        return [f"{text} ({rule.name})" for rule in self.rules for text in rule.missing(voices)]

    def errors(self, reason: str, ticket: str) -> dict[str, str]:
        """Return what a request lacks, by form field."""
        found = {}
        if any(rule.needs_reason for rule in self.rules) and not reason.strip():
            found["reason"] = "Give a reason; it goes to the approver and into the ledger."
        for rule in self.rules:
            if rule.ticket_pattern and not re.fullmatch(rule.ticket_pattern, ticket.strip()):
                found["ticket"] = f"{rule.name} asks for a ticket of the form {rule.ticket_pattern}."
        return found

    def as_json(self) -> dict[str, Any]:
        return {"rules": [asdict(rule) for rule in self.rules], "overridden": list(self.overridden)}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Requirement:
        rules = [
            Rule(**{**rule, "eligible": tuple(rule["eligible"]), "must_include": tuple(rule["must_include"])})
            for rule in stored.get("rules", [])
        ]
        return cls(tuple(rules), tuple(stored.get("overridden", [])))


def describe_who(who: str) -> str:
    """Return "role:release_manager" in words."""
    if who.startswith(ROLE):
        role = who.removeprefix(ROLE)
        return PLURALS.get(role) or f"{ROLE_LABELS.get(role, role)}s"
    return f"the group {who.removeprefix(GROUP)}"


def subjects_of(kind: str, spec: Mapping[str, Any]) -> set[str]:
    """Return what a change is, in the words of policies."""
    if kind == Kind.SCALE and spec.get("desired_count") == 0:
        return {kind, SCALE_TO_ZERO}
    if kind == Kind.CONTINUE and spec.get("action") == "ROLLBACK":
        return {str(Kind.ROLLBACK)}
    return {kind}


def is_about(policy: ApprovalPolicy, subjects: set[str]) -> bool:
    """Whether a policy speaks of a change."""
    if policy.subjects:
        return bool(subjects & set(policy.subjects))
    return not subjects & FREE_UNLESS_NAMED


def rule_of(policy: ApprovalPolicy) -> Rule:
    return Rule(
        id=policy.pk,
        name=policy.name,
        version=policy.version,
        approvals=policy.approvals,
        eligible=tuple(policy.eligible),
        must_include=tuple(policy.must_include),
        expiry_hours=policy.expiry_hours,
        wait_minutes=policy.wait_minutes,
        ticket_pattern=policy.ticket_pattern,
        needs_reason=policy.needs_reason,
    )


def current_policies() -> list[ApprovalPolicy]:
    return list(ApprovalPolicy.objects.filter(superseded_at=None, is_retired=False).order_by("pk"))


def voices_of_group(name: str) -> list[Binding]:
    """Return what membership of a group is worth by the policies that ask for it: a say at each of their places."""
    who = f"{GROUP}{name}"
    asking = [policy for policy in current_policies() if who in (*policy.eligible, *policy.must_include)]
    return [
        Binding(0, "release_manager", **{part: getattr(policy, part) for part in DIMENSIONS})
        for policy in asking
    ]


def requirement_at(
    kind: str,
    spec: Mapping[str, Any],
    resource: Resource,
    *,
    without: Collection[int] = (),
    extra: Iterable[Rule] = (),
    policies: Iterable[ApprovalPolicy] | None = None,
) -> Requirement:
    """Return what the policies of a place ask of a change; those in `without` are set aside by an override."""
    subjects = subjects_of(kind, spec)
    found = current_policies() if policies is None else policies
    about = [policy for policy in found if is_about(policy, subjects) and policy.holds_at(resource)]
    return Requirement(
        rules=(*(rule_of(policy) for policy in about if policy.pk not in without), *extra),
        overridden=tuple(f"{policy.name} v{policy.version}" for policy in about if policy.pk in without),
    )


def what_moved(old: Requirement, new: Requirement) -> str:
    """Say which policies changed between two requirements, in a sentence; empty when none did."""
    before, after = {rule.id: rule for rule in old.rules}, {rule.id: rule for rule in new.rules}
    gone = [rule for key, rule in before.items() if key not in after]
    come = [rule for key, rule in after.items() if key not in before]
    if not gone and not come:
        return ""
    names = dict.fromkeys(rule.name for rule in (*come, *gone))
    return f"Since this was asked, the policy of the place changed: {', '.join(names)}."
