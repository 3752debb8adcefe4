"""The one place that gives a change its state."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest

from audit.actions import describe_actor, record
from deployments.announcing import announce_move
from deployments.errors import LostRace, TransitionNotAllowed
from deployments.fingerprint import without_seals
from deployments.models import Change, Transition
from deployments.nudges import nudge
from deployments.queueing import wake_next
from deployments.states import TERMINAL, TRANSITIONS, State

Actor = User | str
SYSTEM = "system"


def start(
    *,
    actor: Actor,
    note: str,
    now: datetime,
    state: State,
    request: HttpRequest | None = None,
    **fields: Any,
) -> Change:
    """Write a new change in its first state, with its transition and its entry in the ledger."""
    with transaction.atomic():
        change = Change.objects.create(state=state, created_at=now, **fields)
        transition = Transition(change=change, from_state="", to_state=state, at=now, note=note)
        data = {"kind": change.kind, "spec_sha256": change.spec_sha256, **asked_for(change)}
        write_down(transition, actor, "change.requested", data, request)
    return change


def asked_for(change: Change) -> dict[str, Any]:
    """Return what the ledger keeps of a request beside its spec: with what ticket, under which rules, after which."""
    return {
        "ticket": change.ticket,
        "requirement": change.requirement,
        "replaces": f"CR-{change.replaces_id}" if change.replaces_id else "",
        "via": change.via,
    }


def move(
    change: Change,
    to: State,
    *,
    actor: Actor,
    note: str,
    now: datetime,
    fence: int | None = None,
    request: HttpRequest | None = None,
    **fields: Any,
) -> None:
    """Move a change along an edge of the machine, or raise `TransitionNotAllowed` or `LostRace`.

    `fence` makes the write depend on a lease as well. The object in hand is brought up to date.
    """
    origin = State(change.state)
    if to not in TRANSITIONS.get(origin, frozenset()):
        raise TransitionNotAllowed(change, to)
    if to in TERMINAL:
        fields = {"finished_at": now, "next_wake_at": None, "deadline_at": None, "outcome": note, **fields}
        # Nobody needs the values any more; fingerprints and lengths stay to be compared.
        fields["spec"] = without_seals(change.spec)
    fields = {**fields, "state": to, "version": change.version + 1}
    rows = Change.objects.filter(pk=change.pk, version=change.version, state=origin)
    if fence is not None:
        rows = rows.filter(lease_fence=fence)
    with transaction.atomic():
        if rows.update(**fields) != 1:
            # A person and a worker, or two workers, moved at once: the first one's move stands.
            raise LostRace(change)
        if to in TERMINAL and change.holds_slot:
            # Before the ledger: its lock is the last one in every transaction, else two of them could wait for each other.
            wake_next(change, now)
        transition = Transition(change=change, from_state=origin, to_state=to, at=now, note=note)
        write_down(transition, actor, "change.state", {}, request)
    for name, value in fields.items():
        setattr(change, name, value)


def write_down(
    transition: Transition,
    actor: Actor,
    action: str,
    data: dict[str, Any],
    request: HttpRequest | None,
) -> None:
    """Write a move into the history and into the ledger, in the caller's transaction."""
    change = transition.change
    transition.actor, _ = describe_actor(actor)
    transition.save()
    moved = {"from": transition.from_state, "to": transition.to_state, "title": change.title}
    record(
        action=action,
        actor=actor,
        resource=change.access_resource,
        target=f"CR-{change.pk}",
        reason=transition.note,
        data={**moved, **data},
        request=request,
    )
    announce_move(transition, actor)
    nudge(change)
