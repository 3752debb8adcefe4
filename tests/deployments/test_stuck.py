"""Why a rollout does not end, named from ECS's own words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deployments.stuck import scene_of, why_stuck
from tests.deployments.rig import Rig
from tests.deployments.staged import BALANCER

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
PLAIN_BALANCER = {key: value for key, value in BALANCER.items() if key != "advancedConfiguration"}
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
            "(service web) was unable to place a task. Reason: memberOf constraint unsatisfied.",
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


@pytest.mark.parametrize(
    ("stage", "expected"),
    [("PRODUCTION_TRAFFIC_SHIFT", "stage"), ("BAKE_TIME", "bake_time"), ("CLEAN_UP", "drain")],
)
def test_old_tasks_that_are_kept_as_the_way_back_are_no_drain(stage: str, expected: str) -> None:
    entry = {"deploymentConfiguration": {"strategy": "CANARY"}, "lifecycleStage": stage}
    assert reason(entry=entry, mine={"runningCount": 2}) == expected


def test_bake_time_of_a_real_rollout_is_named(dev_rig: Rig) -> None:
    dev_rig.call("UpdateService", cluster="prod", service="checkout-api", loadBalancers=[BALANCER])
    dev_rig.world.advance(240)
    configuration = {"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 20}
    dev_rig.call(
        "UpdateService", cluster="prod", service="checkout-api", deploymentConfiguration=configuration
    )
    dev_rig.sync()
    change = dev_rig.wake(dev_rig.deploy("v2"))
    said = set()
    for _ in range(12):
        change = dev_rig.pass_time(change, 30, step=30)
        said.add(change.progress["rollout"]["waiting_for"]["id"])
    assert change.progress["rollout"]["waiting_for"]["id"] == "bake_time", said
    assert "drain" not in said


@pytest.mark.parametrize(
    "event",
    [
        "(service web) was unable to place a task. Reason: Capacity is unavailable at this time. Please try again.",
        "(service web) was unable to place a task. Reason: You've reached the limit on the number of tasks you can run.",
        "(service web) was unable to place a task because no container instance met all of its requirements.",
        "(service web) was unable to place a task. Reason: RESOURCE:ENI.",
    ],
)
def test_no_room_is_told_from_other_placement(event: str) -> None:
    assert reason(event) == "capacity"


@pytest.mark.parametrize(
    "words", ["Capacity is unavailable at this time.", "memberOf constraint unsatisfied."]
)
def test_want_of_a_place_is_over_once_all_tasks_have_one(words: str) -> None:
    event = f"(service web) was unable to place a task. Reason: {words}"
    assert reason(event) in ("capacity", "placement")
    assert reason(event, mine={"pendingCount": 1}) == "starting"
    assert reason(event, mine={"runningCount": 2}) == "drain"


def test_alarm_that_went_off_is_named() -> None:
    entry = {"alarms": {"status": "TRIGGERED", "triggeredAlarmNames": ["web-5xx"]}}
    service = {"deployments": [MINE], "events": []}
    found = why_stuck(scene_of(service, entry, "ecs-svc/2", BEGAN))
    assert (found.id, found.sentence) == ("alarms", "An alarm of the deployment went off: web-5xx.")


@pytest.mark.parametrize(
    ("delay", "seconds", "said"),
    [
        (None, 100, "drain their connections."),
        (300, 100, "The deregistration delay is 300 s; about 200 s are left."),
        (300, 400, "The deregistration delay is 300 s, and is over."),
    ],
)
def test_draining_says_how_long_it_still_takes(delay: int | None, seconds: int, said: str) -> None:
    event = "(service web, taskSet ecs-svc/1) has begun draining connections on 2 tasks."
    service = {
        "deployments": [{**MINE, "runningCount": 2}, OLD],
        "events": [{"message": event, "createdAt": BEGAN}],
    }
    now = BEGAN + timedelta(seconds=seconds)
    found = why_stuck(scene_of(service, None, "ecs-svc/2", BEGAN, drain_delay=delay, now=now))
    assert found.id == "drain"
    assert found.sentence.endswith(said)


def test_draining_of_a_real_rollout_names_its_delay(dev_rig: Rig) -> None:
    dev_rig.call("UpdateService", cluster="prod", service="checkout-api", loadBalancers=[PLAIN_BALANCER])
    dev_rig.world.advance(600)
    dev_rig.sync()
    change = dev_rig.wake(dev_rig.deploy("v2"))
    for _ in range(60):
        change = dev_rig.pass_time(change, 10, step=10)
        waiting = (change.progress.get("rollout") or {}).get("waiting_for") or {}
        if "about" in waiting.get("sentence", ""):
            break
    assert waiting["id"] == "drain", waiting
    assert "The deregistration delay is 300 s; about " in waiting["sentence"]


def test_missing_capacity_of_a_real_rollout_is_named(dev_rig: Rig) -> None:
    dev_rig.world.capacity_shortage.add(("123456789012", "us-east-1"))
    change = dev_rig.wake(dev_rig.deploy("v2"))
    change = dev_rig.pass_time(change, 120, step=10)
    waiting = change.progress["rollout"]["waiting_for"]
    assert waiting["id"] == "capacity", waiting
    assert "Capacity is unavailable" in waiting["sentence"]
