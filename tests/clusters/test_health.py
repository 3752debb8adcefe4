from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from clusters.causes import FailedTask, cause_of, common_cause
from clusters.health import Event, Facts, LastDeployment, judge
from clusters.status import Status

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
OOM = FailedTask(
    stop_code="EssentialContainerExited",
    stopped_reason="Essential container in task exited",
    container="app",
    container_reason="OutOfMemoryError: Container killed due to memory usage",
    exit_code=137,
)
CRASH = FailedTask("EssentialContainerExited", "Essential container in task exited", "app", "", 1)
NO_IMAGE = FailedTask(
    "TaskFailedToStart",
    "CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve ref"
    " 111122223333.dkr.ecr.us-east-1.amazonaws.com/shop/web:v9:"
    " 111122223333.dkr.ecr.us-east-1.amazonaws.com/shop/web:v9: not found",
)


def deployment(state: str = "COMPLETED", revision: int = 7, **fields: Any) -> dict[str, Any]:
    return {
        "id": f"ecs-svc/{revision}",
        "status": "PRIMARY",
        "taskDefinition": f"arn:aws:ecs:us-east-1:111122223333:task-definition/web:{revision}",
        "rolloutState": state,
        "createdAt": (NOW - timedelta(minutes=30)).isoformat(),
        "desiredCount": 4,
        "runningCount": 4,
        "failedTasks": 0,
        **fields,
    }


def facts(*deployments: dict[str, Any], desired: int = 4, running: int = 4, **fields: Any) -> Facts:
    service: dict[str, Any] = {"status": "ACTIVE", "deployments": list(deployments or (deployment(),))}
    service |= fields.pop("service", {})
    return Facts(service=service, desired=desired, running=running, **fields)


def last(
    status: str, revision: int = 8, reason: str = "The circuit breaker threshold was exceeded."
) -> LastDeployment:
    return LastDeployment("arn:last", status, reason, f"arn:x:task-definition/web:{revision}")


def event(message: str, minutes: float = 1) -> Event:
    return Event(NOW - timedelta(minutes=minutes), message)


PLACEMENT = (
    "(service web) was unable to place a task. Reason: Capacity is unavailable at this time."
    " Please try again later."
)
NO_INSTANCE = (
    "(service web) was unable to place a task because no container instance met all of its requirements."
    " Reason: No Container Instances were found in your cluster. For more information, see the guide."
)
UNHEALTHY = "(service web) (task 1) (port 80) is unhealthy in (target-group x) due to (reason 503)"
STEADY = "(service web) has reached a steady state."
BREAKER = {"deploymentConfiguration": {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}}

CASES: list[tuple[str, Facts, Status, str]] = [
    ("never read", facts(is_read=False), Status.UNKNOWN, "Not read yet."),
    ("steady", facts(), Status.STEADY, "Steady."),
    ("zero", facts(desired=0, running=0), Status.ZERO, "Scaled to zero."),
    (
        "rolling out",
        facts(deployment("IN_PROGRESS", 8, runningCount=1), deployment("COMPLETED", 7, status="ACTIVE")),
        Status.DEPLOYING,
        "Rolling out :8, 25%, no failures.",
    ),
    (
        "rolling out with failures",
        facts(deployment("IN_PROGRESS", 8, failedTasks=2), failures=[OOM, OOM], service=BREAKER),
        Status.DEGRADED,
        "Rolling out :8: 2 tasks failed. app is killed at the memory limit (exit code 137)."
        " The circuit breaker will roll back.",
    ),
    (
        "rolling out with failures of an unnamed cause and without breaker",
        facts(deployment("IN_PROGRESS", 8, failedTasks=1)),
        Status.DEGRADED,
        "Rolling out :8: 1 task failed. The circuit breaker is off.",
    ),
    (
        "rollout failed",
        facts(deployment("FAILED", 8, rolloutStateReason="Tasks failed to start."), running=3),
        Status.FAILED,
        "Deployment of :8 failed. Tasks failed to start. 3 of 4 tasks run.",
    ),
    (
        "rolled back",
        facts(last=last("ROLLBACK_SUCCESSFUL"), failures=[NO_IMAGE]),
        Status.FAILED,
        "Deployment of :8 failed. Image shop/web:v9 is not in the registry. ECS rolled back to :7.",
    ),
    (
        "rolled back for an unknown reason",
        facts(last=last("ROLLBACK_SUCCESSFUL")),
        Status.FAILED,
        "Deployment of :8 failed. The circuit breaker threshold was exceeded. ECS rolled back to :7.",
    ),
    (
        "rollback failed",
        facts(last=last("ROLLBACK_FAILED", reason=""), running=1),
        Status.FAILED,
        "Deployment of :8 failed. The rollback failed too; 1 of 4 tasks run.",
    ),
    (
        "rolling back",
        facts(deployment("IN_PROGRESS"), last=last("ROLLBACK_IN_PROGRESS"), failures=[CRASH]),
        Status.FAILED,
        "Deployment of :8 failed. app exits with code 1. ECS is rolling back; 4 of 4 tasks run.",
    ),
    (
        "rolled back and acknowledged",
        facts(last=last("ROLLBACK_SUCCESSFUL"), acknowledged="arn:last"),
        Status.STEADY,
        "Steady.",
    ),
    (
        "another one acknowledged",
        facts(last=last("ROLLBACK_SUCCESSFUL"), acknowledged="arn:before"),
        Status.FAILED,
        "Deployment of :8 failed. The circuit breaker threshold was exceeded. ECS rolled back to :7.",
    ),
    ("deployed after a failure", facts(last=last("SUCCESSFUL", 7)), Status.STEADY, "Steady."),
    (
        "short for a moment",
        facts(running=3, short_since=NOW - timedelta(seconds=119)),
        Status.STEADY,
        "3 of 4 tasks run; 1 task starting.",
    ),
    (
        "short for two minutes",
        facts(running=3, short_since=NOW - timedelta(minutes=2), failures=[CRASH]),
        Status.DEGRADED,
        "Only 3 of 4 tasks run. app exits with code 1.",
    ),
    (
        "cannot place",
        facts(running=2, events=[event(PLACEMENT)]),
        Status.DEGRADED,
        "2 of 4 tasks cannot be placed. Capacity is unavailable at this time.",
    ),
    (
        "no instance",
        facts(running=3, events=[event(NO_INSTANCE)]),
        Status.DEGRADED,
        "1 of 4 tasks cannot be placed. No Container Instances were found in your cluster.",
    ),
    ("placed since", facts(events=[event(PLACEMENT)]), Status.STEADY, "Steady."),
    (
        "placement of long ago",
        facts(running=3, events=[event(PLACEMENT, minutes=20)]),
        Status.STEADY,
        "3 of 4 tasks run; 1 task starting.",
    ),
    (
        "unhealthy container",
        facts(unhealthy_count=1),
        Status.DEGRADED,
        "1 of 4 tasks is unhealthy.",
    ),
    (
        "unhealthy target",
        facts(events=[event(UNHEALTHY)]),
        Status.DEGRADED,
        "A target fails the load balancer's health checks. 4 of 4 tasks run.",
    ),
    ("healthy again", facts(events=[event(STEADY), event(UNHEALTHY, 2)]), Status.STEADY, "Steady."),
    (
        "scaling in",
        facts(running=6),
        Status.STEADY,
        "6 of 4 tasks run; 2 tasks to be stopped.",
    ),
    (
        "being deleted",
        facts(running=1, desired=0, service={"status": "DRAINING"}),
        Status.DEPLOYING,
        "The service is being deleted; 1 task still runs.",
    ),
    (
        "without rollout state, as behind CODE_DEPLOY",
        facts(deployment("", rolloutState=None)),
        Status.STEADY,
        "Steady.",
    ),
]


@pytest.mark.parametrize(
    ("facts", "status", "happening"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_status_and_sentence(facts: Facts, status: Status, happening: str) -> None:
    verdict = judge(facts, NOW)
    assert (verdict.status, verdict.happening) == (status, happening)


CAUSES = [
    (NO_IMAGE, "Image shop/web:v9 is not in the registry"),
    (OOM, "app is killed at the memory limit (exit code 137)"),
    (CRASH, "app exits with code 1"),
    (FailedTask("", "", "app", "", 0), "app exits with code 0 with nothing left to do"),
    # 137 alone is a kill; nothing says that memory was the reason.
    (FailedTask("", "Essential container in task exited", "app", "", 137), "app is killed (exit code 137)"),
    (
        FailedTask(
            "TaskFailedToStart", "The task can’t pull the image. Check that the role has the permissions"
        ),
        "The image cannot be pulled: access is denied",
    ),
    (
        FailedTask("TaskFailedToStart", "CannotPullContainerError: x: 403 Forbidden"),
        "The image cannot be pulled: access is denied",
    ),
    (
        FailedTask(
            "", "CannotPullContainerError: image Manifest does not contain descriptor matching platform 'x'"
        ),
        "The image was built for another processor architecture",
    ),
    (
        FailedTask("", "Essential container in task exited", "app", "exec format error", 255),
        "The image was built for another processor architecture",
    ),
    (
        FailedTask("", "ResourceInitializationError: unable to pull secrets or registry auth: x"),
        "A secret cannot be read at task start",
    ),
    (
        FailedTask(
            "ServiceSchedulerInitiated", "Task failed ELB health checks in (target-group x)", "app", "", 137
        ),
        "Tasks fail the load balancer's health checks",
    ),
    (FailedTask("", "something new"), ""),
]


@pytest.mark.parametrize(("task", "cause"), CAUSES, ids=[case[1] or "not known" for case in CAUSES])
def test_cause_of_a_failed_task(task: FailedTask, cause: str) -> None:
    assert cause_of(task) == cause


def test_the_common_cause_is_that_of_most_tasks() -> None:
    assert common_cause([CRASH, OOM, OOM]) == cause_of(OOM)
    assert common_cause([FailedTask()]) == ""
