"""Going past freezes and policies: who may, what it sets aside, and what it still asks for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from deployments.errors import ConfirmationMissing
from deployments.models import ApprovalPolicy, Change, Freeze, Override
from deployments.policies import Rule
from deployments.terms import OverrideAsked

PERMISSIONS = {
    Override.Kind.OVERRIDE: "freeze.override",
    Override.Kind.BREAK_GLASS: "change.break_glass",
}
MOST_HOURS = 4
LEAST_REASON = 20
REVIEW_WITHIN = timedelta(hours=48)
# An override is for people who have no time to ask everybody, not for people who ask nobody.
SECOND_PERSON = Rule(
    id=0,
    name="Override",
    version=1,
    approvals=1,
    eligible=("role:release_manager",),
    expiry_hours=MOST_HOURS,
    needs_reason=True,
)


@dataclass(frozen=True, slots=True)
class SetAside:
    """The rules that an override names, as they are now."""

    freezes: tuple[Freeze, ...] = ()
    policies: tuple[ApprovalPolicy, ...] = ()
    extra: tuple[Rule, ...] = ()

    @property
    def freeze_ids(self) -> list[int]:
        return [freeze.pk for freeze in self.freezes]

    @property
    def policy_ids(self) -> list[int]:
        return [policy.pk for policy in self.policies]

    def rules(self) -> list[dict[str, Any]]:
        """Return what an override names, as it is kept."""
        freezes = [
            {"kind": "freeze", "id": item.pk, "name": item.name, "version": item.version}
            for item in self.freezes
        ]
        policies = [
            {"kind": "policy", "id": item.pk, "name": item.name, "version": item.version}
            for item in self.policies
        ]
        return freezes + policies


NOTHING = SetAside()


def set_aside(asked: OverrideAsked | None) -> SetAside:
    """Return what an asked override sets aside."""
    if asked is None:
        return NOTHING
    freezes = Freeze.objects.filter(pk__in=asked.ids("freeze"), ended_at=None)
    policies = ApprovalPolicy.objects.filter(pk__in=asked.ids("policy"), superseded_at=None, is_retired=False)
    extra = (SECOND_PERSON,) if asked.kind == Override.Kind.OVERRIDE else ()
    return SetAside(tuple(freezes), tuple(policies), extra)


def set_aside_by(change: Change) -> SetAside:
    """Return what the override of a change sets aside now; an edited freeze or policy is no longer what it named."""
    override = override_of(change)
    if override is None:
        return NOTHING
    named = {(rule["kind"], rule["id"], rule["version"]) for rule in override.rules}
    ids = [rule["id"] for rule in override.rules]
    freezes = [
        item for item in Freeze.objects.filter(pk__in=ids) if ("freeze", item.pk, item.version) in named
    ]
    policies = [
        item
        for item in ApprovalPolicy.objects.filter(pk__in=ids, superseded_at=None)
        if ("policy", item.pk, item.version) in named
    ]
    extra = (SECOND_PERSON,) if override.kind == Override.Kind.OVERRIDE else ()
    return SetAside(tuple(freezes), tuple(policies), extra)


def override_of(change: Change) -> Override | None:
    return Override.objects.filter(change=change).first()


def check_override(asked: OverrideAsked) -> None:
    """Raise ConfirmationMissing unless an override says enough; the right to it is for the caller to require."""
    errors = {}
    if asked.kind not in PERMISSIONS:
        errors["override_kind"] = "Choose between an override and break-glass."
    if not asked.rules:
        errors["override_rules"] = "Name the freezes and policies that this goes past."
    if len(asked.reason.strip()) < LEAST_REASON:
        errors["override_reason"] = f"Say in {LEAST_REASON} characters or more why this cannot wait."
    if not 1 <= asked.hours <= MOST_HOURS:
        errors["override_hours"] = f"An override holds for 1 to {MOST_HOURS} hours."
    if errors:
        raise ConfirmationMissing(errors)


def write_override(change: Change, asked: OverrideAsked, aside: SetAside, now: datetime) -> Override:
    """Write the override of a change down; its review is due from now on."""
    return Override.objects.create(
        change=change,
        kind=asked.kind,
        rules=aside.rules(),
        person=change.requester,
        reason=asked.reason.strip(),
        ticket=asked.ticket.strip(),
        created_at=now,
        expires_at=now + timedelta(hours=asked.hours),
        review_due_at=now + REVIEW_WITHIN,
    )
