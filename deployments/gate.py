"""The gate of a change: who must act now, and with which buttons."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from django.urls import reverse

from clusters.models import Service
from clusters.spans import spell
from deployments.approvals import authors_of
from deployments.models import Change, Kind
from deployments.pauses import CONTINUE, ROLLBACK, Pause
from deployments.queueing import waits_turn
from deployments.states import State
from deployments.verbs import verb_for

if TYPE_CHECKING:
    from access.queries import Access
    from deployments.review import Review


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
    change: Change, access: Access, review: Review, now: datetime, pause: Pause | None = None
) -> Gate | None:
    """Return the gate of a change, None where nothing can be done."""
    state = change.state_choice
    if state == State.AWAITING_APPROVAL:
        return approval_gate(change, access, review, now)
    if state == State.QUEUED:
        text = waiting_for(change)
        title = queued_title(change, text)
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
        pause.going_on,
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


def queued_title(change: Change, text: str) -> str:
    """Say in a few words what a queued change waits for."""
    if waits_turn(change):
        return "Waits its turn"
    if change.scheduled_at is not None:
        return f"Begins at {change.scheduled_at:%d %b %H:%M} UTC"
    return "Queued: it waits" if text else "Queued: a worker takes it next"


def approval_gate(change: Change, access: Access, review: Review, now: datetime) -> Gate:
    reason = why_not_approve(change, access, review)
    approve = Choice(
        "approve-change",
        "Approve",
        "With the last voice that is missing it is queued and carried out exactly as planned here."
        if len(review.missing) > 1 or review.requirement.count > len(review.given) + 1
        else "It is queued and carried out exactly as planned here.",
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
        approvers_text(change, review),
        change.created_at,
        left(change, now, "expires"),
        [approve, reject],
        cancel_choice(change, access),
    )


def why_not_approve(change: Change, access: Access, review: Review) -> str:
    """Say why this person may not decide, empty when they may."""
    name = access.user.get_username()
    others = [other for other in review.others if other != name]
    if access.user.pk in authors_of(change):
        ask = f" Ask {' or '.join(others)}." if others else " Nobody else may approve here yet."
        did = "asked for this change" if change.requester_id == access.user.pk else "edited this request"
        return f"You {did} yourself; another release manager has to decide on it.{ask}"
    decision = access.can("change.approve", change.access_resource)
    if not decision:
        return decision.reason
    if any(voice.user_id == access.user.pk for voice in review.given):
        return f"You have approved it. {review.summary}"
    return "It waits its turn; approve it once the change before it has ended." if waits_turn(change) else ""


def approvers_text(change: Change, review: Review) -> str:
    """Say what is missing, who can give it, and whether anybody can."""
    if review.short:
        lacking = "; ".join(review.short)
        return f"Nobody can let this pass: {lacking} could not be found even if all agreed. An admin has to mend that."
    waits = f" {waiting_for(change)}" if waits_turn(change) else ""
    return f"{review.summary} {', '.join(review.others)} may approve it.{waits}"


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
