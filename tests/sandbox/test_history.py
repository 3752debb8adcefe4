from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from sandbox.history import PastDeployment
from sandbox.ports import ApiError
from tests.sandbox.ecs import BREAKER, DEV, START, TARGET_GROUP, Ecs

SINCE = START - timedelta(days=3)


def settled(ecs: Ecs, desired: int = 3, **more: Any) -> None:
    ecs.serve(desired, **more)
    ecs.world.settle(DEV, "prod", "web", running_since=SINCE)


def test_a_settled_service_looks_like_one_that_was_simulated() -> None:
    simulated, put = Ecs(), Ecs()
    simulated.steady(3, deploymentConfiguration=BREAKER)
    settled(put, deploymentConfiguration=BREAKER)
    one, other = simulated.service(), put.service()
    assert one.keys() == other.keys()
    assert one["deployments"][0].keys() == other["deployments"][0].keys()
    assert simulated.tasks()[0].keys() == put.tasks()[0].keys()
    assert simulated.tasks()[0]["containers"][0].keys() == put.tasks()[0]["containers"][0].keys()
    assert simulated.history()[0].keys() == put.history()[0].keys()
    assert simulated.history()[0]["targetServiceRevision"]["runningTaskCount"] == 3
    assert put.history()[0]["targetServiceRevision"]["runningTaskCount"] == 3
    kinds = [[text.split(")")[-1][:12] for text in ecs.messages()] for ecs in (simulated, put)]
    assert kinds[0] == kinds[1]


def test_a_settled_service_has_run_since_the_given_moment_and_stays_still() -> None:
    ecs = Ecs()
    settled(ecs)
    service = ecs.service()
    assert service["runningCount"] == 3
    assert service["deployments"][0]["rolloutState"] == "COMPLETED"
    assert {task["startedAt"] for task in ecs.tasks()} == {SINCE}
    assert service["createdAt"] < SINCE
    before = [task["taskArn"] for task in ecs.tasks()]
    ecs.advance(3600)
    assert [task["taskArn"] for task in ecs.tasks()] == before
    assert ecs.service()["events"] == service["events"]


def test_a_settled_service_deploys_like_any_other() -> None:
    ecs = Ecs()
    ecs.world.deregistration_delay = 20.0
    balanced = [{"targetGroupArn": TARGET_GROUP, "containerName": "app", "containerPort": 8080}]
    settled(ecs, loadBalancers=balanced, deploymentConfiguration=BREAKER)
    ecs.update(taskDefinition=ecs.define("v2-missing"))
    ecs.until(lambda: ecs.history()[0]["status"] == "ROLLBACK_SUCCESSFUL")
    ecs.update(taskDefinition=ecs.define("v3"))
    ecs.until(lambda: ecs.history()[0]["status"] == "SUCCESSFUL")
    assert ecs.service()["runningCount"] == 3


def test_imported_history_lies_behind_the_present() -> None:
    ecs = Ecs()
    old, bad = ecs.define("v1"), ecs.define("v2-crash")
    settled(ecs, tag="v3", deploymentConfiguration=BREAKER)
    day = timedelta(days=1)
    past = [
        PastDeployment(
            old, SINCE - 9 * day, SINCE - 9 * day + timedelta(minutes=3), created_by="arn:aws:iam::1:user/a"
        ),
        PastDeployment(
            bad, SINCE - 5 * day, SINCE - 5 * day + timedelta(minutes=6), status="ROLLBACK_SUCCESSFUL"
        ),
        PastDeployment(old, SINCE - 2 * day, SINCE - 2 * day + timedelta(minutes=1), status="STOPPED"),
    ]
    ecs.world.import_history(DEV, "prod", "web", past)
    now, stopped, rolled_back, first = ecs.history()
    assert [item["status"] for item in (now, stopped, rolled_back, first)] == [
        "SUCCESSFUL",
        "STOPPED",
        "ROLLBACK_SUCCESSFUL",
        "SUCCESSFUL",
    ]
    assert rolled_back["rollback"]["serviceRevisionArn"] == first["targetServiceRevision"]["arn"]
    assert rolled_back["deploymentCircuitBreaker"]["status"] == "TRIGGERED"
    assert now["sourceServiceRevisions"][0]["arn"] == first["targetServiceRevision"]["arn"]
    revision = ecs.call(
        "DescribeServiceRevisions", serviceRevisionArns=[rolled_back["targetServiceRevision"]["arn"]]
    )
    assert revision["serviceRevisions"][0]["taskDefinition"] == bad
    events = ecs.service()["events"]
    moments = [event["createdAt"] for event in events]
    assert moments == sorted(moments, reverse=True)
    assert sum("deployment failed" in text for text in ecs.messages()) == 1
    assert ecs.service()["createdAt"] <= SINCE - 9 * day
    assert ecs.service()["currentServiceDeployment"] == now["serviceDeploymentArn"]


def test_a_service_can_be_given_an_earlier_creation() -> None:
    ecs = Ecs()
    settled(ecs)
    earlier = START - timedelta(days=400)
    ecs.world.backdate_service(DEV, "prod", "web", created_at=earlier)
    assert ecs.service()["createdAt"] == earlier


def test_what_is_not_there_cannot_be_settled() -> None:
    with pytest.raises(ApiError) as error:
        Ecs().world.settle(DEV, "prod", "ghost")
    assert error.value.code == "ServiceNotFoundException"


def test_a_large_fleet_is_set_up_in_seconds_and_costs_nothing_while_quiet() -> None:
    import time

    ecs = Ecs()
    definition = ecs.define()
    begun = time.perf_counter()
    for number in range(1000):
        ecs.world.call(
            DEV,
            "CreateService",
            {
                "cluster": "prod",
                "serviceName": f"s{number}",
                "taskDefinition": definition,
                "desiredCount": 4,
                "launchType": "FARGATE",
                "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-a"]}},
            },
        )
        ecs.world.settle(DEV, "prod", f"s{number}", running_since=SINCE)
    built = time.perf_counter()
    ecs.advance(1800)
    quiet = time.perf_counter()
    # Generous against slow machines; measured about 1 s and 10 ms.
    assert built - begun < 15
    assert quiet - built < 1
    shown = ecs.call("DescribeClusters", clusters=["prod"])["clusters"][0]
    assert (shown["runningTasksCount"], shown["activeServicesCount"]) == (4000, 1000)
