"""The gate of a change: who must act now, and with which buttons."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from django.urls import reverse

from clusters.models import Service
from clusters.spans import spell
from deployments.models import Change, Kind
from deployments.pauses import CONTINUE, ROLLBACK, Pause
from deployments.states import State
from deployments.verbs import verb_for

if TYPE_CHECKING:
    from access.queries import Access


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing that can be done; with a reason it is off."""

    view: str
    name: str
    text: str
    button: str
    icon: str
    look: str = ""
    reason: str = ""
    asks: str = ""
    # Set where the choice has a page of its own, with its plan and its confirmation.
    href: str = ""


@dataclass(frozen=True, slots=True)
class Gate:
    """What waits for a person, since when, and until when."""

    look: str
    icon: str
    colour: str
    title: str
    text: str = ""
    since: datetime | None = None
    until: str = ""
    choices: list[Choice] = field(default_factory=list)
    # Withdrawing stands apart, below the two that face each other.
    foot: Choice | None = None
    # The pause that waits for a person, with the comparison of both sides.
    pause: Pause | None = None


def gate_of(
    change: Change, access: Access, approvers: list[str], now: datetime, pause: Pause | None = None
) -> Gate | None:
    """Return the gate of a change, None where nothing can be done."""
    state = change.state_choice
    if state == State.AWAITING_APPROVAL:
        return approval_gate(change, access, approvers, now)
    if state == State.QUEUED:
        title = "Queued: a worker takes it next"
        text = waiting_for(change)
        return Gate("go", "i-clock", "deploying", title, text, foot=cancel_choice(change, access))
    if pause is not None and state in (State.RUNNING, State.NEEDS_ATTENTION):
        return pause_gate(change.service, access, pause, now)
    if state == State.RUNNING:
        return running_gate(change, access, now)
    if state == State.ROLLING_BACK:
        text = waiting_for(change) or "It is called rolled back when AWS says so."
        since, until = latest_move(change), left(change, now)
        return Gate("warn", "i-back", "degraded", "Rolling back", text, since, until)
    if state == State.NEEDS_ATTENTION:
        return attention_gate(change, access)
    return None


def running_gate(change: Change, access: Access, now: datetime) -> Gate:
    return Gate(
        look="go",
        icon="s-deploying",
        colour="deploying",
        title="In progress",
        text=waiting_for(change),
        since=change.dispatched_at,
        until=left(change, now),
        choices=rollback_choices(change, access),
    )


def pause_gate(service: Service, access: Access, pause: Pause, now: datetime) -> Gate:
    """Return the gate of a deployment that a PAUSE hook holds, whoever began it."""
    decision = access.can("service.deploy", service.access_resource)
    reason = "" if decision else decision.reason
    page = reverse("answer-pause", args=service.url_args)
    go_on = Choice(
        "continue-pause",
        "Continue",
        f"ECS goes on with the stage after {pause.stage}.",
        "Continue",
        "play",
        "primary",
        reason,
        href=f"{page}?action={CONTINUE}",
    )
    back = Choice(
        "rollback-pause",
        "Roll back",
        "All traffic returns to the outgoing revision. Its tasks still run.",
        "Roll back",
        "back",
        "",
        reason,
        href=f"{page}?action={ROLLBACK}",
    )
    until = pause.expiry(now)
    return Gate("go", "i-pause", "deploying", pause.title, "", pause.since, until, [go_on, back], pause=pause)


def attention_gate(change: Change, access: Access) -> Gate:
    return Gate(
        look="warn",
        icon="s-degraded",
        colour="degraded",
        title="Needs a person",
        text=attention_text(change),
        since=latest_move(change),
        choices=rollback_choices(change, access),
        foot=cancel_choice(change, access),
    )


def approval_gate(change: Change, access: Access, approvers: list[str], now: datetime) -> Gate:
    reason = why_not_approve(change, access, approvers)
    approve = Choice(
        "approve-change",
        "Approve",
        "It is queued at once and carried out exactly as planned here.",
        "Approve",
        "check",
        "primary",
        reason,
        "Comment",
    )
    reject = Choice(
        "reject-change",
        "Reject",
        "It ends; what was asked has to be asked anew.",
        "Reject",
        "x",
        "danger",
        reason,
        "Why",
    )
    return Gate(
        "go",
        "i-approvals",
        "deploying",
        "Waits for approval",
        approvers_text(approvers),
        change.created_at,
        left(change, now, "expires"),
        [approve, reject],
        cancel_choice(change, access),
    )


def why_not_approve(change: Change, access: Access, approvers: list[str]) -> str:
    """Say why this person may not decide, empty when they may."""
    if change.requester_id == access.user.pk:
        others = f" Ask {' or '.join(approvers)}." if approvers else " Nobody else holds that role here yet."
        return f"You asked for this change yourself; another release manager has to decide on it.{others}"
    decision = access.can("change.approve", change.access_resource)
    return "" if decision else decision.reason


def approvers_text(approvers: list[str]) -> str:
    if not approvers:
        return "Nobody but the requester may approve it: an admin has to make someone a release manager here."
    return f"{', '.join(approvers)} may approve it."


def cancel_choice(change: Change, access: Access) -> Choice:
    """Return withdrawing, which whoever asked may always do."""
    is_own = change.requester_id == access.user.pk
    decision = access.can("change.cancel", change.access_resource)
    reason = "" if is_own or decision else decision.reason
    if change.state == State.NEEDS_ATTENTION:
        text = "The console stops looking after it. What runs in ECS is left as it is."
        return Choice("cancel-change", "Set aside", text, "Set it aside", "x", "", reason)
    return Choice(
        "cancel-change", "Cancel", "Nothing has been done in AWS yet.", "Cancel the change", "x", "", reason
    )


def rollback_choices(change: Change, access: Access) -> list[Choice]:
    """Return the way back of a running change, none where it began no service deployment."""
    if not verb_for(change.kind).can_be_rolled_back(change):
        return []
    decision = access.can("service.rollback", change.access_resource)
    if change.kind == Kind.RUN_TASK:
        text = "Every task of it gets SIGTERM, then SIGKILL after its stop timeout."
        reason = "" if decision else decision.reason
        return [Choice("rollback-change", "Stop", text, "Stop its tasks", "x", "danger", reason)]
    before = str(change.progress.get("previous_task_definition_arn") or "").rsplit(":", 1)[-1]
    button = f"Roll back to :{before}" if before.isdecimal() else "Roll back"
    text = "ECS stops this rollout and returns to what ran before."
    reason = "" if decision else decision.reason
    return [Choice("rollback-change", "Roll back", text, button, "back", "", reason)]


def waiting_for(change: Change) -> str:
    """Return what keeps a change from going on, as the worker saw it last; an error of reading hides the rest."""
    if trouble := change.progress.get("trouble"):
        return str(trouble)
    waiting = (change.progress.get("rollout") or {}).get("waiting_for") or {}
    return str(waiting.get("sentence") or "")


def attention_text(change: Change) -> str:
    last = change.transitions.last()
    return (last.note if last else "") or waiting_for(change)


def latest_move(change: Change) -> datetime | None:
    last = change.transitions.last()
    return last.at if last else None


def left(change: Change, now: datetime, verb: str = "a person is asked to look") -> str:
    """Say what happens when the clock runs out."""
    if change.deadline_at is None or change.deadline_at <= now:
        return ""
    return f"{verb} in {spell(change.deadline_at - now)}"
