"""Whose turn it is: one change of a service at a time, others behind it or at their hour."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from clusters.models import Service
from deployments.errors import LostRace
from deployments.models import Change
from deployments.models.changes import BESIDE
from deployments.plans import OK, REFUSE, WARN, Check
from deployments.states import ACTIVE, NOT_BEGUN, State
from deployments.terms import IfBusy, Terms

if TYPE_CHECKING:
    from deployments.running import Run
    from deployments.verbs.base import Verb


def active_change(service: Service) -> Change | None:
    """Return the change that has the service; what acts beside a rollout does not take it."""
    rows = Change.objects.filter(service=service, state__in=sorted(ACTIVE), holds_slot=True)
    return rows.exclude(kind__in=BESIDE).select_related("requester").first()


def waiting_turn(service: Service) -> QuerySet[Change]:
    """Return the changes that wait for the service, the first to have it first."""
    return Change.objects.filter(service=service, state__in=sorted(NOT_BEGUN), holds_slot=False).order_by(
        "pk"
    )


def gives_way(active: Change, verb: Verb) -> bool:
    """Whether an active change is cancelled by this one: the way back never waits for what has not begun."""
    return verb.goes_first and active.kind != "rollback" and active.state in NOT_BEGUN


def slot_check(service: Service, verb: Verb, terms: Terms) -> Check:
    """Say whether the service is free, and what becomes of the request or of the other change if not."""
    title, active = "Another change", active_change(service)
    if active is None:
        waiting = waiting_turn(service).count()
        text = "No other change of this service is active."
        if waiting:
            text = f"{text} {waiting} more {'waits' if waiting == 1 else 'wait'} for a turn or an hour."
        return Check("another-change", title, OK, text)
    state = active.state_choice.label.lower()
    if gives_way(active, verb) and terms.scheduled_at is None:
        return Check(
            "another-change", title, WARN, f"{active} is {state}. It has not begun, so this cancels it."
        )
    if terms.replaces is not None and active.pk == terms.replaces.pk and active.state in NOT_BEGUN:
        return Check("another-change", title, WARN, f"{active} is {state}; this takes its place.")
    if terms.scheduled_at is not None:
        return Check(
            "another-change", title, WARN, f"{active} is {state}. This begins at its hour, or after it."
        )
    if terms.if_busy == IfBusy.QUEUE:
        return Check("another-change", title, WARN, f"{active} is {state}. This waits its turn behind it.")
    if terms.if_busy == IfBusy.SUPERSEDE and active.state in NOT_BEGUN:
        return Check(
            "another-change", title, WARN, f"{active} is {state}. It has not begun, so this cancels it."
        )
    return Check("another-change", title, REFUSE, f"{active} is {state}.")


def waits_turn(change: Change) -> bool:
    """Whether a change waits behind another, or had its turn and has yet to be put on what the service is now."""
    if change.kind in BESIDE or change.scheduled_at is not None:
        return False
    return not change.holds_slot or change.progress.get("turn") == "come"


def claim_slot(run: Run) -> bool:
    """Take the service for a change that waited; False while another has it or is before it."""
    change = run.change
    if change.holds_slot or change.kind in BESIDE:
        return True
    ahead = waiting_turn(change.service).filter(pk__lt=change.pk)
    # Those whose hour has not come wait for that, and those that nobody approved for their hour for a person: not for a turn.
    if ahead.filter(Q(scheduled_at=None) | Q(scheduled_at__lte=run.now, state=State.QUEUED)).exists():
        return False
    rows = Change.objects.filter(pk=change.pk, version=change.version, lease_fence=run.lease.fence)
    try:
        with transaction.atomic():
            if rows.update(holds_slot=True) != 1:
                raise LostRace(change)
    except IntegrityError:
        # The unique index says that another change has the service.
        return False
    change.holds_slot = True
    return True


def wake_next(change: Change, now: datetime) -> None:
    """Have those that wait for the service looked at, once the change that had it has ended."""
    due = Q(scheduled_at=None) | Q(scheduled_at__lte=now)
    waiting_turn(change.service).filter(due).update(next_wake_at=now)


def describe_wait(change: Change) -> str:
    """Say behind what a change waits."""
    active = active_change(change.service)
    if active is None or active.pk == change.pk:
        return "Waits for its turn; another request is before it."
    return f"Waits its turn: {active} is {active.state_choice.label.lower()}."
