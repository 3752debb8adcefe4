"""What every action does first: ask for the permission, and write a refusal down."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from access.decisions import PermissionMissing
from access.queries import Access
from access.resources import Resource
from audit.actions import record
from deployments.models import Change


def require(
    access: Access, action: str, place: Resource, *, target: str, request: HttpRequest | None
) -> None:
    """Raise `PermissionMissing` unless allowed; the refusal is recorded."""
    decision = access.can(action, place)
    if decision:
        return
    record(
        action="access.refused",
        actor=access.user,
        resource=place,
        target=target,
        outcome="refused",
        reason=decision.reason,
        data={"permission": action, "bindings": list(decision.binding_ids)},
        request=request,
    )
    raise PermissionMissing(action, place, decision)


def require_cancel(change: Change, access: Access, request: HttpRequest | None) -> None:
    """Raise unless this person may withdraw a change: whoever asked for it may, others need the right."""
    if change.requester_id != access.user.pk:
        require(access, "change.cancel", change.access_resource, target=f"CR-{change.pk}", request=request)


def note(
    change: Change,
    actor: Any,
    action: str,
    reason: str,
    request: HttpRequest | None,
    *,
    outcome: str = "ok",
    **data: Any,
) -> None:
    """Put something that was said or decided on a change into the ledger, with what it was bound to."""
    bound = {
        "spec_sha256": change.spec_sha256,
        "base_fingerprint": change.base_fingerprint,
        "policy_sha256": change.policy_sha256,
    }
    record(
        action=action,
        actor=actor,
        resource=change.access_resource,
        target=f"CR-{change.pk}",
        outcome=outcome,
        reason=reason,
        data={**bound, **data},
        request=request,
    )
