from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.scenarios.acme_catalog import PRODUCTION
from sandbox.scenarios.empty import READ_ROLE_ARN
from sandbox.server import SandboxServer
from tests.sandbox.clients import assume, client, code_of
from tests.sandbox.shop import Shop


@pytest.fixture
def shop(sandbox: SandboxServer) -> Shop:
    return Shop(sandbox)


@pytest.fixture
def quick() -> Iterator[SandboxServer]:
    with SandboxServer("empty", manual=True, throttle=False, trail_delay=0) as server:
        yield server


def events(server: SandboxServer, **params: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client(server, "cloudtrail").lookup_events(**params)["Events"]
    return found


def named(server: SandboxServer, name: str) -> list[dict[str, Any]]:
    """Return what CloudTrailEvent holds of the events of one name."""
    wanted = [{"AttributeKey": "EventName", "AttributeValue": name}]
    return [json.loads(item["CloudTrailEvent"]) for item in events(server, LookupAttributes=wanted)]


def test_a_change_is_seen_minutes_later_with_the_person_behind_it(shop: Shop) -> None:
    shop.serve("web", 1)
    session = assume(shop.server, SourceIdentity="u-4711")
    ecs = session.client("ecs", endpoint_url=shop.server.url)
    ecs.update_service(cluster="prod", service="web", desiredCount=2)
    shop.advance(200)
    assert named(shop.server, "UpdateService") == []
    shop.advance(120)
    (found,) = named(shop.server, "UpdateService")
    identity = found["userIdentity"]
    assert identity["type"] == "AssumedRole"
    assert identity["arn"].endswith(":assumed-role/sandbox-operator/alice")
    assert identity["sessionContext"]["sourceIdentity"] == "u-4711"
    assert identity["sessionContext"]["sessionIssuer"]["userName"] == "sandbox-operator"
    assert found["requestParameters"] == {"cluster": "prod", "service": "web", "desiredCount": 2}
    assert found["responseElements"]["service"]["desiredCount"] == 2
    assert found["sourceIPAddress"] == "127.0.0.1"
    assert "Botocore" in found["userAgent"]
    assert (found["eventSource"], found["readOnly"]) == ("ecs.amazonaws.com", False)
    summary = next(item for item in events(shop.server) if item["EventName"] == "UpdateService")
    assert summary["Username"] == "alice"
    assert {"ResourceType": "AWS::ECS::Service", "ResourceName": "web"} in summary["Resources"]


def test_reads_and_data_leave_no_trace(quick: SandboxServer) -> None:
    client(quick, "ecs").list_clusters()
    client(quick, "cloudwatch").put_metric_data(
        Namespace="Shop", MetricData=[{"MetricName": "X", "Value": 1.0}]
    )
    assert events(quick) == []


def test_other_services_are_in_the_trail_too(quick: SandboxServer) -> None:
    client(quick, "logs").create_log_group(logGroupName="/ecs/web")
    client(quick, "sqs").create_queue(QueueName="events")
    assert {item["EventSource"] for item in events(quick)} == {"logs.amazonaws.com", "sqs.amazonaws.com"}
    assert named(quick, "CreateLogGroup")[0]["requestParameters"] == {"logGroupName": "/ecs/web"}


def test_what_was_refused_says_why(quick: SandboxServer) -> None:
    reader = assume(quick, READ_ROLE_ARN).client("ecs", endpoint_url=quick.url)
    with pytest.raises(ClientError):
        reader.create_cluster(clusterName="prod")
    with pytest.raises(ClientError):
        client(quick, "ecs").update_service(cluster="none", service="web")
    with pytest.raises(ClientError):
        client(quick, "logs").delete_log_group(logGroupName="none")
    assert named(quick, "CreateCluster")[0]["errorCode"] == "AccessDeniedException"
    assert named(quick, "UpdateService")[0]["errorCode"] == "ClusterNotFoundException"
    assert named(quick, "DeleteLogGroup")[0]["errorCode"] == "ResourceNotFoundException"


def test_environment_and_secrets_are_hidden(quick: SandboxServer) -> None:
    client(quick, "ecs").register_task_definition(
        family="web",
        containerDefinitions=[
            {
                "name": "app",
                "image": "nginx",
                "memory": 64,
                "environment": [{"name": "A", "value": "hunter2"}],
            }
        ],
    )
    client(quick, "secretsmanager").create_secret(Name="db", SecretString="hunter2")
    told = json.dumps([item["CloudTrailEvent"] for item in events(quick)])
    assert "hunter2" not in told
    assert "HIDDEN_DUE_TO_SECURITY_REASONS" in told


def test_events_are_found_by_one_attribute_and_time_in_pages(quick: SandboxServer) -> None:
    ecs = client(quick, "ecs")
    for number in range(5):
        ecs.create_cluster(clusterName=f"cluster-{number}")
        quick.world.advance(60)
    pages = (
        client(quick, "cloudtrail").get_paginator("lookup_events").paginate(PaginationConfig={"PageSize": 2})
    )
    assert [len(page["Events"]) for page in pages] == [2, 2, 1]
    times = [item["EventTime"] for item in events(quick)]
    assert times == sorted(times, reverse=True)
    assert len(events(quick, StartTime=quick.world.now - timedelta(seconds=150))) == 2
    wanted = {"AttributeKey": "Username", "AttributeValue": "nobody"}
    assert events(quick, LookupAttributes=[wanted]) == []
    for wrong, code in (
        ({"LookupAttributes": [wanted, wanted]}, "InvalidLookupAttributesException"),
        ({"MaxResults": 51}, "InvalidMaxResultsException"),
        ({"NextToken": "made-up"}, "InvalidNextTokenException"),
    ):
        with pytest.raises(ClientError) as caught:
            events(quick, **wrong)
        assert code_of(caught) == code


def test_the_autoscaler_is_named_when_it_was_the_one(quick: SandboxServer) -> None:
    shop = Shop(quick)
    shop.serve("web", 1)
    client(quick, "application-autoscaling").register_scalable_target(
        ServiceNamespace="ecs",
        ScalableDimension="ecs:service:DesiredCount",
        ResourceId="service/prod/web",
        MinCapacity=3,
        MaxCapacity=5,
    )
    shop.advance(61)
    found = named(quick, "UpdateService")[0]
    assert found["sourceIPAddress"] == "ecs.application-autoscaling.amazonaws.com"
    assert "AWSServiceRoleForApplicationAutoScaling_ECSService" in found["userIdentity"]["arn"]
    assert found["requestParameters"]["desiredCount"] == 3


def test_the_deployments_of_acme_are_in_its_trail(acme: SandboxServer) -> None:
    cloudtrail = acme.client("cloudtrail", account_id=PRODUCTION)
    found = [
        item
        for page in cloudtrail.get_paginator("lookup_events").paginate(
            LookupAttributes=[{"AttributeKey": "ResourceName", "AttributeValue": "checkout-api"}]
        )
        for item in page["Events"]
    ]
    updates = [item for item in found if item["EventName"] == "UpdateService"]
    assert len(updates) >= 4
    assert len({item["Username"] for item in updates}) > 1
    ecs = acme.client("ecs", account_id=PRODUCTION)
    brief = ecs.list_service_deployments(cluster="prod-core", service="checkout-api")["serviceDeployments"]
    starts = [item["startedAt"] for item in brief]
    for update in updates:
        assert any(abs(start - update["EventTime"]) < timedelta(seconds=60) for start in starts)
