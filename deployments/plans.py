"""Plans: exactly what a change would do, shown before anyone agrees to it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from clusters.diff import Group
from clusters.models import Environment, Service
from deployments.fingerprint import Base, sha256_of, spec_sha256
from deployments.plan_ids import LIFETIME, check_plan_id, make_plan_id, short

if TYPE_CHECKING:
    from access.queries import Access
    from deployments.freezes import Hold
    from deployments.policies import Requirement
    from deployments.terms import Terms

OK, WARN, REFUSE = "ok", "warn", "refuse"
CLICK, DIALOG, TYPED = "click", "dialog", "typed"
CONFIRMATIONS = {Environment.PRODUCTION: TYPED, Environment.STAGING: DIALOG, Environment.DEVELOPMENT: CLICK}
DiffGroup = Group


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at before the change: `level` is ok, warn or refuse."""

    id: str
    title: str
    level: str
    text: str


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """A call to AWS as it will be made, values of variables masked, and the same as an AWS CLI command."""

    action: str
    params: dict[str, Any]
    note: str
    cli: str


@dataclass(frozen=True, slots=True)
class Outline:
    """What a verb contributes to a plan."""

    calls: list[PlannedCall]
    diff: list[DiffGroup] = field(default_factory=list)
    churn: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan; `id` stands for what was asked, of what and on what terms, and is what a person agrees to."""

    kind: str
    title: str
    spec: dict[str, Any]
    calls: list[PlannedCall]
    diff: list[DiffGroup]
    checks: list[Check]
    churn: dict[str, Any]
    requirement: Requirement
    # What holds it up at the time at which it would begin, after what its override sets aside.
    hold: Hold | None
    confirmation: str
    spec_sha256: str
    base: Base
    base_fingerprint: str
    # Of the terms on which it was asked: when, behind what, in spite of which versions of what.
    terms_sha256: str
    service_id: int
    made_at: datetime

    @property
    def content(self) -> list[Any]:
        """Return what a plan's id is bound to."""
        return [self.service_id, self.spec_sha256, self.base_fingerprint, self.terms_sha256]

    @property
    def id(self) -> str:
        return make_plan_id(self.content, self.made_at)

    @property
    def short_id(self) -> str:
        return short(self.id)

    @property
    def expires_at(self) -> datetime:
        return self.made_at + LIFETIME

    def check_id(self, plan_id: str, now: datetime) -> None:
        """Raise PlanMoved or PlanExpired unless the id is of this plan, made a short while ago."""
        check_plan_id(plan_id, self.content, now)

    @property
    def needs_approval(self) -> bool:
        return self.requirement.is_needed

    @property
    def approval_reason(self) -> str:
        """Say what the policies ask for: how many of whom, or that nothing is needed."""
        if not self.needs_approval:
            return "No policy of this place asks for an approval."
        return f"Needs {', '.join(self.requirement.missing([]))}, other than the requester."

    @property
    def refused(self) -> bool:
        return any(check.level == REFUSE for check in self.checks)

    @property
    def refusals(self) -> list[Check]:
        return [check for check in self.checks if check.level == REFUSE]

    @property
    def warnings(self) -> list[Check]:
        return [check for check in self.checks if check.level == WARN]

    @property
    def cli(self) -> list[str]:
        return [call.cli for call in self.calls]

    def as_json(self) -> dict[str, Any]:
        """Return what the change keeps of the plan that its requester saw."""
        return {
            "calls": [asdict(call) for call in self.calls],
            "diff": [asdict(group) for group in self.diff if group.is_changed],
            "checks": [asdict(check) for check in self.checks],
            "churn": self.churn,
            "confirmation": self.confirmation,
            "approval_reason": self.approval_reason,
            "id": self.short_id,
            "made_at": self.made_at.isoformat(),
        }


def make_plan(
    service: Service,
    kind: str,
    spec: Mapping[str, Any],
    *,
    access: Access,
    now: datetime,
    terms: Terms | None = None,
) -> Plan:
    """Plan a change from the inventory; raises `InvalidSpec`. Images and the way back are looked up in AWS."""
    from deployments.freezes import hold_on
    from deployments.overrides import set_aside
    from deployments.policies import requirement_at
    from deployments.preflight import common_checks
    from deployments.terms import NOW
    from deployments.timing import for_later, timing_checks
    from deployments.verbs import verb_for

    terms = terms or NOW
    verb, place = verb_for(kind), service.access_resource
    asked = verb.clean(service, spec)
    base = verb.base(service.facts, asked)
    outline = verb.plan(service, asked)
    aside = set_aside(terms.override)
    begins = terms.scheduled_at or now
    requirement = requirement_at(kind, asked, place, without=aside.policy_ids, extra=aside.extra)
    hold = hold_on(kind, asked, place, begins, without=aside.freeze_ids)
    checks = [
        *common_checks(service, verb, access, now),
        *timing_checks(service, kind, asked, verb, terms, aside, hold, begins),
        *verb.preflight(service, asked),
    ]
    return Plan(
        kind=kind,
        title=verb.title(service, asked)[:200],
        spec=asked,
        calls=outline.calls,
        diff=outline.diff,
        checks=for_later(checks, service, verb, terms),
        churn=outline.churn,
        requirement=requirement,
        hold=hold,
        confirmation=CONFIRMATIONS[Environment(service.environment)],
        spec_sha256=spec_sha256(kind, asked),
        base=base,
        base_fingerprint=sha256_of(base),
        terms_sha256=terms.sha256(aside.rules()),
        service_id=service.pk,
        made_at=now,
    )


def planned(action: str, params: Mapping[str, Any], *, region: str, note: str) -> PlannedCall:
    """Return a call for a plan, with the AWS CLI command that would do the same."""
    return PlannedCall(action, dict(params), note, cli_line(action, params, region))


def cli_line(action: str, params: Mapping[str, Any], region: str) -> str:
    """Return a call as an AWS CLI command that a person can read, and paste where nothing is masked."""
    service, operation = action.split(":")
    words = ["aws", service, kebab(operation), "--region", region]
    for name, value in params.items():
        words += option(kebab(name), value)
    return shlex.join(words)


# Switches that the AWS CLI turns off by a word of their own.
OFF = {"enable-execute-command": "--disable-execute-command"}


def option(name: str, value: Any) -> list[str]:
    if isinstance(value, bool):
        return [f"--{name}" if value else OFF.get(name, f"--no-{name}")]
    if isinstance(value, dict | list):
        import json

        return [f"--{name}", json.dumps(value, ensure_ascii=False, separators=(",", ":"))]
    return [f"--{name}", str(value)]


def kebab(name: str) -> str:
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("-")
