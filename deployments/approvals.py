"""Who must agree to a change, and whether they still do when it is carried out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User

from access.queries import access_for
from clusters.models import Environment, Service
from deployments.models import Approval, Change, Kind

PERMISSION = "change.approve"


@dataclass(frozen=True, slots=True)
class Requirement:
    """Whether a second person must agree, and the rule that says so."""

    is_needed: bool
    reason: str


def requirement(kind: str, spec: Mapping[str, Any], service: Service) -> Requirement:
    """Return what the policy asks for: production deploys, and production services that go dark."""
    if service.environment != Environment.PRODUCTION:
        return Requirement(False, f"No approval is needed in {service.environment}.")
    if kind == Kind.DEPLOY:
        return Requirement(True, "A deploy to production needs one release manager other than the requester.")
    if kind == Kind.SCALE and spec.get("desired_count") == 0:
        return Requirement(
            True, "Scaling to zero in production needs one release manager other than the requester."
        )
    if kind == Kind.ROLLBACK:
        return Requirement(False, "A rollback never waits for approval.")
    return Requirement(False, "This kind of change needs no approval.")


def write_decision(
    change: Change, approver: User, decision: Approval.Decision, comment: str, now: datetime
) -> Approval:
    """Write a decision, bound to exactly this spec on exactly this base, for a limited time."""
    return Approval.objects.create(
        change=change,
        spec_sha256=change.spec_sha256,
        base_fingerprint=change.base_fingerprint,
        approver=approver,
        decision=decision,
        comment=comment,
        created_at=now,
        expires_at=now + settings.APPROVAL_EXPIRY,
    )


def valid_approval(change: Change, now: datetime) -> Approval | None:
    """Return an approval that counts now: bound to this, unused, in time, by another who still may."""
    given = change.approvals.filter(
        decision=Approval.Decision.APPROVE,
        spec_sha256=change.spec_sha256,
        base_fingerprint=change.base_fingerprint,
        consumed_at=None,
        voided_at=None,
        expires_at__gt=now,
    ).exclude(approver=change.requester)
    place = change.access_resource
    return next((item for item in given if access_for(item.approver).can(PERMISSION, place)), None)


def void_approvals(change: Change, now: datetime) -> int:
    """Void the approvals that were not used; they stay to be seen."""
    return change.approvals.filter(consumed_at=None, voided_at=None).update(voided_at=now)
