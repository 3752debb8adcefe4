"""A service's status and the one sentence beside it, from ECS's facts. Pure; first match from the top wins."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from clusters.causes import FailedTask, common_cause
from clusters.service_view import primary_of
from clusters.spans import parse_time
from clusters.status import Status
from clusters.strip import revision_of

# How long fewer tasks than desired may run before it counts: a task that is replaced takes about that long.
SHORT_FOR = timedelta(minutes=2)
# An event older than this no longer says how things are.
EVENT_FRESH = timedelta(minutes=10)
PLACEMENT = re.compile(
    r"was unable to place a task[. ]*(?:because (?P<because>[^.]+))?(?:.*?Reason: (?P<reason>[^.]+))?"
)
UNHEALTHY_TARGET = re.compile(r"is unhealthy in \(target-group")
STEADY_EVENT = "has reached a steady state"
FINISHED_BADLY = frozenset(
    {"ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS", "ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED"}
)


@dataclass(frozen=True, slots=True)
class LastDeployment:
    """The newest service deployment of a service."""

    arn: str
    status: str
    status_reason: str = ""
    task_definition_arn: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """A service event."""

    at: datetime
    message: str


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the judgement rests on."""

    service: Mapping[str, Any]
    desired: int
    running: int
    pending: int = 0
    is_read: bool = True
    short_since: datetime | None = None
    last: LastDeployment | None = None
    acknowledged: str = ""
    failures: Sequence[FailedTask] = ()
    unhealthy_count: int = 0
    # Newest first.
    events: Sequence[Event] = ()
    primary: Mapping[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "primary", primary_of(self.service))

    @property
    def revision(self) -> str:
        """Return the incoming revision as people call it, `:214`."""
        return revision_of(
            str(self.primary.get("taskDefinition") or self.service.get("taskDefinition") or "")
        )

    @property
    def is_rolling(self) -> bool:
        return any(
            deployment.get("rolloutState") == "IN_PROGRESS"
            for deployment in self.service.get("deployments") or []
        )

    @property
    def failed_count(self) -> int:
        """Return the failed tasks of the deployments in progress."""
        deployments = self.service.get("deployments") or []
        return sum(
            int(deployment.get("failedTasks") or 0)
            for deployment in deployments
            if deployment.get("rolloutState") == "IN_PROGRESS"
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """A status with its sentence."""

    status: Status
    happening: str


def judge(facts: Facts, now: datetime) -> Verdict:
    """Return how a service is."""
    if not facts.is_read:
        return Verdict(Status.UNKNOWN, "Not read yet.")
    if facts.service.get("status") == "DRAINING":
        return being_deleted(facts)
    if sentence := failed(facts):
        return Verdict(Status.FAILED, sentence)
    if sentence := degraded(facts, now):
        return Verdict(Status.DEGRADED, sentence)
    if facts.is_rolling:
        return Verdict(Status.DEPLOYING, rolling(facts))
    if facts.desired == 0 and facts.running == 0:
        return Verdict(Status.ZERO, "Scaled to zero.")
    return Verdict(Status.STEADY, settling(facts))


def being_deleted(facts: Facts) -> Verdict:
    """Judge a service that was deleted and still has tasks; its missing tasks are meant to be missing."""
    left = f"{counted(facts.running, 'task')} still {'runs' if facts.running == 1 else 'run'}"
    status = Status.DEPLOYING if facts.running else Status.ZERO
    return Verdict(status, f"The service is being deleted; {left}.")


def failed(facts: Facts) -> str:
    """Return the sentence of a failed deployment that nobody has acknowledged, else nothing."""
    last = facts.last
    if last is not None and last.status in FINISHED_BADLY and last.arn != facts.acknowledged:
        return sentences(
            f"Deployment of {revision_of(last.task_definition_arn) or 'a new revision'} failed",
            common_cause(facts.failures) or reason_of(last.status_reason),
            outcome_of(facts, last),
        )
    own = facts.primary.get("id")
    acknowledged = facts.acknowledged in {own, last.arn if last else own}
    if facts.primary.get("rolloutState") == "FAILED" and not acknowledged:
        reason = reason_of(str(facts.primary.get("rolloutStateReason") or ""))
        return sentences(
            f"Deployment of {facts.revision} failed", common_cause(facts.failures) or reason, tasks_run(facts)
        )
    return ""


def outcome_of(facts: Facts, last: LastDeployment) -> str:
    """Say what a rollback has come to."""
    if last.status == "ROLLBACK_SUCCESSFUL":
        return f"ECS rolled back to {facts.revision}"
    if last.status == "ROLLBACK_FAILED":
        return f"The rollback failed too; {tasks_run(facts)}"
    return f"ECS is rolling back; {tasks_run(facts)}"


def degraded(facts: Facts, now: datetime) -> str:
    """Return the sentence of a service that works less than it should, else nothing."""
    cause = common_cause(facts.failures)
    if facts.is_rolling and facts.failed_count:
        count = counted(facts.failed_count, "task")
        return sentences(f"Rolling out {facts.revision}: {count} failed", cause, breaker_words(facts))
    if placement := placement_error(facts, now):
        missing = max(0, facts.desired - facts.running)
        what = (
            f"{missing} of {counted(facts.desired, 'task')} cannot be placed"
            if missing
            else "Tasks cannot be placed"
        )
        return sentences(what, placement)
    if facts.unhealthy_count:
        are = "is" if facts.unhealthy_count == 1 else "are"
        return sentences(
            f"{facts.unhealthy_count} of {counted(facts.running, 'task')} {are} unhealthy", cause
        )
    if has_unhealthy_target(facts, now):
        return sentences("A target fails the load balancer's health checks", tasks_run(facts))
    if facts.short_since is not None and now - facts.short_since >= SHORT_FOR:
        return sentences(f"Only {tasks_run(facts)}", cause)
    return ""


def placement_error(facts: Facts, now: datetime) -> str:
    """Return why tasks cannot be placed, as long as no event since says that all is well."""
    if facts.running >= facts.desired:
        return ""
    for event in recent(facts, now):
        if STEADY_EVENT in event.message:
            return ""
        if match := PLACEMENT.search(event.message):
            return reason_of(match["reason"] or match["because"] or "ECS names no reason")
    return ""


def has_unhealthy_target(facts: Facts, now: datetime) -> bool:
    for event in recent(facts, now):
        if STEADY_EVENT in event.message:
            return False
        if UNHEALTHY_TARGET.search(event.message):
            return True
    return False


def recent(facts: Facts, now: datetime) -> list[Event]:
    """Return the events that still say how things are; nothing from before the deployment counts."""
    created = parse_time(facts.primary.get("createdAt"))
    since = max(now - EVENT_FRESH, created) if created else now - EVENT_FRESH
    return [event for event in facts.events if event.at >= since]


def breaker_words(facts: Facts) -> str:
    """Say what ECS will do about failing tasks."""
    configuration = facts.service.get("deploymentConfiguration") or {}
    breaker = configuration.get("deploymentCircuitBreaker") or {}
    if not breaker.get("enable"):
        return "The circuit breaker is off"
    return (
        "The circuit breaker will roll back"
        if breaker.get("rollback")
        else "The circuit breaker will stop it"
    )


def rolling(facts: Facts) -> str:
    """Say how far a rollout without failures is."""
    wanted = int(facts.primary.get("desiredCount") or facts.desired)
    up = int(facts.primary.get("runningCount") or 0)
    share = f", {min(100, 100 * up // wanted)}%" if wanted else ""
    return f"Rolling out {facts.revision}{share}, no failures."


def settling(facts: Facts) -> str:
    """Say that a service is steady, or what it is still at."""
    if facts.running < facts.desired:
        return f"{tasks_run(facts)}; {counted(facts.desired - facts.running, 'task')} starting."
    if facts.running > facts.desired:
        return f"{tasks_run(facts)}; {counted(facts.running - facts.desired, 'task')} to be stopped."
    return "Steady."


def tasks_run(facts: Facts) -> str:
    run = "runs" if facts.desired == 1 else "run"
    return f"{facts.running} of {counted(facts.desired, 'task')} {run}"


def counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def reason_of(text: str) -> str:
    """Return ECS's own reason without its full stop."""
    return text.strip().rstrip(".")


def sentences(*parts: str) -> str:
    """Join what there is to one line of sentences; a part may begin with a name that is not to be changed."""
    return " ".join(f"{part}." for part in parts if part)
