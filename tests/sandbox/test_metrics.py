from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.around.expressions import evaluate
from sandbox.ports import ApiError
from sandbox.server import SandboxServer
from tests.sandbox.clients import client, code_of
from tests.sandbox.shop import Shop


@pytest.fixture
def shop(sandbox: SandboxServer) -> Shop:
    return Shop(sandbox)


def dimensions(name: str) -> list[dict[str, str]]:
    return [{"Name": "ClusterName", "Value": "prod"}, {"Name": "ServiceName", "Value": name}]


def query(
    name: str, metric: str, stat: str = "Average", *, ident: str = "m", period: int = 60
) -> dict[str, Any]:
    return {
        "Id": ident,
        "MetricStat": {
            "Metric": {"Namespace": "AWS/ECS", "MetricName": metric, "Dimensions": dimensions(name)},
            "Period": period,
            "Stat": stat,
        },
    }


def read(shop: Shop, *queries: dict[str, Any], minutes: int = 30, **more: Any) -> dict[str, list[float]]:
    now = shop.server.world.now
    answer = client(shop.server, "cloudwatch").get_metric_data(
        MetricDataQueries=list(queries),
        StartTime=now - timedelta(minutes=minutes),
        EndTime=now,
        ScanBy="TimestampAscending",
        **more,
    )
    return {item["Id"]: item["Values"] for item in answer["MetricDataResults"]}


def balancer_metric(group: str, name: str, stat: str) -> dict[str, Any]:
    suffix = group.rsplit(":", 1)[-1]
    return {
        "Id": name.lower(),
        "MetricStat": {
            "Metric": {
                "Namespace": "AWS/ApplicationELB",
                "MetricName": name,
                "Dimensions": [{"Name": "TargetGroup", "Value": suffix}],
            },
            "Period": 60,
            "Stat": stat,
        },
    }


def test_a_running_service_has_a_point_for_every_minute_that_is_over(shop: Shop) -> None:
    shop.steady("web", 3)
    shop.advance(20 * 60)
    found = read(shop, query("web", "CPUUtilization"), query("web", "MemoryUtilization", ident="n"))
    assert 20 <= len(found["m"]) <= 24
    assert len(found["n"]) == len(found["m"])
    assert all(0 < value < 100 for value in found["m"] + found["n"])
    assert len(set(found["m"])) > 10


def test_the_same_question_has_the_same_answer_and_a_new_one_only_adds(shop: Shop) -> None:
    shop.steady("web", 3)
    shop.advance(600)
    now, cloudwatch = shop.server.world.now, client(shop.server, "cloudwatch")

    def ask() -> dict[datetime, float]:
        answer = cloudwatch.get_metric_data(
            MetricDataQueries=[query("web", "CPUUtilization")],
            StartTime=now - timedelta(hours=1),
            EndTime=now,
        )
        one = answer["MetricDataResults"][0]
        return dict(zip(one["Timestamps"], one["Values"], strict=True))

    before = ask()
    assert before == ask()
    shop.advance(600)
    after = ask()
    assert before.items() <= after.items()


def test_fewer_tasks_work_harder(shop: Shop) -> None:
    shop.steady("web", 8)
    shop.advance(600)
    before = read(shop, query("web", "CPUUtilization"))["m"][-1]
    shop.ecs.update_service(cluster="prod", service="web", desiredCount=4)
    shop.advance(600)
    after = read(shop, query("web", "CPUUtilization"))["m"][-1]
    assert 1.6 < after / before < 2.4


def test_nothing_runs_so_nothing_is_measured(shop: Shop) -> None:
    shop.serve("web", 0)
    shop.advance(600)
    assert read(shop, query("web", "CPUUtilization"))["m"] == []


def test_a_leaking_task_fills_its_memory_until_it_is_killed(shop: Shop) -> None:
    shop.serve("web", 1, tag="v2-leak")
    shop.until(
        lambda: any("exitCode" in item for task in stopped(shop) for item in task["containers"]), step=30
    )
    shop.advance(120)
    task = stopped(shop)[0]
    assert task["containers"][0]["exitCode"] == 137
    lived = int((task["stoppingAt"] - task["startedAt"]).total_seconds() // 60)
    cloudwatch = client(shop.server, "cloudwatch")
    answer = cloudwatch.get_metric_statistics(
        Namespace="AWS/ECS",
        MetricName="MemoryUtilization",
        Dimensions=dimensions("web"),
        StartTime=task["startedAt"],
        EndTime=task["stoppingAt"] + timedelta(minutes=1),
        Period=60,
        Statistics=["Maximum"],
    )
    points = sorted(answer["Datapoints"], key=lambda item: item["Timestamp"])
    climb = [item["Maximum"] for item in points][:lived]
    assert climb == sorted(climb)
    assert climb[0] < 50
    assert max(item["Maximum"] for item in points) == 100


def stopped(shop: Shop) -> list[dict[str, Any]]:
    arns = shop.ecs.list_tasks(cluster="prod", desiredStatus="STOPPED")["taskArns"]
    if not arns:
        return []
    found: list[dict[str, Any]] = shop.ecs.describe_tasks(cluster="prod", tasks=arns)["tasks"]
    return [item for item in found if item["lastStatus"] == "STOPPED"]


def test_the_memory_of_a_task_that_is_forgotten_stays_in_the_metrics(shop: Shop) -> None:
    shop.serve("web", 1, tag="v2-leak")
    shop.until(lambda: bool(stopped(shop)), step=60)
    before = read(shop, query("web", "MemoryUtilization", "Maximum"), minutes=60)["m"][:10]
    shop.advance(2 * 3600)
    after = read(shop, query("web", "MemoryUtilization", "Maximum"), minutes=240)["m"]
    assert after[: len(before)] == before


def test_a_service_behind_a_target_group_has_requests_and_healthy_hosts(shop: Shop) -> None:
    group = shop.target_group()
    shop.steady("web", 3, target_group=group)
    shop.advance(600)
    found = read(
        shop,
        balancer_metric(group, "RequestCount", "Sum"),
        balancer_metric(group, "TargetResponseTime", "p99"),
        balancer_metric(group, "HealthyHostCount", "Average"),
        balancer_metric(group, "UnHealthyHostCount", "Average"),
        minutes=5,
    )
    assert all(value > 100 for value in found["requestcount"])
    assert all(0 < value < 3 for value in found["targetresponsetime"])
    assert found["healthyhostcount"] == [3] * len(found["requestcount"])
    assert set(found["unhealthyhostcount"]) == {0}


def test_a_release_that_crashes_makes_errors(shop: Shop) -> None:
    group = shop.target_group()
    shop.steady("web", 3, target_group=group)
    shop.advance(600)
    quiet = sum(
        read(shop, balancer_metric(group, "HTTPCode_Target_5XX_Count", "Sum"), minutes=8).popitem()[1]
    )
    shop.ecs.update_service(cluster="prod", service="web", taskDefinition=shop.define("web", "v2-crash"))
    shop.advance(480)
    loud = sum(read(shop, balancer_metric(group, "HTTPCode_Target_5XX_Count", "Sum"), minutes=8).popitem()[1])
    assert loud > 10 * max(1, quiet)


def test_container_insights_count_tasks_where_they_are_on(shop: Shop) -> None:
    shop.steady("web", 2)
    shop.advance(300)
    asked = query("web", "RunningTaskCount")
    asked["MetricStat"]["Metric"]["Namespace"] = "ECS/ContainerInsights"
    assert read(shop, asked)["m"] == []
    shop.ecs.update_cluster_settings(
        cluster="prod", settings=[{"name": "containerInsights", "value": "enabled"}]
    )
    assert read(shop, asked, minutes=3)["m"] == [2, 2, 2]


def test_expressions_join_metrics(shop: Shop) -> None:
    shop.steady("web", 2)
    shop.steady("api", 2)
    shop.advance(300)
    found = read(
        shop,
        query("web", "CPUUtilization", ident="a") | {"ReturnData": False},
        query("api", "CPUUtilization", ident="b"),
        {"Id": "mean", "Expression": "(a + b) / 2"},
        {"Id": "all", "Expression": "SUM(METRICS())"},
        minutes=3,
    )
    assert set(found) == {"b", "mean", "all"}
    assert found["all"] == pytest.approx([2 * value for value in found["mean"]])


@pytest.mark.parametrize("expression", ["a ++", "RATE(a)", "__import__('os')", "a.real", "[a]"])
def test_other_expressions_are_refused(expression: str) -> None:
    with pytest.raises(ApiError, match="not supported"):
        evaluate(expression, {"a": {1: 2.0}}, [], [1])


def test_data_comes_in_pages_of_the_size_asked_for(shop: Shop) -> None:
    shop.steady("web", 2)
    shop.advance(600)
    now, cloudwatch = shop.server.world.now, client(shop.server, "cloudwatch")
    asked: dict[str, Any] = {
        "MetricDataQueries": [query("web", "CPUUtilization")],
        "StartTime": now - timedelta(minutes=10),
        "EndTime": now,
        "MaxDatapoints": 4,
    }
    pages = list(cloudwatch.get_paginator("get_metric_data").paginate(**asked))
    sizes = [len(page["MetricDataResults"][0]["Values"]) for page in pages]
    assert sizes[:-1] == [4] * (len(sizes) - 1)
    assert 9 <= sum(sizes) <= 11
    assert pages[0]["MetricDataResults"][0]["StatusCode"] == "PartialData"
    assert pages[-1]["MetricDataResults"][0]["StatusCode"] == "Complete"
    with pytest.raises(ClientError) as caught:
        cloudwatch.get_metric_data(**asked, NextToken="made-up")
    assert code_of(caught) == "InvalidNextToken"


def test_too_many_points_at_once_are_refused(shop: Shop) -> None:
    now = shop.server.world.now
    with pytest.raises(ClientError) as caught:
        client(shop.server, "cloudwatch").get_metric_statistics(
            Namespace="AWS/ECS",
            MetricName="CPUUtilization",
            Dimensions=dimensions("web"),
            StartTime=now - timedelta(days=2),
            EndTime=now,
            Period=60,
            Statistics=["Average"],
        )
    assert code_of(caught) == "InvalidParameterCombination"
    assert "2,880 datapoints" in str(caught.value)


def test_metrics_are_listed_and_clients_add_their_own(shop: Shop) -> None:
    shop.steady("web", 1)
    cloudwatch = client(shop.server, "cloudwatch")
    listed = cloudwatch.list_metrics(Namespace="AWS/ECS")["Metrics"]
    assert {item["MetricName"] for item in listed} == {"CPUUtilization", "MemoryUtilization"}
    assert listed[0]["Dimensions"] == dimensions("web")
    cloudwatch.put_metric_data(
        Namespace="Shop", MetricData=[{"MetricName": "OrdersFailed", "Values": [3.0, 5.0], "Unit": "Count"}]
    )
    shop.advance(60)
    now = shop.server.world.now
    points = cloudwatch.get_metric_statistics(
        Namespace="Shop",
        MetricName="OrdersFailed",
        StartTime=now - timedelta(minutes=5),
        EndTime=now,
        Period=60,
        Statistics=["Sum", "Maximum"],
    )["Datapoints"]
    assert [(item["Sum"], item["Maximum"]) for item in points] == [(8, 5)]
    assert cloudwatch.list_metrics(MetricName="OrdersFailed")["Metrics"][0]["Namespace"] == "Shop"
    with pytest.raises(ClientError) as caught:
        cloudwatch.put_metric_data(Namespace="AWS/ECS", MetricData=[{"MetricName": "X", "Value": 1.0}])
    assert code_of(caught) == "InvalidParameterValue"
