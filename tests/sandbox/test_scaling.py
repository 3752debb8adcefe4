from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.around.schedules import Schedule
from sandbox.ports import ApiError
from sandbox.scenarios.empty import ACCOUNT_ID
from sandbox.server import SandboxServer
from tests.sandbox.clients import client, code_of, control
from tests.sandbox.shop import Shop

PLACE = {"ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount"}


@pytest.fixture
def shop(sandbox: SandboxServer) -> Shop:
    return Shop(sandbox)


def scaling(shop: Shop) -> Any:
    return client(shop.server, "application-autoscaling")


def register(shop: Shop, name: str = "web", lowest: int = 2, highest: int = 10, **more: Any) -> str:
    resource = f"service/prod/{name}"
    scaling(shop).register_scalable_target(
        **PLACE, ResourceId=resource, MinCapacity=lowest, MaxCapacity=highest, **more
    )
    return resource


def track(shop: Shop, target: float, name: str = "web", **more: Any) -> dict[str, Any]:
    answer: dict[str, Any] = scaling(shop).put_scaling_policy(
        **PLACE,
        ResourceId=f"service/prod/{name}",
        PolicyName="cpu",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": target,
            "PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"},
            **more,
        },
    )
    return answer


def ask_for(shop: Shop, factor: float, name: str = "web") -> None:
    """Let a service be asked that many times as much as usual."""
    place = {"account": ACCOUNT_ID, "region": "us-east-1", "cluster": "prod", "service": name}
    assert control(shop.server, "POST", "load", {**place, "factor": factor})[0] == 200


def activities(shop: Shop) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = scaling(shop).describe_scaling_activities(ServiceNamespace="ecs")[
        "ScalingActivities"
    ]
    return found


def desired(shop: Shop, name: str = "web") -> int:
    return int(shop.service(name)["desiredCount"])


def test_target_tracking_follows_the_load_up_and_down(shop: Shop) -> None:
    shop.steady("web", 2)
    register(shop)
    alarms = [item["AlarmName"] for item in track(shop, 60.0, ScaleInCooldown=60)["Alarms"]]
    assert alarms[0].startswith("TargetTracking-service/prod/web-AlarmHigh-")
    assert alarms[1].startswith("TargetTracking-service/prod/web-AlarmLow-")
    shop.advance(120)
    assert desired(shop) == 2
    ask_for(shop, 8)
    shop.advance(15 * 60)
    grown = desired(shop)
    assert grown > 3
    newest = activities(shop)[0]
    assert newest["Description"] == f"Setting desired count to {grown}."
    assert newest["Cause"] == f"monitor alarm {alarms[0]} in state ALARM triggered policy cpu"
    assert newest["StatusCode"] == "Successful"
    assert newest["StatusMessage"] == (
        f"Successfully set desired count to {grown}. Change successfully fulfilled by ecs."
    )
    ask_for(shop, 0.5)
    shop.advance(45 * 60)
    assert desired(shop) == 2
    assert alarms[1] in activities(shop)[0]["Cause"]


def test_suspended_scaling_does_nothing_until_it_is_resumed(shop: Shop) -> None:
    shop.steady("web", 2)
    switches = {"DynamicScalingOutSuspended": True, "DynamicScalingInSuspended": True}
    resource = register(shop, SuspendedState=switches)
    track(shop, 60.0)
    ask_for(shop, 8)
    shop.advance(15 * 60)
    assert (desired(shop), activities(shop)) == (2, [])
    scaling(shop).register_scalable_target(
        **PLACE, ResourceId=resource, SuspendedState={"DynamicScalingOutSuspended": False}
    )
    found = scaling(shop).describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"][0]
    assert found["SuspendedState"] == {
        "DynamicScalingOutSuspended": False,
        "DynamicScalingInSuspended": True,
        "ScheduledScalingSuspended": False,
    }
    assert (found["MinCapacity"], found["MaxCapacity"]) == (2, 10)
    shop.advance(5 * 60)
    assert desired(shop) > 2


def test_a_count_outside_the_limits_is_brought_back(shop: Shop) -> None:
    shop.steady("web", 2)
    register(shop, lowest=2, highest=4)
    shop.ecs.update_service(cluster="prod", service="web", desiredCount=0)
    shop.advance(70)
    assert desired(shop) == 2
    assert activities(shop)[0]["Cause"] == "minimum capacity was set to 2"


def test_step_scaling_takes_the_step_for_the_distance(shop: Shop) -> None:
    shop.steady("web", 2)
    resource = register(shop)
    policy = scaling(shop).put_scaling_policy(
        **PLACE,
        ResourceId=resource,
        PolicyName="orders",
        PolicyType="StepScaling",
        StepScalingPolicyConfiguration={
            "AdjustmentType": "ChangeInCapacity",
            "Cooldown": 600,
            "StepAdjustments": [
                {"MetricIntervalLowerBound": 0.0, "MetricIntervalUpperBound": 10.0, "ScalingAdjustment": 1},
                {"MetricIntervalLowerBound": 10.0, "ScalingAdjustment": 3},
            ],
        },
    )["PolicyARN"]
    cloudwatch = client(shop.server, "cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName="queue-long",
        Namespace="Shop",
        MetricName="Waiting",
        Statistic="Maximum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=100.0,
        ComparisonOperator="GreaterThanThreshold",
        AlarmActions=[policy],
    )
    for _ in range(3):
        cloudwatch.put_metric_data(
            Namespace="Shop",
            MetricData=[{"MetricName": "Waiting", "Value": 115.0, "Timestamp": shop.server.world.now}],
        )
        shop.advance(60)
    assert desired(shop) == 5
    described = scaling(shop).describe_scaling_policies(ServiceNamespace="ecs")["ScalingPolicies"][0]
    assert [item["AlarmName"] for item in described["Alarms"]] == ["queue-long"]


def test_scheduled_actions_move_the_limits_when_they_are_due(shop: Shop) -> None:
    shop.steady("web", 2)
    resource = register(shop)
    due = shop.server.world.now + timedelta(minutes=10)
    scaling(shop).put_scheduled_action(
        **PLACE,
        ResourceId=resource,
        ScheduledActionName="sale",
        Schedule=f"at({due:%Y-%m-%dT%H:%M:%S})",
        ScalableTargetAction={"MinCapacity": 6, "MaxCapacity": 12},
    )
    listed = scaling(shop).describe_scheduled_actions(ServiceNamespace="ecs")["ScheduledActions"]
    assert [item["ScheduledActionName"] for item in listed] == ["sale"]
    shop.advance(5 * 60)
    assert desired(shop) == 2
    shop.advance(7 * 60)
    assert desired(shop) == 6
    assert activities(shop)[1]["Cause"] == "scheduled action name sale was triggered"
    assert activities(shop)[1]["Description"] == "Setting min capacity to 6 and max capacity to 12"
    assert scaling(shop).describe_scheduled_actions(ServiceNamespace="ecs")["ScheduledActions"] == []


def test_nothing_is_scaled_in_while_a_deployment_runs(shop: Shop) -> None:
    shop.steady("web", 4)
    register(shop)
    ask_for(shop, 0.05)
    track(shop, 60.0, ScaleInCooldown=0)
    shop.ecs.update_service(
        cluster="prod", service="web", taskDefinition=shop.define("web", "v2-slow-unhealthy")
    )
    entry = shop.server.world.region(ACCOUNT_ID, "us-east-1").clusters["prod"].services["web"]
    for _ in range(20):
        shop.advance(60)
        if entry.current and entry.current.in_flight:
            assert desired(shop) == 4
    shop.advance(3600)
    assert desired(shop) == 2


def test_policies_come_ten_a_page_at_most(shop: Shop) -> None:
    for number in range(12):
        shop.serve(f"web-{number}", 0)
        register(shop, f"web-{number}", lowest=0)
        track(shop, 50.0, f"web-{number}")
    first = scaling(shop).describe_scaling_policies(ServiceNamespace="ecs")
    assert len(first["ScalingPolicies"]) == 10
    rest = scaling(shop).describe_scaling_policies(ServiceNamespace="ecs", NextToken=first["NextToken"])
    assert len(rest["ScalingPolicies"]) == 2
    for wrong, code in (
        ({"MaxResults": 11}, "ValidationException"),
        ({"NextToken": "made-up"}, "InvalidNextTokenException"),
    ):
        with pytest.raises(ClientError) as caught:
            scaling(shop).describe_scaling_policies(ServiceNamespace="ecs", **wrong)
        assert code_of(caught) == code


def test_deregistering_takes_policies_and_alarms_along(shop: Shop) -> None:
    shop.steady("web", 2)
    resource = register(shop)
    track(shop, 60.0)
    scaling(shop).deregister_scalable_target(**PLACE, ResourceId=resource)
    assert scaling(shop).describe_scaling_policies(ServiceNamespace="ecs")["ScalingPolicies"] == []
    assert client(shop.server, "cloudwatch").describe_alarms()["MetricAlarms"] == []
    with pytest.raises(ClientError) as caught:
        track(shop, 60.0)
    assert code_of(caught) == "ObjectNotFoundException"


def test_only_services_that_exist_with_sensible_limits_are_registered(shop: Shop) -> None:
    with pytest.raises(ClientError) as missing:
        register(shop, "none")
    assert "ECS service doesn't exist: service/prod/none" in str(missing.value)
    shop.serve("web", 1)
    with pytest.raises(ClientError) as wrong:
        register(shop, lowest=5, highest=2)
    assert code_of(wrong) == "ValidationException"


@pytest.mark.parametrize(
    ("expression", "zone", "at"),
    [
        ("cron(30 7 * * ? *)", "UTC", (2026, 11, 24, 7, 30)),
        ("cron(0 8 ? * MON-FRI *)", "Europe/Berlin", (2026, 11, 24, 7, 0)),
        ("cron(*/15 * * NOV ? *)", None, (2026, 11, 24, 7, 45)),
    ],
)
def test_cron_is_due_in_its_minute_and_zone(expression: str, zone: str | None, at: tuple[int, ...]) -> None:
    schedule = Schedule(expression, zone)
    moment = datetime(*at, tzinfo=UTC)  # type: ignore[misc,arg-type]
    long_ago = moment - timedelta(days=3)
    assert schedule.is_due(long_ago, moment)
    assert not schedule.is_due(long_ago, moment + timedelta(minutes=1))


def test_rates_come_due_again() -> None:
    schedule, now = Schedule("rate(2 hours)"), datetime(2026, 11, 24, 7, 0, tzinfo=UTC)
    assert not schedule.is_due(now, now + timedelta(minutes=119))
    assert schedule.is_due(now, now + timedelta(minutes=120))


@pytest.mark.parametrize("wrong", ["cron(1 2 3)", "cron(61 * * * ? *)", "every(5)", "cron(x * * * ? *)"])
def test_other_schedules_are_refused(wrong: str) -> None:
    with pytest.raises(ApiError):
        Schedule(wrong)
