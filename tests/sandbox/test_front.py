from __future__ import annotations

from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError

from sandbox.server import SandboxServer
from tests.sandbox.clients import client, code_of, control
from tests.sandbox.shop import NETWORK, Shop

LAG = 5.0


@pytest.fixture
def lagging() -> Iterator[Shop]:
    with SandboxServer("empty", manual=True, throttle=False, read_lag=LAG) as server:
        shop = Shop(server)
        shop.advance(LAG + 1)
        yield shop


def test_a_new_service_is_missing_until_reads_have_caught_up(lagging: Shop) -> None:
    ecs = lagging.ecs
    made = lagging.serve("web", 1)["serviceArn"]
    assert ecs.list_services(cluster="prod")["serviceArns"] == []
    answer = ecs.describe_services(cluster="prod", services=["web"])
    assert (answer["services"], answer["failures"]) == ([], [{"arn": made, "reason": "MISSING"}])
    assert ecs.list_service_deployments(cluster="prod", service="web")["serviceDeployments"] == []
    lagging.advance(LAG)
    assert ecs.list_services(cluster="prod")["serviceArns"] == [made]
    assert lagging.service("web")["serviceArn"] == made
    assert len(ecs.list_service_deployments(cluster="prod", service="web")["serviceDeployments"]) == 1


def test_a_changed_service_is_seen_as_it_was(lagging: Shop) -> None:
    lagging.steady("web", 1)
    answered = lagging.ecs.update_service(cluster="prod", service="web", desiredCount=3)["service"]
    assert answered["desiredCount"] == 3
    assert lagging.service("web")["desiredCount"] == 1
    assert "tags" not in lagging.service("web")
    lagging.advance(LAG - 1)
    lagging.ecs.update_service(cluster="prod", service="web", desiredCount=4)
    assert lagging.service("web")["desiredCount"] == 1
    lagging.advance(1)
    assert lagging.service("web")["desiredCount"] == 3
    lagging.advance(LAG)
    assert lagging.service("web")["desiredCount"] == 4


def test_a_task_that_was_just_started_is_missing(lagging: Shop) -> None:
    task = lagging.ecs.run_task(
        cluster="prod",
        taskDefinition=lagging.define("job"),
        launchType="FARGATE",
        networkConfiguration=NETWORK,
    )["tasks"][0]["taskArn"]
    answer = lagging.ecs.describe_tasks(cluster="prod", tasks=[task])
    assert answer["failures"] == [{"arn": task, "reason": "MISSING"}]
    assert lagging.ecs.list_tasks(cluster="prod")["taskArns"] == []
    lagging.advance(LAG)
    assert lagging.ecs.describe_tasks(cluster="prod", tasks=[task])["failures"] == []


def test_what_was_refused_changes_no_read(lagging: Shop) -> None:
    lagging.steady("web", 1)
    with pytest.raises(ClientError):
        lagging.ecs.update_service(cluster="prod", service="web", desiredCount=-1)
    with pytest.raises(ClientError):
        lagging.ecs.update_service(cluster="prod", service="none", desiredCount=1)
    assert lagging.service("web")["desiredCount"] == 1


def test_lag_can_be_switched_while_it_runs(sandbox: SandboxServer) -> None:
    ecs = client(sandbox, "ecs")
    assert control(sandbox, "POST", "read-lag", {"seconds": 10}) == (200, {"seconds": 10.0})
    ecs.create_cluster(clusterName="prod")
    assert ecs.list_clusters()["clusterArns"] == []
    assert control(sandbox, "POST", "read-lag", {"seconds": 0}) == (200, {"seconds": 0.0})
    assert len(ecs.list_clusters()["clusterArns"]) == 1
    assert control(sandbox, "POST", "read-lag", {"seconds": -1})[0] == 400


def test_tokens_of_ecs_are_opaque_belong_to_their_operation_and_expire(sandbox: SandboxServer) -> None:
    ecs = client(sandbox, "ecs")
    for number in range(3):
        ecs.create_cluster(clusterName=f"cluster-{number}")
    token = ecs.list_clusters(maxResults=2)["nextToken"]
    assert len(ecs.list_clusters(maxResults=2, nextToken=token)["clusterArns"]) == 1
    elsewhere = client(sandbox, "ecs", region="eu-west-1")
    for list_page, wrong in (
        (ecs.list_task_definitions, token),
        (elsewhere.list_clusters, token),
        (ecs.list_clusters, "Y2x1c3RlcnMKMg=="),
    ):
        with pytest.raises(ClientError) as caught:
            list_page(nextToken=wrong)
        assert code_of(caught) == "InvalidParameterException"
    sandbox.world.advance(25 * 3600)
    with pytest.raises(ClientError) as caught:
        ecs.list_clusters(maxResults=2, nextToken=token)
    assert code_of(caught) == "InvalidParameterException"
