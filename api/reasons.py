"""Why a change does not end, or why it ended badly: in the words of its page."""

from __future__ import annotations

from django.utils import timezone

from clusters.causes import cause_of
from clusters.derive import failure_of
from clusters.models import Task
from clusters.strip import has_failed
from deployments.approvals import opens_at, still_missing
from deployments.models import Change
from deployments.states import State

Reason = dict[str, str]
ENDED_BADLY = (State.FAILED, State.ROLLED_BACK, State.NEEDS_ATTENTION)
STARTING = {
    State.AWAITING_APPROVAL: (
        "approval",
        "Waits for an approval; the page of the change names who can give it.",
    ),
    State.QUEUED: ("queued", "Waits for its turn or for a worker."),
}
TASKS_LOOKED_AT = 20


def diagnosis_of(change: Change, *, is_brief: bool = False) -> Reason | None:
    """Return what a change waits for or why it ended as it did, None when its outcome says all.

    In brief it costs no query; else a change that ended badly has its failed tasks looked at, and one that waits for
    approvals is told which.
    """
    state = change.state_choice
    if not is_brief and state in ENDED_BADLY and (found := failed_task_reason(change)):
        return found
    if (
        not is_brief
        and state == State.AWAITING_APPROVAL
        and (missing := still_missing(change, timezone.now()))
    ):
        return {
            "rule": "approval",
            "text": f"Waits for {' and '.join(missing)}, given on the page of the change.",
        }
    trouble = str(change.progress.get("trouble") or "")
    if change.is_active and trouble:
        return {"rule": "trouble", "text": trouble}
    if state == State.QUEUED and (opens := opens_at(change)) > timezone.now():
        return {"rule": "scheduled", "text": f"Begins at {opens:%d %b %H:%M} UTC."}
    waiting = (change.progress.get("rollout") or {}).get("waiting_for") or {}
    if waiting and (change.is_active or state in ENDED_BADLY):
        return {"rule": str(waiting.get("id", "")), "text": str(waiting.get("sentence", ""))}
    if state in STARTING:
        rule, text = STARTING[state]
        return {"rule": rule, "text": text}
    return None


def failed_task_reason(change: Change) -> Reason | None:
    """Quote the newest failed task that the change's own deployment started."""
    deployment_id = change.progress.get("deployment_id")
    if not deployment_id:
        return None
    tasks = Task.objects.filter(service=change.service_id, started_by=deployment_id, last_status="STOPPED")
    for task in tasks.order_by("-stopped_at")[:TASKS_LOOKED_AT]:
        if has_failed(task):
            failure = failure_of(task)
            said = " ".join(filter(None, [failure.stopped_reason, failure.container_reason]))
            quote = f"“{said}”" if said else "ECS gives no reason."
            cause = cause_of(failure)
            return {
                "rule": "failed_task",
                "text": f"{cause}: {quote}" if cause else f"A task stopped: {quote}",
            }
    return None
