"""The one place that gives a change its state."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from audit.actions import describe_actor, record
from deployments.errors import LostRace, TransitionNotAllowed
from deployments.models import Change, Transition
from deployments.nudges import nudge
from deployments.states import TERMINAL, TRANSITIONS, State

Actor = User | str
SYSTEM = "system"


def start(*, actor: Actor, note: str, now: datetime, state: State, **fields: Any) -> Change:
    """Write a new change in its first state, with its transition and its entry in the ledger."""
    with transaction.atomic():
        change = Change.objects.create(state=state, created_at=now, **fields)
        data = {"kind": change.kind, "spec_sha256": change.spec_sha256, "ticket": change.ticket}
        _write_down(change, "", state, actor=actor, note=note, now=now, action="change.requested", data=data)
    return change


def move(
    change: Change,
    to: State,
    *,
    actor: Actor,
    note: str,
    now: datetime,
    fence: int | None = None,
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
    fields = {**fields, "state": to, "version": change.version + 1}
    rows = Change.objects.filter(pk=change.pk, version=change.version, state=origin)
    if fence is not None:
        rows = rows.filter(lease_fence=fence)
    with transaction.atomic():
        if rows.update(**fields) != 1:
            # A person and a worker, or two workers, moved at once: the first one's move stands.
            raise LostRace(change)
        _write_down(change, origin, to, actor=actor, note=note, now=now, action="change.state", data={})
    for name, value in fields.items():
        setattr(change, name, value)


def _write_down(
    change: Change,
    origin: str,
    to: State,
    *,
    actor: Actor,
    note: str,
    now: datetime,
    action: str,
    data: dict[str, Any],
) -> None:
    name, _ = describe_actor(actor)
    Transition.objects.create(change=change, from_state=origin, to_state=to, at=now, actor=name, note=note)
    record(
        action=action,
        actor=actor,
        resource=change.access_resource,
        target=f"CR-{change.pk}",
        reason=note,
        data={"from": origin, "to": str(to), "title": change.title, **data},
    )
    nudge(change)
