"""What counts as success, and what never does, for every word that ECS may say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from deployments.observe import Sight, judge
from deployments.states import State

OURS, BEFORE, OTHER = "ecs-svc/2", "ecs-svc/1", "ecs-svc/3"
NEW, OLD = "task-definition/web:2", "task-definition/web:1"


def deployment(identity: str, definition: str, status: str = "PRIMARY", **more: Any) -> dict[str, Any]:
    return {
        "id": identity,
        "taskDefinition": definition,
        "status": status,
        "rolloutState": "COMPLETED",
        **more,
    }


def sight(
    *deployments: dict[str, Any],
    was_primary: bool = True,
    keeps_history: bool = False,
    raced: bool = False,
    **entry: Any,
) -> Sight:
    return Sight(
        service={"deployments": list(deployments), "desiredCount": 2, "runningCount": 2},
        entry=entry,
        deployment_id=OURS,
        definition=NEW,
        previous_id=BEFORE,
        was_primary=was_primary,
        keeps_history=keeps_history,
        raced=raced,
    )


def outcome(seen: Sight) -> State | None:
    verdict = judge(seen)
    return verdict.to if verdict else None


def test_success_needs_all_three() -> None:
    assert outcome(sight(deployment(OURS, NEW), status="SUCCESSFUL")) == State.SUCCEEDED


@pytest.mark.parametrize(
    ("primary", "expected"),
    [
        (deployment(OURS, OLD), None),
        (deployment(OURS, NEW, rolloutState="IN_PROGRESS"), None),
        (deployment(OTHER, NEW), State.FAILED),
        (deployment(BEFORE, OLD), State.FAILED),
    ],
)
def test_successful_alone_is_no_success(primary: dict[str, Any], expected: State | None) -> None:
    assert outcome(sight(primary, status="SUCCESSFUL")) == expected


def test_read_that_is_older_than_the_call_decides_nothing() -> None:
    seen = sight(deployment(BEFORE, OLD), was_primary=False, status="SUCCESSFUL")
    assert outcome(seen) is None
    assert outcome(sight(deployment(BEFORE, OLD), was_primary=False)) is None


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("PENDING", None),
        ("IN_PROGRESS", None),
        ("STOP_REQUESTED", None),
        ("ROLLBACK_REQUESTED", State.ROLLING_BACK),
        ("ROLLBACK_IN_PROGRESS", State.ROLLING_BACK),
        ("ROLLBACK_SUCCESSFUL", State.ROLLED_BACK),
        ("ROLLBACK_FAILED", State.FAILED),
        ("STOPPED", State.FAILED),
        ("SOMETHING_NEW", None),
    ],
)
@pytest.mark.parametrize("primary", [deployment(OURS, NEW), deployment(BEFORE, OLD)])
def test_each_status_of_a_service_deployment(
    status: str, expected: State | None, primary: dict[str, Any]
) -> None:
    assert outcome(sight(primary, status=status)) == expected


def test_completed_rollout_waits_for_its_service_deployment_where_ecs_keeps_them() -> None:
    assert outcome(sight(deployment(OURS, NEW), keeps_history=True)) is None


def test_race_with_somebody_else_is_told() -> None:
    verdict = judge(sight(deployment(OURS, NEW), raced=True, status="SUCCESSFUL"))
    assert verdict is not None
    assert verdict.to == State.SUCCEEDED
    assert "something else changed the service just before" in verdict.note


def test_ecs_is_quoted() -> None:
    seen = sight(
        deployment(BEFORE, OLD),
        deployment(OURS, NEW, "ACTIVE", rolloutState="FAILED", rolloutStateReason="tasks failed to start."),
        status="ROLLBACK_SUCCESSFUL",
        statusReason="threshold was exceeded.",
    )
    verdict = judge(seen)
    assert verdict is not None
    assert "“threshold was exceeded.” “tasks failed to start.”" in verdict.note
    assert "PRIMARY runs web:1." in verdict.note


@pytest.mark.parametrize(
    ("deployments", "expected"),
    [
        ([deployment(OURS, NEW)], State.SUCCEEDED),
        ([deployment(OURS, NEW, rolloutState=None)], State.SUCCEEDED),
        ([deployment(OURS, NEW, rolloutState="IN_PROGRESS")], None),
        ([deployment(OURS, NEW), deployment(BEFORE, OLD, "ACTIVE")], None),
        ([deployment(OURS, NEW, rolloutState="FAILED")], State.FAILED),
        ([deployment(BEFORE, OLD), deployment(OURS, NEW, "ACTIVE")], State.ROLLING_BACK),
        ([deployment(BEFORE, OLD)], State.ROLLED_BACK),
        ([deployment(OTHER, "task-definition/web:3")], State.FAILED),
        ([], State.FAILED),
    ],
)
def test_without_a_service_deployment_the_deployments_decide(
    deployments: list[dict[str, Any]], expected: State | None
) -> None:
    assert outcome(sight(*deployments)) == expected


@pytest.mark.parametrize("status", ["DRAINING", "INACTIVE"])
@pytest.mark.parametrize(
    ("deployments", "entry"),
    [
        ([deployment(OURS, NEW, rolloutState=None)], {}),
        ([], {}),
        ([], {"status": "SUCCESSFUL"}),
    ],
)
def test_deleted_service_is_said_to_be_deleted_and_not_replaced(
    status: str, deployments: list[dict[str, Any]], entry: dict[str, Any]
) -> None:
    seen = sight(*deployments, **entry)
    gone = {**seen.service, "status": status, "desiredCount": 0, "runningCount": 0}
    verdict = judge(replace(seen, service=gone))
    assert verdict is not None
    assert verdict.to == State.FAILED
    assert f"Somebody deleted the service: it is {status}." in verdict.note
