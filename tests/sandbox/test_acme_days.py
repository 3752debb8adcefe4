from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from sandbox.scenarios.acme_catalog import PRODUCTION
from sandbox.scenarios.acme_days import TRACKED
from sandbox.server import SandboxServer

CART = [{"Name": "ClusterName", "Value": "prod-core"}, {"Name": "ServiceName", "Value": "cart-api"}]


def cloudwatch(acme: SandboxServer, account_id: str = PRODUCTION) -> Any:
    return acme.client("cloudwatch", account_id=account_id)


def hours(
    acme: SandboxServer, namespace: str, metric: str, dimensions: list[dict[str, str]] = CART
) -> list[tuple[datetime, float]]:
    now = acme.world.now
    points = cloudwatch(acme).get_metric_statistics(
        Namespace=namespace,
        MetricName=metric,
        Dimensions=dimensions,
        StartTime=now - timedelta(days=14),
        EndTime=now,
        Period=3600,
        Statistics=["Average"],
    )["Datapoints"]
    return sorted((item["Timestamp"], item["Average"]) for item in points)


def activities(acme: SandboxServer, name: str) -> list[dict[str, Any]]:
    client = acme.client("application-autoscaling", account_id=PRODUCTION)
    pages = client.get_paginator("describe_scaling_activities").paginate(
        ServiceNamespace="ecs", ResourceId=f"service/prod-core/{name}"
    )
    return [item for page in pages for item in page["ScalingActivities"]]


def test_a_scaled_service_has_two_weeks_in_which_its_count_follows_the_day(acme: SandboxServer) -> None:
    cpu = hours(acme, "AWS/ECS", "CPUUtilization")
    tasks = [value for _, value in hours(acme, "ECS/ContainerInsights", "RunningTaskCount")]
    assert len(cpu) >= 14 * 24 - 1
    assert all(35 < value < 65 for _, value in cpu)
    assert max(tasks) > 1.5 * min(tasks)


def test_an_unscaled_service_works_harder_in_the_afternoon_instead(acme: SandboxServer) -> None:
    dimensions = [CART[0], {"Name": "ServiceName", "Value": "identity-api"}]
    cpu = [value for _, value in hours(acme, "AWS/ECS", "CPUUtilization", dimensions)]
    tasks = {value for _, value in hours(acme, "ECS/ContainerInsights", "RunningTaskCount", dimensions)}
    assert tasks == {9.0}
    assert max(cpu) > 1.5 * min(cpu)


def test_every_activity_of_the_past_shows_in_the_number_of_tasks(acme: SandboxServer) -> None:
    found = activities(acme, "cart-api")
    assert len(found) > 100
    checked = 0
    for newer, item in itertools.pairwise(found):
        at = item["EndTime"] + timedelta(minutes=2)
        if newer["StartTime"] - at < timedelta(minutes=10):
            continue
        answer = cloudwatch(acme).get_metric_statistics(
            Namespace="ECS/ContainerInsights",
            MetricName="RunningTaskCount",
            Dimensions=CART,
            StartTime=at,
            EndTime=at + timedelta(minutes=1),
            Period=60,
            Statistics=["Average"],
        )
        wanted = int(item["Description"].removeprefix("Setting desired count to ").rstrip("."))
        assert answer["Datapoints"][0]["Average"] == wanted
        checked += 1
        if checked == 25:
            break
    assert checked == 25


@pytest.mark.parametrize("tracked", [item for item in TRACKED if item.cluster == "prod-core"])
def test_the_newest_activity_led_to_what_runs_now(acme: SandboxServer, tracked: Any) -> None:
    ecs = acme.client("ecs", account_id=PRODUCTION)
    service = ecs.describe_services(cluster="prod-core", services=[tracked.service])["services"][0]
    newest = activities(acme, tracked.service)[0]
    assert newest["Description"] == f"Setting desired count to {service['desiredCount']}."
    assert newest["StatusCode"] == "Successful"
    assert "triggered policy cpu-target" in newest["Cause"]
    assert newest["StartTime"] < acme.world.now


@pytest.fixture
def afternoon() -> Iterator[SandboxServer]:
    """Acme at an hour by which it has grown with its day; at night it has only shrunk."""
    start = datetime.fromisoformat("2026-11-24T15:00:00+00:00")
    with SandboxServer("acme", manual=True, throttle=False, start=start) as server:
        yield server


def test_the_tasks_of_a_scaled_service_came_with_its_growth_and_its_events_say_so(
    afternoon: SandboxServer,
) -> None:
    ecs = afternoon.client("ecs", account_id=PRODUCTION)
    arns = ecs.list_tasks(cluster="prod-core", serviceName="cart-api")["taskArns"]
    tasks = ecs.describe_tasks(cluster="prod-core", tasks=arns)["tasks"]
    assert len({item["startedAt"] for item in tasks}) > 2
    newest = max(tasks, key=lambda item: item["startedAt"])
    service = ecs.describe_services(cluster="prod-core", services=["cart-api"])["services"][0]
    messages = [event["message"] for event in service["events"]]
    assert any(newest["taskArn"].rsplit("/", 1)[-1] in message for message in messages)
    times = [event["createdAt"] for event in service["events"]]
    assert times == sorted(times, reverse=True)


def test_alarms_watch_and_the_crash_loop_has_set_one_off(acme: SandboxServer) -> None:
    found = {
        item["AlarmName"]: item for item in cloudwatch(acme).describe_alarms(MaxRecords=100)["MetricAlarms"]
    }
    assert found["prod-batch-invoice-renderer-too-few-tasks"]["StateValue"] == "ALARM"
    assert found["prod-core-cart-api-5xx"]["StateValue"] == "OK"
    assert any(name.startswith("TargetTracking-service/prod-core/cart-api-AlarmHigh-") for name in found)
    history = cloudwatch(acme).describe_alarm_history(HistoryItemType="StateUpdate")["AlarmHistoryItems"]
    assert any(item["HistorySummary"] == "Alarm updated from OK to ALARM" for item in history)


def test_the_newsletter_is_scheduled(acme: SandboxServer) -> None:
    client = acme.client("application-autoscaling", account_id=PRODUCTION)
    actions = client.describe_scheduled_actions(ServiceNamespace="ecs")["ScheduledActions"]
    assert {item["Schedule"] for item in actions} == {"cron(0 9 ? * TUE *)", "cron(0 12 ? * TUE *)"}


def test_the_same_seed_and_start_have_the_same_two_weeks() -> None:
    start = datetime.fromisoformat("2026-11-24T10:00:00+00:00")
    told = []
    for _ in range(2):
        with SandboxServer("acme", manual=True, throttle=False, start=start) as server:
            told.append((hours(server, "AWS/ECS", "CPUUtilization"), activities(server, "cart-api")))
    assert told[0] == told[1]
