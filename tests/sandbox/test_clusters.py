from __future__ import annotations

from typing import Any

import pytest

from sandbox.ports import ApiError, Caller
from tests.sandbox.ecs import ACCOUNT, REGION, Ecs


def test_creating_a_cluster_twice_returns_the_first() -> None:
    ecs = Ecs()
    again = ecs.call("CreateCluster", clusterName="prod")["cluster"]
    assert again["clusterArn"] == f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/prod"
    assert len(ecs.call("ListClusters")["clusterArns"]) == 1


def test_accounts_and_regions_do_not_see_each_other() -> None:
    ecs = Ecs()
    for other in (Caller("999999999999", REGION), Caller(ACCOUNT, "us-east-1")):
        assert ecs.call("ListClusters", other)["clusterArns"] == []
        with pytest.raises(ApiError) as error:
            ecs.call("ListServices", other, cluster="prod")
        assert error.value.code == "ClusterNotFoundException"


def test_clusters_are_listed_in_pages_that_miss_and_repeat_nothing() -> None:
    ecs = Ecs()
    names = {f"c{number:03}" for number in range(230)}
    for name in names:
        ecs.call("CreateCluster", clusterName=name)
    seen: list[str] = []
    token: dict[str, Any] = {}
    pages = 0
    while True:
        answer = ecs.call("ListClusters", **token)
        seen += answer["clusterArns"]
        pages += 1
        if "nextToken" not in answer:
            break
        token = {"nextToken": answer["nextToken"]}
    assert pages == 3
    assert {arn.rsplit("/", 1)[1] for arn in seen} == names | {"prod"}
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize("size", [0, 101, -1])
def test_page_size_out_of_bounds_is_refused(size: int) -> None:
    with pytest.raises(ApiError) as error:
        Ecs().call("ListClusters", maxResults=size)
    assert error.value.code == "InvalidParameterException"


@pytest.mark.parametrize("token", ["nonsense", "Y2x1c3RlcnMK", "e30="])
def test_a_made_up_token_is_refused(token: str) -> None:
    with pytest.raises(ApiError, match="token"):
        Ecs().call("ListClusters", nextToken=token)


def test_a_token_of_another_listing_is_refused() -> None:
    ecs = Ecs()
    for number in range(3):
        ecs.call("CreateCluster", clusterName=f"c{number}")
    token = ecs.call("ListClusters", maxResults=1)["nextToken"]
    with pytest.raises(ApiError, match="token"):
        ecs.call("ListServices", cluster="prod", nextToken=token)


def test_describe_shows_parts_only_when_they_are_asked_for() -> None:
    ecs = Ecs()
    ecs.call("CreateCluster", clusterName="tagged", tags=[{"key": "team", "value": "a"}])
    bare = ecs.call("DescribeClusters", clusters=["tagged"])["clusters"][0]
    assert (bare["tags"], bare["settings"], bare["statistics"]) == ([], [], [])
    full = ecs.call("DescribeClusters", clusters=["tagged"], include=["TAGS", "SETTINGS", "STATISTICS"])[
        "clusters"
    ][0]
    assert full["tags"] == [{"key": "team", "value": "a"}]
    assert full["settings"] == [{"name": "containerInsights", "value": "disabled"}]
    assert {"name": "activeFargateServiceCount", "value": "0"} in full["statistics"]


def test_describe_answers_for_missing_clusters_in_failures() -> None:
    answer = Ecs().call("DescribeClusters", clusters=["prod", "nowhere"])
    assert len(answer["clusters"]) == 1
    assert answer["failures"] == [
        {"arn": f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/nowhere", "reason": "MISSING"}
    ]


def test_describe_takes_a_hundred_clusters_and_no_more() -> None:
    ecs = Ecs()
    assert len(ecs.call("DescribeClusters", clusters=[f"c{n}" for n in range(100)])["failures"]) == 100
    with pytest.raises(ApiError, match="at most 100"):
        ecs.call("DescribeClusters", clusters=[f"c{n}" for n in range(101)])


def test_a_cluster_in_use_is_not_deleted() -> None:
    ecs = Ecs()
    ecs.serve(1)
    with pytest.raises(ApiError) as services:
        ecs.call("DeleteCluster", cluster="prod")
    assert services.value.code == "ClusterContainsServicesException"
    ecs.advance(120)
    ecs.call("DeleteService", cluster="prod", service="web", force=True)
    ecs.advance(1)
    with pytest.raises(ApiError) as tasks:
        ecs.call("DeleteCluster", cluster="prod")
    assert tasks.value.code == "ClusterContainsTasksException"
    ecs.advance(120)
    assert ecs.call("DeleteCluster", cluster="prod")["cluster"]["status"] == "INACTIVE"
    assert ecs.call("ListClusters")["clusterArns"] == []


def test_capacity_providers_and_settings_are_changed() -> None:
    ecs = Ecs()
    strategy = [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]
    ecs.call(
        "PutClusterCapacityProviders",
        cluster="prod",
        capacityProviders=["FARGATE", "FARGATE_SPOT"],
        defaultCapacityProviderStrategy=strategy,
    )
    ecs.call(
        "UpdateClusterSettings", cluster="prod", settings=[{"name": "containerInsights", "value": "enhanced"}]
    )
    shown = ecs.call("DescribeClusters", clusters=["prod"], include=["SETTINGS"])["clusters"][0]
    assert shown["capacityProviders"] == ["FARGATE", "FARGATE_SPOT"]
    assert shown["settings"] == [{"name": "containerInsights", "value": "enhanced"}]
    with pytest.raises(ApiError, match="not associated"):
        ecs.call(
            "PutClusterCapacityProviders",
            cluster="prod",
            capacityProviders=["FARGATE"],
            defaultCapacityProviderStrategy=strategy,
        )


def test_cluster_counts_follow_its_tasks() -> None:
    ecs = Ecs()
    ecs.steady(3)
    shown = ecs.call("DescribeClusters", clusters=["prod"], include=["STATISTICS"])["clusters"][0]
    assert (shown["runningTasksCount"], shown["pendingTasksCount"], shown["activeServicesCount"]) == (3, 0, 1)
    assert {"name": "runningFargateTasksCount", "value": "3"} in shown["statistics"]
