from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.server import SandboxServer
from tests.sandbox.clients import client
from tests.sandbox.shop import Shop


@pytest.fixture
def shop(sandbox: SandboxServer) -> Shop:
    return Shop(sandbox)


class Inbox:
    """A queue with a rule that carries events of ECS to it."""

    def __init__(self, shop: Shop, pattern: dict[str, Any]) -> None:
        self._sqs = client(shop.server, "sqs")
        self._url = self._sqs.create_queue(QueueName="ecs-events")["QueueUrl"]
        attributes = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])
        events = client(shop.server, "events")
        events.put_rule(Name="ecs", EventPattern=json.dumps(pattern))
        events.put_targets(Rule="ecs", Targets=[{"Id": "1", "Arn": attributes["Attributes"]["QueueArn"]}])

    def read(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while True:
            messages = self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10).get(
                "Messages", []
            )
            if not messages:
                return found
            for message in messages:
                found.append(json.loads(message["Body"]))
                self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])


def test_task_events_carry_rising_versions_to_a_queue(shop: Shop) -> None:
    inbox = Inbox(shop, {"detail-type": ["ECS Task State Change"]})
    shop.steady("web", 1)
    shop.ecs.update_service(cluster="prod", service="web", desiredCount=0)
    shop.advance(120)
    events = inbox.read()
    statuses = [item["detail"]["lastStatus"] for item in events]
    assert statuses[0] == "PROVISIONING"
    assert statuses[-1] == "STOPPED"
    assert "RUNNING" in statuses
    versions = [item["detail"]["version"] for item in events]
    assert versions == sorted(set(versions))
    last = events[-1]
    assert last["resources"] == [last["detail"]["taskArn"]]
    assert last["detail"]["stopCode"] == "ServiceSchedulerInitiated"
    assert last["time"].endswith("Z")
    described = shop.ecs.describe_tasks(cluster="prod", tasks=[last["detail"]["taskArn"]])["tasks"][0]
    assert described["version"] == versions[-1]


def test_a_deployment_and_its_service_are_told_of(shop: Shop) -> None:
    inbox = Inbox(shop, {"detail-type": ["ECS Deployment State Change", "ECS Service Action"]})
    shop.steady("web", 1)
    events = inbox.read()
    names = [(item["detail-type"], item["detail"]["eventName"]) for item in events]
    assert names[0] == ("ECS Deployment State Change", "SERVICE_DEPLOYMENT_IN_PROGRESS")
    assert ("ECS Deployment State Change", "SERVICE_DEPLOYMENT_COMPLETED") in names
    assert ("ECS Service Action", "SERVICE_STEADY_STATE") in names
    action = next(item for item in events if item["detail-type"] == "ECS Service Action")
    assert "version" not in action["detail"]
    assert action["resources"] == [shop.service("web")["serviceArn"]]


def test_container_instances_are_told_of_when_they_come_drain_and_go(shop: Shop) -> None:
    inbox = Inbox(shop, {"detail-type": ["ECS Container Instance State Change"]})
    arn = shop.ecs.register_container_instance(cluster="prod")["containerInstance"]["containerInstanceArn"]
    shop.ecs.update_container_instances_state(cluster="prod", containerInstances=[arn], status="DRAINING")
    shop.ecs.deregister_container_instance(cluster="prod", containerInstance=arn)
    details = [item["detail"] for item in inbox.read()]
    assert [item["status"] for item in details] == ["ACTIVE", "DRAINING", "INACTIVE"]
    assert [item["version"] for item in details] == [1, 2, 3]
    assert {item["containerInstanceArn"] for item in details} == {arn}


def test_alarms_are_told_of_when_they_change(shop: Shop) -> None:
    inbox = Inbox(shop, {"source": ["aws.cloudwatch"]})
    client(shop.server, "cloudwatch").put_metric_alarm(
        AlarmName="orders",
        Namespace="Shop",
        MetricName="OrdersFailed",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=10.0,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="breaching",
    )
    shop.advance(300)
    (event,) = inbox.read()
    assert event["detail-type"] == "CloudWatch Alarm State Change"
    assert (event["detail"]["alarmName"], event["detail"]["state"]["value"]) == ("orders", "ALARM")


def test_nobody_listens_until_there_is_a_rule(shop: Shop) -> None:
    shop.steady("web", 1)
    assert shop.server.world.listeners == []
    Inbox(shop, {"source": ["aws.ecs"]})
    assert len(shop.server.world.listeners) == 1
