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

if TYPE_CHECKING:
    from access.queries import Access

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
    """A plan; `sha` stands for what was asked and what it builds upon, and is what a person agrees to."""

    kind: str
    title: str
    spec: dict[str, Any]
    calls: list[PlannedCall]
    diff: list[DiffGroup]
    checks: list[Check]
    churn: dict[str, Any]
    needs_approval: bool
    approval_reason: str
    confirmation: str
    spec_sha256: str
    base: Base
    base_fingerprint: str
    made_at: datetime

    @property
    def sha(self) -> str:
        return self.spec_sha256 + self.base_fingerprint

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
            "made_at": self.made_at.isoformat(),
        }


def make_plan(service: Service, kind: str, spec: Mapping[str, Any], *, access: Access, now: datetime) -> Plan:
    """Plan a change from the inventory; raises `InvalidSpec`. Images and the way back are looked up in AWS."""
    from deployments.approvals import requirement
    from deployments.preflight import common_checks
    from deployments.verbs import verb_for

    verb = verb_for(kind)
    asked = verb.clean(service, spec)
    base = verb.base(service.facts, asked)
    outline = verb.plan(service, asked)
    approval = requirement(kind, asked, service)
    checks = [*common_checks(service, verb, access, now), *verb.preflight(service, asked)]
    return Plan(
        kind=kind,
        title=verb.title(service, asked)[:200],
        spec=asked,
        calls=outline.calls,
        diff=outline.diff,
        checks=checks,
        churn=outline.churn,
        needs_approval=approval.is_needed,
        approval_reason=approval.reason,
        confirmation=CONFIRMATIONS[Environment(service.environment)],
        spec_sha256=spec_sha256(kind, asked),
        base=base,
        base_fingerprint=sha256_of(base),
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


def option(name: str, value: Any) -> list[str]:
    if isinstance(value, bool):
        return [f"--{name}" if value else f"--no-{name}"]
    if isinstance(value, dict | list):
        import json

        return [f"--{name}", json.dumps(value, ensure_ascii=False, separators=(",", ":"))]
    return [f"--{name}", str(value)]


def kebab(name: str) -> str:
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("-")
