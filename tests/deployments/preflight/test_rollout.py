"""What a rollout meets: alarms, the autoscaler, the circuit breaker, and how many tasks run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from deployments.plans import OK, WARN
from deployments.preflight import churn_of, gathering
from deployments.preflight.rollout import limit_of
from tests.deployments.preflight.world import check
from tests.deployments.rig import Rig


def with_alarms(rig: Rig, *names: str) -> None:
    alarms = {"alarmNames": list(names), "enable": True, "rollback": True}
    rig.service.facts["deploymentConfiguration"]["alarms"] = alarms


def test_alarms_that_are_missing_or_ring_are_warned_of(shop: Rig, client: Callable[[str], Any]) -> None:
    with_alarms(shop, "5xx")
    assert "does not exist" in check(shop, "deployment-alarms")[1]
    client("cloudwatch").put_metric_alarm(
        AlarmName="5xx",
        Namespace="AWS/ECS",
        MetricName="CPUUtilization",
        ComparisonOperator="GreaterThanThreshold",
        EvaluationPeriods=1,
        Period=60,
        Statistic="Average",
        Threshold=99,
    )
    gathering.answers.clear()
    assert check(shop, "deployment-alarms")[0] == OK
    client("cloudwatch").set_alarm_state(AlarmName="5xx", StateValue="ALARM", StateReason="test")
    gathering.answers.clear()
    level, text = check(shop, "deployment-alarms")
    assert (level, "ECS ignores it" in text) == (WARN, True)


def test_an_autoscaler_is_told_with_its_bounds(shop: Rig, client: Callable[[str], Any]) -> None:
    assert "Nobody else" in check(shop, "autoscaler")[1]
    names = {
        "ServiceNamespace": "ecs",
        "ResourceId": "service/prod/checkout-api",
        "ScalableDimension": "ecs:service:DesiredCount",
    }
    scaling = client("application-autoscaling")
    scaling.register_scalable_target(**names, MinCapacity=2, MaxCapacity=9)
    level, text = check(shop, "autoscaler")
    assert (level, "between 2 and 9 tasks" in text) == (OK, True)
    gathering.answers.clear()
    scaling.register_scalable_target(**names, SuspendedState={"DynamicScalingOutSuspended": True})
    assert check(shop, "autoscaler")[0] == WARN


@pytest.mark.parametrize(
    ("threshold", "desired", "limit"),
    [
        ({}, 2, 3),
        ({}, 40, 20),
        ({}, 1000, 200),
        ({"type": "COUNT", "value": 7}, 2, 7),
        ({"type": "UNBOUNDED_PERCENT", "value": 50}, 1000, 500),
        ({"type": "BOUNDED_PERCENT", "value": 10}, 100, 10),
    ],
)
def test_the_breaker_acts_after_as_many_tasks_as_ecs_says(
    threshold: dict[str, Any], desired: int, limit: int
) -> None:
    assert limit_of(threshold, desired) == limit


def test_a_rolling_one_moves_between_its_bounds(shop: Rig) -> None:
    shop.service.desired_count = shop.service.running_count = 4
    churn = churn_of(shop.service, {"minimumHealthyPercent": 50, "maximumPercent": 150})
    shown = {key: churn[key] for key in ("tasks_started", "tasks_stopped", "lowest", "peak", "extra")}
    assert shown == {"tasks_started": 4, "tasks_stopped": 4, "lowest": 2, "peak": 6, "extra": 2}
    assert not churn["can_deadlock"]


def test_blue_green_runs_everything_twice(shop: Rig) -> None:
    churn = churn_of(shop.service, {"strategy": "BLUE_GREEN"})
    assert (churn["peak"], churn["lowest"], churn["extra"]) == (4, 2, 2)


def test_rounding_deadlocks_a_single_task(shop: Rig) -> None:
    shop.service.desired_count = 1
    bounds = {"minimumHealthyPercent": 51, "maximumPercent": 149}
    assert churn_of(shop.service, bounds)["can_deadlock"]
    assert not churn_of(shop.service, {**bounds, "strategy": "CANARY"})["can_deadlock"]
