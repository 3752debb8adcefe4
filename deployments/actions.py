"""What people do with changes: ask, approve, reject, cancel, roll back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.utils import timezone

from access.decisions import PermissionMissing
from access.queries import Access
from access.resources import Resource
from audit.actions import record
from clusters.models import Service
from deployments import machine, waking
from deployments.approvals import PERMISSION, void_approvals, write_decision
from deployments.errors import (
    AnotherChangeActive,
    ApprovalRefused,
    ChangeRefused,
    ConfirmationMissing,
    LostRace,
    PlanMoved,
    WrongState,
)
from deployments.fingerprint import sha256_of, what_moved
from deployments.models import Approval, Change
from deployments.plans import CLICK, TYPED, Plan, make_plan
from deployments.preflight import active_change, gives_way
from deployments.states import State
from deployments.verbs import verb_for

# A change that no worker takes for this long is no longer what its requester had in mind.
QUEUE_LIMIT = timedelta(hours=1)
# How long a rollback may take before a person is asked to look.
ROLLBACK_LIMIT = timedelta(minutes=30)
CANCELLABLE = (State.AWAITING_APPROVAL, State.QUEUED, State.NEEDS_ATTENTION)


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


def request_change(
    *,
    service: Service,
    kind: str,
    spec: Mapping[str, Any],
    actor: User,
    access: Access,
    reason: str = "",
    ticket: str = "",
    plan_sha: str = "",
    confirm: str = "",
    now: datetime | None = None,
    request: HttpRequest | None = None,
) -> Change:
    """Ask for a change; it waits for approval where policy says so, and is queued otherwise.

    `plan_sha` is the plan that the person saw. Raises InvalidSpec, PermissionMissing, AnotherChangeActive,
    ChangeRefused, PlanMoved or ConfirmationMissing; then nothing was written but a refusal in the ledger.
    """
    now = now or timezone.now()
    verb = verb_for(kind)
    require(access, verb.permission, service.access_resource, target=service.name, request=request)
    plan = make_plan(service, kind, spec, access=access, now=now)
    other = active_change(service) if verb.takes_slot else None
    if other and not gives_way(other, verb):
        raise AnotherChangeActive(other)
    check_plan(plan, service, plan_sha=plan_sha, confirm=confirm, reason=reason)
    try:
        with transaction.atomic():
            if other:
                supersede(other, actor=actor, now=now, request=request)
            return write_change(
                plan, service, actor=actor, reason=reason, ticket=ticket, now=now, request=request
            )
    except (IntegrityError, LostRace):
        # Two people asked at once, or a worker took the other change; the database let one through.
        winner = active_change(service)
        if winner is None:
            raise
        raise AnotherChangeActive(winner) from None


def supersede(change: Change, *, actor: User, now: datetime, request: HttpRequest | None) -> None:
    """Cancel a change that has not begun, in favour of a rollback."""
    note = f"Gave way to a rollback that {actor.get_username()} asked for."
    machine.move(change, State.CANCELLED, actor=actor, note=note, now=now, request=request)
    void_approvals(change, now)


def write_change(
    plan: Plan,
    service: Service,
    *,
    actor: User,
    reason: str,
    ticket: str,
    now: datetime,
    request: HttpRequest | None,
) -> Change:
    """Write a change down as it was planned, and have it looked at."""
    limit = settings.APPROVAL_EXPIRY if plan.needs_approval else QUEUE_LIMIT
    with transaction.atomic():
        change = machine.start(
            actor=actor,
            note=reason,
            now=now,
            state=State.AWAITING_APPROVAL if plan.needs_approval else State.QUEUED,
            request=request,
            service=service,
            kind=plan.kind,
            title=plan.title,
            spec=plan.spec,
            spec_sha256=plan.spec_sha256,
            base=plan.base,
            base_fingerprint=plan.base_fingerprint,
            plan=plan.as_json(),
            requester=actor,
            reason=reason,
            ticket=ticket,
            needs_approval=plan.needs_approval,
            next_wake_at=now,
            deadline_at=now + limit,
        )
        waking.wake_on_commit(change.pk)
    return change


def check_plan(plan: Plan, service: Service, *, plan_sha: str, confirm: str, reason: str) -> None:
    """Raise unless the person saw this plan, nothing refuses it, and they confirmed it as this place asks."""
    if plan.refused:
        raise ChangeRefused(" ".join(check.text for check in plan.refusals))
    if plan_sha != plan.sha and (plan_sha or plan.confirmation != CLICK):
        raise PlanMoved("The service or the request is no longer what the plan showed. Nothing was done.")
    if plan.confirmation != TYPED:
        return
    errors = {}
    if confirm.strip() != service.name:
        errors["confirm"] = f"Type {service.name} to confirm."
    if not reason.strip():
        errors["reason"] = "Give a reason; it goes to the approver and into the ledger."
    if errors:
        raise ConfirmationMissing(errors)


def approve_change(
    *,
    change: Change,
    approver: User,
    access: Access,
    comment: str = "",
    now: datetime | None = None,
    request: HttpRequest | None = None,
) -> Approval:
    """Agree to exactly this spec on exactly this base; the change is queued in the same transaction."""
    now = now or timezone.now()
    check_voice(change, approver, access, now, request)
    base = verb_for(change.kind).base(change.service.facts, change.spec)
    if sha256_of(base) != change.base_fingerprint:
        text = f"{what_moved(change.base, base)} The request is stale; ask for it again."
        make_stale(change, text, now)
        raise PlanMoved(text)
    with transaction.atomic():
        approval = write_decision(change, approver, Approval.Decision.APPROVE, comment, now)
        decided(change, approver, "change.approved", comment, request)
        note = f"Approved by {approver.get_username()}."
        machine.move(
            change,
            State.QUEUED,
            actor=approver,
            note=note,
            now=now,
            request=request,
            next_wake_at=now,
            deadline_at=now + QUEUE_LIMIT,
        )
        waking.wake_on_commit(change.pk)
    return approval


def reject_change(
    *,
    change: Change,
    approver: User,
    access: Access,
    comment: str = "",
    now: datetime | None = None,
    request: HttpRequest | None = None,
) -> Approval:
    """Refuse a change for good; what was asked has to be asked anew."""
    now = now or timezone.now()
    check_voice(change, approver, access, now, request)
    with transaction.atomic():
        approval = write_decision(change, approver, Approval.Decision.REJECT, comment, now)
        decided(change, approver, "change.rejected", comment, request)
        note = f"Rejected by {approver.get_username()}{': ' + comment if comment else '.'}"
        machine.move(change, State.REJECTED, actor=approver, note=note, now=now, request=request)
    return approval


def check_voice(
    change: Change, approver: User, access: Access, now: datetime, request: HttpRequest | None
) -> None:
    """Raise unless this person may decide on this change now."""
    require(access, PERMISSION, change.access_resource, target=f"CR-{change.pk}", request=request)
    if approver.pk == change.requester_id:
        text = "You asked for this change yourself; another release manager has to decide on it."
        decided(change, approver, "change.approved", text, request, outcome="refused")
        raise ApprovalRefused(text)
    if change.state != State.AWAITING_APPROVAL:
        raise WrongState(f"CR-{change.pk} is {change.state_choice.label.lower()} and waits for no approval.")
    if change.deadline_at and change.deadline_at <= now:
        raise WrongState(f"CR-{change.pk} waited too long for approval and expires.")


def decided(
    change: Change,
    person: User,
    action: str,
    reason: str,
    request: HttpRequest | None,
    *,
    outcome: str = "ok",
) -> None:
    """Put a decision into the ledger, with what it was bound to."""
    record(
        action=action,
        actor=person,
        resource=change.access_resource,
        target=f"CR-{change.pk}",
        outcome=outcome,
        reason=reason,
        data={"spec_sha256": change.spec_sha256, "base_fingerprint": change.base_fingerprint},
        request=request,
    )


def make_stale(change: Change, note: str, now: datetime) -> None:
    """End a change whose base moved, and void its approvals."""
    with transaction.atomic():
        machine.move(change, State.STALE, actor=machine.SYSTEM, note=note, now=now)
        void_approvals(change, now)


def cancel_change(
    *,
    change: Change,
    actor: User,
    access: Access,
    reason: str = "",
    now: datetime | None = None,
    request: HttpRequest | None = None,
) -> None:
    """Withdraw a change that has not begun, or set aside one that needs attention; ECS is not touched."""
    now = now or timezone.now()
    if actor.pk != change.requester_id:
        # Whoever asked may always withdraw; withdrawing what others asked is a right of its own.
        require(access, "change.cancel", change.access_resource, target=f"CR-{change.pk}", request=request)
    if change.state not in CANCELLABLE:
        advice = "Roll it back instead." if change.state == State.RUNNING else ""
        text = f"CR-{change.pk} is {change.state_choice.label.lower()} and cannot be cancelled."
        raise WrongState(text, advice=advice)
    verb = "Set aside" if change.state == State.NEEDS_ATTENTION else "Cancelled"
    note = f"{verb} by {actor.get_username()}{': ' + reason if reason else '.'}"
    with transaction.atomic():
        machine.move(change, State.CANCELLED, actor=actor, note=note, now=now, request=request)
        void_approvals(change, now)


def request_rollback_of(
    *,
    change: Change,
    actor: User,
    access: Access,
    reason: str = "",
    now: datetime | None = None,
    request: HttpRequest | None = None,
) -> None:
    """Ask to roll back a change while it runs; needs no approval, because it is the safe way out."""
    now = now or timezone.now()
    require(access, "service.rollback", change.access_resource, target=f"CR-{change.pk}", request=request)
    if change.state not in (State.RUNNING, State.NEEDS_ATTENTION):
        raise WrongState(
            f"CR-{change.pk} is {change.state_choice.label.lower()}; only what runs can be rolled back."
        )
    if not verb_for(change.kind).can_be_rolled_back(change):
        raise WrongState(f"CR-{change.pk} began no service deployment, so there is none to roll back.")
    note = f"{actor.get_username()} asked to roll back{': ' + reason if reason else '.'}"
    with transaction.atomic():
        machine.move(
            change,
            State.ROLLING_BACK,
            actor=actor,
            note=note,
            now=now,
            request=request,
            rollback_requested_by=actor,
            next_wake_at=now,
            deadline_at=now + ROLLBACK_LIMIT,
        )
        waking.wake_on_commit(change.pk)
