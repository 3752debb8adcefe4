"""Withdrawing a change, setting one aside, and turning one back while it runs."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from access.queries import Access
from deployments import machine, waking
from deployments.actions.allowing import require, require_cancel
from deployments.approvals import void_approvals
from deployments.errors import WrongState
from deployments.models import Change
from deployments.states import TERMINAL, State
from deployments.verbs import verb_for

# How long a rollback may take before a person is asked to look.
ROLLBACK_LIMIT = timedelta(minutes=30)
# What cancelling means in each state: the word it leaves in the history, or why it is refused and what to do instead.
CANCELS = {
    State.AWAITING_APPROVAL: "Cancelled",
    State.QUEUED: "Cancelled",
    State.NEEDS_ATTENTION: "Set aside",
}
INSTEAD = {
    State.RUNNING: "ECS is working on it. Roll it back instead.",
    State.ROLLING_BACK: "It is on its way back already. Wait for what ECS says.",
    **dict.fromkeys(TERMINAL, "It has ended."),
}
# Of what began no service deployment there is nothing to stop.
UNSTOPPABLE = "ECS is working on it, and there is no way back to ask for. Past its time it can be set aside."


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
    require_cancel(change, access, request)
    state = State(change.state)
    if state not in CANCELS:
        text = f"CR-{change.pk} is {state.label.lower()} and cannot be cancelled."
        raise WrongState(text, advice=instead_of_cancelling(change))
    note = f"{CANCELS[state]} by {actor.get_username()}{': ' + reason if reason else '.'}"
    with transaction.atomic():
        machine.move(change, State.CANCELLED, actor=actor, note=note, now=now, request=request)
        void_approvals(change, now, note)


def instead_of_cancelling(change: Change) -> str:
    """Say what to do with a change that cannot be cancelled."""
    state = State(change.state)
    if state == State.RUNNING and not verb_for(change.kind).can_be_rolled_back(change):
        return UNSTOPPABLE
    return INSTEAD[state]


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
