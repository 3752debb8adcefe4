"""What policies ask of a change that is there already, now; overrides and later versions counted in."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from audit.actions import record
from deployments.approvals import void_approvals
from deployments.machine import SYSTEM
from deployments.models import Change
from deployments.nudges import nudge
from deployments.overrides import set_aside_by
from deployments.policies import Requirement, requirement_at, what_moved


def requirement_now(change: Change) -> Requirement:
    """Return what is asked of a change by the policies of this moment."""
    aside = set_aside_by(change)
    return requirement_at(
        change.kind, change.spec, change.access_resource, without=aside.policy_ids, extra=aside.extra
    )


def refresh_requirement(change: Change, now: datetime) -> str:
    """Bring a waiting change up to the policies of this moment; return what moved, empty when nothing did.

    Approvals given under other policies are void.
    """
    wanted = requirement_now(change)
    if wanted.sha256 == change.policy_sha256:
        return ""
    text = what_moved(Requirement.from_json(change.requirement), wanted) or "The policy of the place changed."
    fields = {"requirement": wanted.as_json(), "policy_sha256": wanted.sha256}
    with transaction.atomic():
        Change.objects.filter(pk=change.pk, version=change.version).update(**fields)
        void_approvals(change, now, text)
        record(
            action="change.policy_moved",
            actor=SYSTEM,
            resource=change.access_resource,
            target=f"CR-{change.pk}",
            reason=text,
            data={
                "before": change.policy_sha256,
                "after": wanted.sha256,
                "policies": wanted.names,
                "requirement": wanted.as_json(),
            },
        )
        nudge(change)
    for name, value in fields.items():
        setattr(change, name, value)
    return text
