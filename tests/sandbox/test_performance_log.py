from __future__ import annotations

import json
from datetime import timedelta
from time import perf_counter
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.server import SandboxServer
from tests.sandbox.clients import client, code_of
from tests.sandbox.shop import NETWORK, Shop
from tests.sandbox.test_metrics import query, read

GROUP = "/aws/ecs/containerinsights/prod/performance"
# What AWS's page on these events shows of a task.
DOCUMENTED = {
    "Version",
    "Type",
    "TaskId",
    "TaskDefinitionFamily",
    "TaskDefinitionRevision",
    "ServiceName",
    "ClusterName",
    "KnownStatus",
    "CreatedAt",
    "StartedAt",
    "Timestamp",
    "CpuUtilized",
    "CpuReserved",
    "MemoryUtilized",
    "MemoryReserved",
    "StorageReadBytes",
    "StorageWriteBytes",
    *(f"Network{way}{what}" for way in ("Rx", "Tx") for what in ("Bytes", "Dropped", "Errors", "Packets")),
}


@pytest.fixture
def shop(sandbox: SandboxServer) -> Shop:
    shop = Shop(sandbox)
    insights(shop, "enabled")
    return shop


def insights(shop: Shop, value: str) -> None:
    settings = [{"name": "containerInsights", "value": value}]
    shop.ecs.update_cluster_settings(cluster="prod", settings=settings)


def raw(shop: Shop, *, minutes: float = 60, **params: Any) -> list[dict[str, Any]]:
    start = shop.server.world.now - timedelta(minutes=minutes)
    pages = client(shop.server, "logs").get_paginator("filter_log_events")
    answers = pages.paginate(logGroupName=GROUP, startTime=int(start.timestamp() * 1000), **params)
    return [event for page in answers for event in page["events"]]


def events(shop: Shop, **params: Any) -> list[dict[str, Any]]:
    return [json.loads(event["message"]) for event in raw(shop, **params)]


def task_id(task: dict[str, Any]) -> str:
    return str(task["taskArn"].rsplit("/", 1)[-1])


def test_each_task_has_an_event_for_each_minute_that_is_over(shop: Shop) -> None:
    shop.steady("web", 2)
    shop.advance(600)
    found, tasks = events(shop), shop.tasks("web")
    assert {event["TaskId"] for event in found} == {task_id(task) for task in tasks}
    for task in tasks:
        mine = [event["Timestamp"] for event in found if event["TaskId"] == task_id(task)]
        first = int(task["startedAt"].timestamp()) // 60
        last = int(shop.server.world.now.timestamp()) // 60 - 1
        assert mine == [minute * 60_000 for minute in range(first, last + 1)]
    event = found[-1]
    assert set(event) >= DOCUMENTED
    assert (event["Type"], event["ServiceName"], event["TaskDefinitionRevision"]) == ("Task", "web", "1")
    assert (event["CpuReserved"], event["MemoryReserved"]) == (256, 512)


def test_events_agree_with_the_metrics(shop: Shop) -> None:
    shop.steady("web", 4)
    shop.advance(900)
    bounds = {
        stat: read(shop, query("web", "MemoryUtilization", stat), minutes=5)["m"]
        for stat in ("Minimum", "Maximum")
    }
    shares = [event["MemoryUtilized"] / event["MemoryReserved"] * 100 for event in events(shop, minutes=5)]
    assert len(set(shares)) > 4
    # Whole MiB of 512 are a fifth of a percent.
    assert min(bounds["Minimum"]) - 0.2 <= min(shares)
    assert max(shares) <= max(bounds["Maximum"]) + 0.2
    processor = read(shop, query("web", "CPUUtilization"), minutes=5)["m"]
    used = [event["CpuUtilized"] / event["CpuReserved"] * 100 for event in events(shop, minutes=5)]
    assert sum(used) / len(used) == pytest.approx(sum(processor) / len(processor), rel=0.1)


def test_a_leak_grows_until_it_is_killed(shop: Shop) -> None:
    shop.serve("web", 1, tag="v2-leak")
    shop.advance(120)
    shop.until(lambda: any(event["MemoryUtilized"] >= 500 for event in events(shop)))
    first = events(shop)[0]["TaskId"]
    memory = [event["MemoryUtilized"] for event in events(shop) if event["TaskId"] == first]
    assert memory == sorted(memory)
    assert memory[0] < 270


def test_the_same_question_has_the_same_answer_page_by_page(shop: Shop) -> None:
    shop.steady("web", 3)
    shop.advance(300)
    whole = raw(shop)
    assert raw(shop, limit=4) == whole
    shop.advance(120)
    assert [event for event in raw(shop) if event in whole] == whole
    assert len({event["eventId"] for event in whole}) == len(whole)


def test_patterns_and_streams_choose(shop: Shop) -> None:
    for name in ("web", "worker"):
        shop.steady(name, 1)
    chosen = events(shop, filterPattern='{ $.TaskDefinitionFamily = "worker" }')
    assert {event["ServiceName"] for event in chosen} == {"worker"}
    logs = client(shop.server, "logs")
    groups = [item["logGroupName"] for item in logs.describe_log_groups()["logGroups"]]
    assert GROUP in groups
    streams = [item["logStreamName"] for item in logs.describe_log_streams(logGroupName=GROUP)["logStreams"]]
    assert streams
    assert len(streams) == len({event["logStreamName"] for event in raw(shop)})
    for name in streams:
        alone = raw(shop, logStreamNames=[name])
        assert [event["message"] for event in forwards(logs, name)] == [item["message"] for item in alone]


def forwards(logs: Any, stream: str) -> list[dict[str, Any]]:
    """Read a stream by its tokens, until one repeats itself."""
    found: list[dict[str, Any]] = []
    token: dict[str, str] = {}
    while True:
        page = logs.get_log_events(
            logGroupName=GROUP, logStreamName=stream, startFromHead=True, limit=2, **token
        )
        found += page["events"]
        if token.get("nextToken") == page["nextForwardToken"]:
            return found
        token = {"nextToken": page["nextForwardToken"]}


def test_a_token_stays_where_it_was_while_time_goes_on(shop: Shop) -> None:
    shop.steady("web", 1)
    logs = client(shop.server, "logs")
    stream = raw(shop)[0]["logStreamName"]
    asked = {"logGroupName": GROUP, "logStreamName": stream, "startFromHead": True}
    token = logs.get_log_events(**asked)["nextForwardToken"]
    shop.advance(7200)
    added = logs.get_log_events(**asked, nextToken=token)["events"]
    now = int(shop.server.world.now.timestamp()) // 60
    assert [event["timestamp"] // 60_000 for event in added] == list(range(now - 60, now))


def test_a_task_of_its_own_has_events_without_a_service(shop: Shop) -> None:
    shop.ecs.run_task(
        cluster="prod", taskDefinition=shop.define("job"), launchType="FARGATE", networkConfiguration=NETWORK
    )
    shop.advance(300)
    found = events(shop)
    assert len(found) >= 3
    assert all("ServiceName" not in event and event["NetworkRxBytes"] == 0 for event in found)


def test_without_insights_or_a_task_there_is_no_group(sandbox: SandboxServer) -> None:
    shop = Shop(sandbox)
    insights(shop, "disabled")
    shop.steady("web", 1)
    with pytest.raises(ClientError) as caught:
        events(shop)
    assert code_of(caught) == "ResourceNotFoundException"
    shop.ecs.create_cluster(clusterName="idle", settings=[{"name": "containerInsights", "value": "enhanced"}])
    groups = client(sandbox, "logs").describe_log_groups(logGroupNamePrefix="/aws/ecs/")["logGroups"]
    assert groups == []


def test_a_big_fleet_pays_for_what_is_read_only() -> None:
    with SandboxServer("fleet-1000", manual=True, throttle=False) as server:
        server.world.advance(300)
        region = server.world.region("777788889999", "us-east-1")
        cluster = max(region.clusters.values(), key=lambda one: len(one.tasks))
        cluster.settings = [{"name": "containerInsights", "value": "enabled"}]
        logs = client(server, "logs", key="777788889999")
        family = next(iter(cluster.tasks.values())).definition.family
        start = int((server.world.now - timedelta(minutes=5)).timestamp() * 1000)
        begun = perf_counter()
        answer = logs.filter_log_events(
            logGroupName=f"/aws/ecs/containerinsights/{cluster.name}/performance",
            startTime=start,
            filterPattern=f'{{ $.TaskDefinitionFamily = "{family}" }}',
        )
        assert answer["events"]
        assert perf_counter() - begun < 5
