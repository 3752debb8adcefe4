"""Waking a change: under a lease, one step, and when to come back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import transaction
from django.db.models import Q

from aws.errors import AwsError
from clusters.actions import request_refresh
from clusters.models import Service
from deployments import leases, machine
from deployments.actions.requesting import begins_by
from deployments.approvals import void_approvals
from deployments.beginning import await_approval, begin
from deployments.credit import credit, credit_ended, is_owed
from deployments.errors import ChangeRefused, LostRace
from deployments.gateway import AwsGateway, Gateway
from deployments.leases import Lease
from deployments.models import Change
from deployments.nudges import nudge
from deployments.running import PAUSE, RARELY, Next, Run
from deployments.states import ACTIVE, TERMINAL, State
from deployments.verbs import verb_for

logger = structlog.get_logger(__name__)

Connect = Callable[[Service, Change], Gateway]


def wake(change_id: int, *, now: datetime, connect: Connect = AwsGateway) -> None:
    """Move a change one step if it is due; called twice or too early it does nothing."""
    due = Q(state__in=ACTIVE, next_wake_at__lte=now)
    if not Change.objects.filter(due, pk=change_id).exists():
        credit_ended(change_id, now)
        return
    # Another worker may have made the step since: the lease is taken only of what is still due.
    lease = leases.take(change_id, now, due)
    if lease is not None:
        step_and_release(lease, now, connect)


def step_and_release(lease: Lease, now: datetime, connect: Connect) -> None:
    """Make one step of a change whose lease is held, and give the lease back."""
    try:
        step(lease.change_id, lease, now, connect)
    except LostRace as lost:
        # Somebody else moved it meanwhile: what they did stands, and they have set the next wake-up.
        logger.info("change_lost_race", change_id=lease.change_id, text=str(lost))
    finally:
        leases.release(lease)


def step(change_id: int, lease: Lease, now: datetime, connect: Connect) -> None:
    """Make one step of a change whose lease is held."""
    change = Change.objects.select_related("service__cluster__account", "requester", "token__user").get(
        pk=change_id
    )
    run = Run(change, connect(change.service, change), lease, now)
    try:
        answer = out_of_time(run) or decide(run)
    except LostRace:
        raise
    except ChangeRefused as refused:
        answer = Next(State.FAILED, f"{refused.sentence} {refused.advice}".strip())
    except AwsError as error:
        # Reading failed; what ECS does goes on meanwhile, so this says nothing about the outcome.
        answer = Next(wake_in=PAUSE, progress={"trouble": f"{error} {error.hint}"})
    except Exception as fault:
        # A fault of ours: in the log with its traceback, on the change in a sentence; the deadline brings a person.
        logger.exception("change_step_failed", change_id=change_id)
        text = f"A fault of the console itself stopped this step ({type(fault).__name__}); its log has the details."
        answer = Next(wake_in=RARELY, progress={"trouble": text})
    else:
        answer = clear_trouble(run, answer)
    apply(run, overdue(run, answer))


def decide(run: Run) -> Next:
    """Return what is to become of a change in its present state."""
    if run.change.state == State.AWAITING_APPROVAL:
        return await_approval(run)
    if run.change.state == State.QUEUED:
        return begin(run)
    return verb_for(run.change.kind).step(run)


def clear_trouble(run: Run, answer: Next) -> Next:
    """Forget an error of reading once a step went through."""
    if "trouble" not in run.progress or "trouble" in answer.progress:
        return answer
    return Next(answer.to, answer.note, answer.wake_in, answer.step, {**answer.progress, "trouble": ""})


def out_of_time(run: Run) -> Next | None:
    """End what has not begun in time; it is no longer what its requester had in mind."""
    change = run.change
    if change.deadline_at is None or run.now < change.deadline_at:
        return None
    if change.state == State.AWAITING_APPROVAL:
        return Next(State.EXPIRED, "Nobody decided on it in time.")
    if change.state == State.QUEUED:
        waiting = (run.progress.get("rollout") or {}).get("waiting_for") or {}
        known = run.progress.get("trouble") or waiting.get("sentence", "")
        return Next(State.EXPIRED, f"It could not begin in time. {known}".strip())
    return None


def overdue(run: Run, answer: Next) -> Next:
    """Turn an open answer after the deadline into what it means: never a failure, always with what is known."""
    change = run.change
    if answer.to is not None or change.deadline_at is None or run.now < change.deadline_at:
        return answer
    rollout = answer.progress.get("rollout") or run.progress.get("rollout") or {}
    known = (rollout.get("waiting_for") or {}).get("sentence", "")
    trouble = answer.progress.get("trouble", "")
    minutes = int((run.now - (change.dispatched_at or run.now)).total_seconds() // 60)
    text = f"Not finished after {minutes} min. {trouble or known or answer.note}".strip()
    return Next(State.NEEDS_ATTENTION, text, RARELY, answer.step, answer.progress)


def apply(run: Run, answer: Next) -> None:
    """Write the answer down: a move, or the next wake-up."""
    change = run.change
    if answer.to is None:
        rest(run, answer)
        return
    fields: dict[str, Any] = {
        "progress": {**run.progress, **answer.progress},
        "step": answer.step or change.step,
    }
    if answer.to not in TERMINAL:
        fields["next_wake_at"] = run.now + timedelta(seconds=answer.wake_in)
    elif is_owed(fields["progress"]):
        fields["next_wake_at"] = run.now
    if answer.to == State.QUEUED:
        fields["deadline_at"] = begins_by(change, run.now)
    if answer.to == State.ROLLING_BACK:
        fields["deadline_at"] = run.now + verb_for(change.kind).deadline
    if answer.to == State.NEEDS_ATTENTION:
        fields |= {"outcome": answer.note, "deadline_at": None}
    with transaction.atomic():
        machine.move(
            change,
            answer.to,
            actor=machine.SYSTEM,
            note=answer.note,
            now=run.now,
            fence=run.lease.fence,
            **fields,
        )
        if answer.to in TERMINAL:
            void_approvals(change, run.now, answer.note)
    request_refresh(change.service)


def rest(run: Run, answer: Next) -> None:
    """Store where it stands and when to come back; watchers are told only when something moved."""
    change = run.change
    progress = {**run.progress, **answer.progress}
    if answer.note and "rollout" not in answer.progress:
        waiting = {"id": "unsettled", "sentence": answer.note}
        progress["rollout"] = {**progress.get("rollout", {}), "waiting_for": waiting}
    step = answer.step or change.step
    rows = Change.objects.filter(pk=change.pk, version=change.version, lease_fence=run.lease.fence)
    with transaction.atomic():
        moved = progress != change.progress or step != change.step
        wake_at = run.now + timedelta(seconds=answer.wake_in)
        if rows.update(progress=progress, step=step, next_wake_at=wake_at) != 1:
            # A person moved it during the step; their wake-up stands.
            raise LostRace(change)
        if moved:
            nudge(change)
    change.progress = progress
    credit(change)
    if step != change.step:
        request_refresh(change.service)
