"""Why a rollout does not end, named from ECS's own words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deployments.stuck import scene_of, why_stuck

BEGAN = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
MINE = {
    "id": "ecs-svc/2",
    "status": "PRIMARY",
    "desiredCount": 2,
    "runningCount": 1,
    "pendingCount": 0,
    "failedTasks": 0,
    "createdAt": BEGAN,
}
OLD = {"id": "ecs-svc/1", "status": "ACTIVE", "runningCount": 2}


def reason(
    *events: str, mine: dict[str, Any] | None = None, entry: dict[str, Any] | None = None, old: bool = True
) -> str:
    service = {
        "deployments": [{**MINE, **(mine or {})}, *([OLD] if old else [])],
        "events": [
            {"message": event, "createdAt": BEGAN + timedelta(seconds=n)} for n, event in enumerate(events, 1)
        ],
    }
    return why_stuck(scene_of(service, entry, "ecs-svc/2", BEGAN)).id


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (
            "(service web) was unable to stop or start tasks during a deployment because of the service deployment"
            " configuration. Update the minimumHealthyPercent or maximumPercent value and try again.",
            "min_max_deadlock",
        ),
        (
            "(service web) was unable to place a task because no container instance met all of its requirements.",
            "placement",
        ),
        ("(service web) is unable to consistently start tasks successfully.", "cannot_start_tasks"),
        (
            "(service web) (task 1) (port 80) is unhealthy in (target-group arn) due to (reason [503])",
            "health_checks",
        ),
        (
            "(service web) was unable to reach steady state because (taskSet x) was unable to scale in due to"
            " (reason 1 tasks under protection)",
            "protected_tasks",
        ),
    ],
)
def test_event_names_the_reason_and_is_quoted(event: str, expected: str) -> None:
    assert reason(event) == expected
    service = {"deployments": [MINE], "events": [{"message": event, "createdAt": BEGAN}]}
    assert event in why_stuck(scene_of(service, None, "ecs-svc/2", BEGAN)).sentence


def test_events_from_before_the_rollout_explain_nothing() -> None:
    service = {
        "deployments": [MINE],
        "events": [
            {
                "message": "(service web) was unable to place a task.",
                "createdAt": BEGAN - timedelta(seconds=1),
            }
        ],
    }
    assert why_stuck(scene_of(service, None, "ecs-svc/2", BEGAN)).id == "unknown"


def test_facts_name_the_reason_where_no_event_does() -> None:
    assert reason(mine={"failedTasks": 3}) == "cannot_start_tasks"
    assert reason(mine={"runningCount": 2}) == "drain"
    assert reason(mine={"pendingCount": 1}) == "starting"
    assert reason(entry={"lifecycleStage": "BAKE_TIME"}, mine={"runningCount": 2}, old=False) == "bake_time"
    hooks = [{"status": "AWAITING_ACTION"}]
    assert reason(entry={"lifecycleHookDetails": hooks}, mine={"runningCount": 2}) == "paused_hook"
    assert reason() == "unknown"
