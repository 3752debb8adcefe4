from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.ports import ApiError
from tests.sandbox.ecs import Ecs


def on_ec2(ecs: Ecs) -> str:
    """Register a bridge-mode task definition of 512 CPU units and 1024 MiB."""
    arn: str = ecs.call(
        "RegisterTaskDefinition",
        family="host",
        containerDefinitions=[{"name": "app", "image": "nginx:1", "cpu": 512, "memory": 1024}],
    )["taskDefinition"]["taskDefinitionArn"]
    return arn


def instance(ecs: Ecs, cpu: int = 1024, memory: int = 4096) -> str:
    totals = [
        {"name": "CPU", "type": "INTEGER", "integerValue": cpu},
        {"name": "MEMORY", "type": "INTEGER", "integerValue": memory},
    ]
    document = json.dumps({"instanceId": f"i-{len(ecs.call('ListContainerInstances', cluster='prod')):017}"})
    arn: str = ecs.call(
        "RegisterContainerInstance", cluster="prod", totalResources=totals, instanceIdentityDocument=document
    )["containerInstance"]["containerInstanceArn"]
    return arn


def serve(ecs: Ecs, desired: int, **more: Any) -> None:
    params: dict[str, Any] = {"desiredCount": desired, **more}
    ecs.call("CreateService", cluster="prod", serviceName="web", taskDefinition=on_ec2(ecs), **params)


def test_tasks_are_placed_where_there_is_room() -> None:
    ecs = Ecs()
    first, second = instance(ecs), instance(ecs)
    serve(ecs, 4)
    ecs.advance(180)
    answer = ecs.call(
        "DescribeContainerInstances", cluster="prod", containerInstances=[first, second, "ghost"]
    )
    assert [item["runningTasksCount"] for item in answer["containerInstances"]] == [2, 2]
    remaining = {
        item["name"]: item["integerValue"] for item in answer["containerInstances"][0]["remainingResources"]
    }
    assert remaining == {"CPU": 0, "MEMORY": 2048}
    assert answer["failures"] == [{"arn": "ghost", "reason": "MISSING"}]
    task = ecs.tasks()[0]
    assert task["launchType"] == "EC2"
    assert task["containerInstanceArn"] in (first, second)
    assert task["attachments"] == []


def test_without_room_the_service_says_so_until_an_instance_comes() -> None:
    ecs = Ecs()
    serve(ecs, 1)
    ecs.advance(60)
    assert "no container instance met all of its requirements" in ecs.messages()[0]
    instance(ecs)
    ecs.advance(180)
    assert ecs.service()["runningCount"] == 1


def test_run_task_without_room_answers_in_failures() -> None:
    ecs = Ecs()
    host = instance(ecs, cpu=256)
    answer = ecs.call("RunTask", cluster="prod", taskDefinition=on_ec2(ecs))
    assert answer == {"tasks": [], "failures": [{"arn": host, "reason": "RESOURCE:CPU"}]}


def test_draining_moves_service_tasks_elsewhere() -> None:
    ecs = Ecs()
    first, second = instance(ecs), instance(ecs)
    serve(ecs, 2)
    ecs.advance(180)
    ecs.call("UpdateContainerInstancesState", cluster="prod", containerInstances=[first], status="DRAINING")
    ecs.advance(240)
    assert {task["containerInstanceArn"] for task in ecs.tasks()} == {second}
    assert ecs.call("ListContainerInstances", cluster="prod", status="DRAINING")["containerInstanceArns"] == [
        first
    ]
    ecs.call("DeregisterContainerInstance", cluster="prod", containerInstance=first)
    with pytest.raises(ApiError, match="running tasks"):
        ecs.call("DeregisterContainerInstance", cluster="prod", containerInstance=second)


def test_a_daemon_runs_once_on_every_instance() -> None:
    ecs = Ecs()
    instance(ecs)
    ecs.call(
        "CreateService",
        cluster="prod",
        serviceName="web",
        taskDefinition=on_ec2(ecs),
        schedulingStrategy="DAEMON",
    )
    ecs.advance(180)
    assert ecs.service()["runningCount"] == 1
    instance(ecs)
    ecs.advance(180)
    assert ecs.service()["runningCount"] == 2
    assert len({task["containerInstanceArn"] for task in ecs.tasks()}) == 2
    with pytest.raises(ApiError, match="daemon"):
        ecs.update(desiredCount=3)
