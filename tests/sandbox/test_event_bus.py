from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from sandbox.event_bus import deliver
from tests.sandbox.ecs import REGION, Ecs

# moto's own account, in which its clients are when nothing else is said.
MOTO_ACCOUNT = "123456789012"


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A queue to which a rule carries ECS's task events."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        made = boto3.resource("sqs", region_name=REGION).create_queue(QueueName="ecs-events")
        events = boto3.client("events", region_name=REGION)
        pattern = {"source": ["aws.ecs"], "detail-type": ["ECS Task State Change"]}
        events.put_rule(Name="tasks", EventPattern=json.dumps(pattern))
        events.put_targets(Rule="tasks", Targets=[{"Id": "1", "Arn": made.attributes["QueueArn"]}])
        yield made


def received(queue: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while messages := queue.receive_messages(MaxNumberOfMessages=10):
        found += [json.loads(message.body) for message in messages]
        for message in messages:
            message.delete()
    return found


def test_a_rule_carries_task_events_to_its_queue(queue: Any) -> None:
    ecs = Ecs(account_id=MOTO_ACCOUNT)
    ecs.world.listeners.append(deliver)
    ecs.steady(1)
    events = received(queue)
    assert [item["detail"]["lastStatus"] for item in events] == [
        "PROVISIONING",
        "PENDING",
        "ACTIVATING",
        "RUNNING",
    ]
    assert {item["source"] for item in events} == {"aws.ecs"}
    assert {item["detail-type"] for item in events} == {"ECS Task State Change"}
    assert {item["account"] for item in events} == {MOTO_ACCOUNT}
    assert events[0]["resources"] == [ecs.tasks()[0]["taskArn"]]


def test_a_queue_that_is_gone_does_not_stop_the_world(queue: Any) -> None:
    queue.delete()
    ecs = Ecs(account_id=MOTO_ACCOUNT)
    ecs.world.listeners.append(deliver)
    ecs.steady(1)
    assert ecs.service()["runningCount"] == 1


def test_a_disabled_rule_carries_nothing(queue: Any) -> None:
    boto3.client("events", region_name=REGION).disable_rule(Name="tasks")
    ecs = Ecs(account_id=MOTO_ACCOUNT)
    ecs.world.listeners.append(deliver)
    ecs.steady(1)
    assert received(queue) == []


def test_without_a_rule_nothing_is_delivered(queue: Any) -> None:
    ecs = Ecs()
    ecs.world.listeners.append(deliver)
    ecs.steady(1)
    assert received(queue) == []
