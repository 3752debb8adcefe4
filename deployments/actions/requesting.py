"""Asking for a change."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.utils import timezone

from access.queries import Access
from clusters.models import Service
from deployments import machine, waking
from deployments.actions.allowing import note, require, require_cancel
from deployments.addresses import asking_page
from deployments.approvals import opens_at, void_approvals
from deployments.errors import (
    AnotherChangeActive,
    ChangeRefused,
    ConfirmationMissing,
    FreezeHolds,
    KeyReused,
    LostRace,
)
from deployments.models import Change, Override
from deployments.overrides import PERMISSIONS, check_override, set_aside, write_override
from deployments.plans import CLICK, TYPED, Plan, make_plan
from deployments.queueing import active_change, gives_way
from deployments.states import NOT_BEGUN, State
from deployments.terms import NOW, IfBusy, Terms, error_of_hour
from deployments.verbs import verb_for

# A change that no worker takes for this long is no longer what its requester had in mind.
QUEUE_LIMIT = timedelta(hours=1)
# Behind another change the wait is as long as that one may take, and then some.
TURN_LIMIT = timedelta(hours=4)


def request_change(
    *,
    service: Service,
    kind: str,
    spec: Mapping[str, Any],
    actor: User,
    access: Access,
    reason: str = "",
    ticket: str = "",
    plan_id: str = "",
    confirm: str = "",
    terms: Terms = NOW,
    now: datetime | None = None,
    request: HttpRequest | None = None,
) -> Change:
    """Ask for a change; it waits for approval where policy says so, and is queued otherwise.

    `plan_id` is the plan that the person saw; without one, only what needs no confirmation is accepted. A request
    that comes again with its idempotency key returns the change that it made. Raises InvalidSpec, PermissionMissing,
    AnotherChangeActive, ChangeRefused, PlanMoved, PlanExpired, FreezeHolds, KeyReused or ConfirmationMissing; then
    nothing was written but a refusal in the ledger.
    """
    now = now or timezone.now()
    if known := change_by_key(actor, terms):
        return known
    verb = verb_for(kind)
    require(access, verb.permission, service.access_resource, target=service.name, request=request)
    check_terms(service, access, terms, now, request)
    plan = make_plan(service, kind, spec, access=access, now=now, terms=terms)
    other = active_change(service) if verb.takes_slot else None
    if other is not None and (known := change_by_key(actor, terms)):
        # The same request came twice at once, and its twin was through while this one was planned.
        return known
    check_slot(other, verb, terms, access, request)
    check_plan(plan, service, plan_id=plan_id, confirm=confirm, reason=reason, ticket=ticket, now=now)
    try:
        return write_change(
            plan,
            service,
            other,
            actor=actor,
            reason=reason,
            ticket=ticket,
            terms=terms,
            now=now,
            request=request,
        )
    except (IntegrityError, LostRace) as lost:
        return the_winner(service, actor, terms, lost)


def the_winner(service: Service, actor: User, terms: Terms, lost: Exception) -> Change:
    """Return the twin of a request that was faster, or raise `AnotherChangeActive` with the change that was.

    Two asked at once, or a worker took the other change; the database let one through.
    """
    if known := change_by_key(actor, terms):
        return known
    winner = active_change(service)
    if winner is None:
        raise lost
    raise AnotherChangeActive(winner) from None


def change_by_key(actor: User, terms: Terms) -> Change | None:
    """Return the change that this key made before; raises `KeyReused` if it was for something else."""
    if not terms.idempotency_key:
        return None
    known = Change.objects.filter(requester=actor, idempotency_key=terms.idempotency_key).first()
    if known is not None and known.request_sha256 != terms.request_sha256:
        raise KeyReused(
            f"This key was used for CR-{known.pk}, which was asked for in other words. Nothing was done.",
            advice="Take a new key for a new request.",
        )
    return known


def check_terms(
    service: Service, access: Access, terms: Terms, now: datetime, request: HttpRequest | None
) -> None:
    """Raise unless the hour can be meant, an override says enough, and the person may go past the place's rules."""
    check_times(terms, now)
    if terms.override is None:
        return
    check_override(terms.override)
    if terms.scheduled_at is not None and terms.scheduled_at - now >= timedelta(hours=terms.override.hours):
        text = (
            f"It has to begin within {terms.override.hours} h, which is over before the hour that you gave."
        )
        raise ConfirmationMissing({"override_hours": text})
    permission = PERMISSIONS[Override.Kind(terms.override.kind)]
    require(access, permission, service.access_resource, target=service.name, request=request)


def check_slot(
    other: Change | None, verb: Any, terms: Terms, access: Access, request: HttpRequest | None
) -> None:
    """Raise unless the service is free, the other change gives way, or the request may wait its turn."""
    if terms.replaces is not None:
        require_cancel(terms.replaces, access, request)
    if other is None or gives_way(other, verb) or waits_its_turn(other, verb, terms):
        return
    if terms.replaces is not None and other.pk == terms.replaces.pk and other.state in NOT_BEGUN:
        return
    if terms.if_busy != IfBusy.SUPERSEDE or other.state not in NOT_BEGUN:
        raise AnotherChangeActive(other)
    require_cancel(other, access, request)


def waits_its_turn(other: Change | None, verb: Any, terms: Terms) -> bool:
    """Whether a request does not claim the service now: it has an hour of its own, or waits behind another."""
    if not verb.takes_slot:
        return False
    if terms.scheduled_at is not None:
        return True
    return other is not None and terms.if_busy == IfBusy.QUEUE and not gives_way(other, verb)


def clear_the_way(
    other: Change | None,
    verb: Any,
    *,
    actor: User,
    terms: Terms,
    now: datetime,
    request: HttpRequest | None,
) -> None:
    """Cancel what gives way to a request: the one it edits, and the one in its place that has not begun."""
    name = actor.get_username()
    if (old := terms.replaces) is not None and old.state in NOT_BEGUN:
        supersede(old, f"Replaced by a request that {name} edited.", actor=actor, now=now, request=request)
        if other is not None and other.pk == old.pk:
            return
    if other is None or waits_its_turn(other, verb, terms):
        return
    what = "a rollback" if gives_way(other, verb) else "a newer request"
    supersede(other, f"Gave way to {what} that {name} asked for.", actor=actor, now=now, request=request)


def supersede(
    change: Change, why: str, *, actor: User, now: datetime, request: HttpRequest | None = None
) -> None:
    """Cancel a change that has not begun, in favour of another."""
    machine.move(change, State.CANCELLED, actor=actor, note=why, now=now, request=request)
    void_approvals(change, now, why)


def write_change(
    plan: Plan,
    service: Service,
    other: Change | None,
    *,
    actor: User,
    reason: str,
    ticket: str,
    terms: Terms,
    now: datetime,
    request: HttpRequest | None,
) -> Change:
    """Write a change down as it was planned, in place of what gives way to it, and have it looked at."""
    verb = verb_for(plan.kind)
    with transaction.atomic():
        clear_the_way(other, verb, actor=actor, terms=terms, now=now, request=request)
        waits = waits_its_turn(active_change(service), verb, terms)
        change = machine.start(
            actor=actor,
            note=reason,
            now=now,
            state=State.AWAITING_APPROVAL if plan.needs_approval else State.QUEUED,
            request=request,
            service=service,
            **planned(plan),
            requester=actor,
            reason=reason,
            ticket=ticket,
            via=terms.via,
            token=terms.token,
            idempotency_key=terms.idempotency_key,
            request_sha256=terms.request_sha256,
            replaces=terms.replaces,
            holds_slot=not waits,
            scheduled_at=terms.scheduled_at,
            next_wake_at=now,
            deadline_at=deadline_of(plan, terms, now, waits),
        )
        use_override(change, terms, now, request)
        waking.wake_on_commit(change.pk)
    return change


def planned(plan: Plan) -> dict[str, Any]:
    """Return the fields of a change that its plan decides."""
    return {
        "kind": plan.kind,
        "title": plan.title,
        "spec": plan.spec,
        "spec_sha256": plan.spec_sha256,
        "base": plan.base,
        "base_fingerprint": plan.base_fingerprint,
        "plan": plan.as_json(),
        "needs_approval": plan.needs_approval,
        "requirement": plan.requirement.as_json(),
        "policy_sha256": plan.requirement.sha256,
    }


def use_override(change: Change, terms: Terms, now: datetime, request: HttpRequest | None) -> None:
    """Write down that a change goes past rules, where it does."""
    if terms.override is None:
        return
    override = write_override(change, terms.override, set_aside(terms.override), now)
    action = "change.overridden" if override.kind == Override.Kind.OVERRIDE else "change.glass_broken"
    note(
        change,
        change.requester,
        action,
        override.reason,
        request,
        rules=override.rules,
        ticket=override.ticket,
        expires_at=override.expires_at,
        review_due_at=override.review_due_at,
    )


def deadline_of(plan: Plan, terms: Terms, now: datetime, waits: bool) -> datetime:
    """Return until when a change must have begun, or been approved."""
    if terms.scheduled_at is not None:
        # Where the place makes it wait beyond its hour, its hour is the end of that.
        return max(terms.scheduled_at, now + plan.requirement.wait) + QUEUE_LIMIT
    if plan.needs_approval:
        return now + plan.requirement.expiry
    return now + (TURN_LIMIT if waits else QUEUE_LIMIT) + plan.requirement.wait


def begins_by(change: Change, now: datetime) -> datetime:
    """Return until when a change to which everybody has agreed must have begun: counted from its hour, or its wait."""
    return max(now, opens_at(change)) + QUEUE_LIMIT


def check_times(terms: Terms, now: datetime) -> None:
    """Raise unless a schedule lies ahead, and not too far."""
    if error := error_of_hour(terms.scheduled_at, now):
        raise ConfirmationMissing({"scheduled_at": error})


def check_plan(
    plan: Plan,
    service: Service,
    *,
    plan_id: str,
    confirm: str,
    reason: str,
    ticket: str,
    now: datetime,
) -> None:
    """Raise unless the person saw this plan, nothing refuses it, and they confirmed it as this place asks."""
    if plan.hold is not None:
        raise FreezeHolds(plan.hold, asking_page(plan.kind, service, plan.spec))
    if plan.refused:
        raise ChangeRefused(" ".join(check.text for check in plan.refusals))
    if plan_id or plan.confirmation != CLICK:
        plan.check_id(plan_id, now)
    errors = plan.requirement.errors(reason, ticket)
    if plan.confirmation == TYPED:
        if confirm.strip() != service.name:
            errors["confirm"] = f"Type {service.name} to confirm."
        if not reason.strip():
            errors["reason"] = "Give a reason; it goes to the approver and into the ledger."
    if errors:
        raise ConfirmationMissing(errors)
