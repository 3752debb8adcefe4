"""A change as its page shows it: the steps, and everything that happened in one line of time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from clusters.models import ServiceEvent
from clusters.spans import spell
from deployments.models import Approval, Attempt, Change, Kind, Transition
from deployments.policies import Requirement
from deployments.states import State

DONE, NOW, AHEAD = "done", "now", ""
ENDINGS_LEFT = {
    State.AWAITING_APPROVAL: "Can still end as rejected, cancelled, expired or stale.",
    State.QUEUED: "Can still end as cancelled, expired or stale.",
    State.RUNNING: "Can still end as rolled back or failed.",
    State.ROLLING_BACK: "Can still end as failed.",
    State.NEEDS_ATTENTION: "Ends when ECS does, or when somebody closes it.",
}
WORK = {
    Kind.DEPLOY: "Rolling out",
    Kind.RESTART: "Restarting",
    Kind.SCALE: "Scaling",
    Kind.ROLLBACK: "Rolling back",
    Kind.STOP_TASK: "Stopping",
    Kind.RUN_TASK: "Running",
    Kind.CONTINUE: "Answering",
}
ATTEMPT_LOOKS = {
    Attempt.Outcome.OPEN: ("i-clock", "deploying", "sent, no answer yet"),
    Attempt.Outcome.OK: ("s-steady", "steady", "accepted"),
    Attempt.Outcome.ERROR: ("s-failed", "failed", "refused"),
    Attempt.Outcome.UNKNOWN: ("s-stale", "stale", "outcome unknown: it is observed, never repeated blindly"),
}


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the stepper."""

    css: str
    title: str
    text: str
    glyph: str
    colour: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the timeline; `quote` is somebody else's words, unchanged."""

    at: datetime
    glyph: str
    colour: str
    title: str
    who: str = ""
    note: str = ""
    quote: str = ""
    action: str = ""
    request_id: str = ""

    @property
    def css(self) -> str:
        """Return the class of the drawing: status shapes are small, icons are not."""
        return "i" if self.glyph.startswith("i-") else "g"


def steps_of(change: Change, transitions: Sequence[Transition], approvals: Sequence[Approval]) -> list[Step]:
    """Return the stepper: what is behind, what is now, and how it should end."""
    reached = {item.to_state: item for item in transitions}
    state = change.state_choice
    steps = [
        Step(DONE, "Requested", f"{change.requester.get_username()}, {clock(change.created_at)}", "i-check")
    ]
    if change.needs_approval:
        steps.append(approval_step(change, approvals))
    if state in (State.REJECTED, State.CANCELLED, State.EXPIRED, State.STALE) and not change.dispatched_at:
        return [*steps, ending(change)]
    steps.append(queue_step(change, reached))
    steps.append(work_step(change, reached))
    if state == State.NEEDS_ATTENTION:
        steps.append(Step(NOW, "Needs attention", since(reached, state), "s-degraded", "degraded"))
    if State.ROLLING_BACK in reached or state == State.ROLLING_BACK:
        css = NOW if state == State.ROLLING_BACK else DONE
        glyph = "i-back" if css == NOW else "i-check"
        steps.append(Step(css, "Rolling back", since(reached, State.ROLLING_BACK), glyph, "degraded"))
    return [*steps, ending(change)]


def approval_step(change: Change, approvals: Sequence[Approval]) -> Step:
    given = [a for a in approvals if a.decision == Approval.Decision.APPROVE and not a.voided_at]
    if change.state == State.AWAITING_APPROVAL:
        wanted = max(1, Requirement.from_json(change.requirement).count)
        # A policy may ask for somebody in particular when enough have agreed by number.
        text = (
            f"{len(given)} of {wanted} given" if len(given) < wanted else f"{len(given)} given, more needed"
        )
        return Step(NOW, "Awaiting approval", text, "i-approvals", "deploying")
    if given:
        names = " and ".join(dict.fromkeys(a.approver.get_username() for a in given))
        return Step(DONE, "Approved", f"{names}, {clock(max(a.created_at for a in given))}", "i-check")
    return Step(AHEAD, "Approval", "none that counts", "i-approvals", "zero")


def queue_step(change: Change, reached: dict[str, Transition]) -> Step:
    queued = reached.get(State.QUEUED)
    if change.state == State.QUEUED:
        return Step(NOW, "Queued", "waits for a worker", "i-clock", "deploying")
    if queued is None and not change.dispatched_at:
        return Step(AHEAD, "Queued", "", "")
    began = queued.at if queued else change.created_at
    spent = spell(change.dispatched_at - began) if change.dispatched_at else ""
    return Step(DONE, "Queued", spent, "i-check")


def work_step(change: Change, reached: dict[str, Transition]) -> Step:
    title = WORK[Kind(change.kind)]
    if change.kind == Kind.DEPLOY and change.spec.keys() == {"service"}:
        title = "Applying settings"
    if change.state == State.RUNNING:
        rollout = change.progress.get("rollout") or {}
        return Step(
            NOW, title, str(rollout.get("status") or "calls to AWS are made"), "s-deploying", "deploying"
        )
    if not change.dispatched_at:
        return Step(AHEAD, title, "", "")
    started = reached.get(State.RUNNING)
    return Step(DONE, title, clock(started.at if started else change.dispatched_at), "i-check")


def ending(change: Change) -> Step:
    """Return the last step: how it ended, else how it is meant to end."""
    state = change.state_choice
    if change.is_active:
        return Step(AHEAD, "Succeeded", "when AWS says so", "")
    at = clock(change.finished_at) if change.finished_at else ""
    if state == State.SUCCEEDED:
        return Step(DONE, "Succeeded", at, "i-check")
    return Step(NOW, state.label, at, state.glyph, state.css)


def since(reached: dict[str, Transition], state: State) -> str:
    found = reached.get(state)
    return f"since {clock(found.at)}" if found else ""


def clock(moment: datetime) -> str:
    return f"{moment:%H:%M:%S}"


def timeline_of(
    transitions: Iterable[Transition],
    attempts: Iterable[Attempt],
    approvals: Iterable[Approval],
    events: Iterable[ServiceEvent],
    answers: Iterable[Change] = (),
) -> list[Entry]:
    """Return everything that happened, newest first."""
    entries = [entry for item in attempts for entry in attempt_entries(item)]
    entries += [approval_entry(item) for item in approvals if item.comment]
    entries += [transition_entry(item) for item in transitions]
    entries += [answer_entry(item) for item in answers]
    entries += [Entry(item.created_at, "i-list", "zero", "ECS event", quote=item.message) for item in events]
    # What one transaction wrote bears one time: calls come before the state that they led to.
    return sorted(entries, key=lambda entry: entry.at)[::-1]


def transition_entry(item: Transition) -> Entry:
    state = State(item.to_state)
    title = state.label if item.from_state else f"Requested: {state.label.lower()}"
    return Entry(item.at, state.glyph, state.css, title, who=item.actor, note=item.note)


def answer_entry(item: Change) -> Entry:
    """Return the line of a pause that somebody answered by a change of its own."""
    state = item.state_choice
    verb = "Rollback" if item.spec.get("action") == "ROLLBACK" else "Continue"
    note = f"CR-{item.pk} {state.label.lower()}, at {item.spec.get('stage', '')}"
    return Entry(
        item.created_at, "i-pause", "deploying", f"{verb} asked for", item.requester.get_username(), note
    )


def attempt_entries(item: Attempt) -> list[Entry]:
    """Return the line of a call, at its answer where there is one."""
    glyph, colour, words = ATTEMPT_LOOKS[Attempt.Outcome(item.outcome)]
    note = f"attempt {item.number}" if item.number > 1 else ""
    if item.error_code:
        note = ", ".join(filter(None, [note, item.error_code]))
    return [
        Entry(
            item.finished_at or item.intent_at,
            glyph,
            colour,
            words,
            action=item.action,
            note=note,
            quote=item.error_message,
            request_id=item.request_id,
        )
    ]


def approval_entry(item: Approval) -> Entry:
    verb = "approved" if item.decision == Approval.Decision.APPROVE else "rejected"
    return Entry(
        item.created_at,
        "i-comment",
        "zero",
        f"{item.approver.get_username()} {verb} with a comment",
        note=item.comment,
    )
