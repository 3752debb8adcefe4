"""Whatever is done to a service in whatever order, it stays consistent and comes to rest."""

from __future__ import annotations

import random

import pytest

from sandbox.ports import ApiError
from tests.sandbox.ecs import BREAKER, TARGET_GROUP, Ecs

BALANCED = [{"targetGroupArn": TARGET_GROUP, "containerName": "app", "containerPort": 8080}]
TAGS = ("v1", "v2", "v3", "v4-crash", "v5-missing", "v6-oom", "v7-flaky", "v8-slow", "v9-unhealthy")
IN_FLIGHT = ("PENDING", "IN_PROGRESS", "STOP_REQUESTED", "ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS")


def act(ecs: Ecs, rng: random.Random) -> None:
    """Do one thing that people and machines do to services."""
    kind = rng.choice(
        ("deploy", "deploy", "force", "scale", "stop deployment", "stop task", "alarm", "wait", "wait")
    )
    if kind == "deploy":
        ecs.update(taskDefinition=ecs.define(rng.choice(TAGS)))
    elif kind == "force":
        ecs.update(forceNewDeployment=True)
    elif kind == "scale":
        ecs.update(desiredCount=rng.randrange(0, 7))
    elif kind == "stop deployment":
        entry = ecs.history()[0]
        if entry["status"] in IN_FLIGHT:
            ecs.call("StopServiceDeployment", serviceDeploymentArn=entry["serviceDeploymentArn"])
        else:
            with pytest.raises(ApiError, match="ConflictException"):
                ecs.call("StopServiceDeployment", serviceDeploymentArn=entry["serviceDeploymentArn"])
    elif kind == "stop task" and (tasks := ecs.tasks()):
        ecs.call("StopTask", cluster="prod", task=rng.choice(tasks)["taskArn"])
    elif kind == "alarm":
        ecs.world.raise_alarm("111122223333", "eu-central-1", "high-5xx")
    ecs.advance(rng.choice((1, 10, 30, 90, 300)))


def check(ecs: Ecs) -> None:
    """Assert what holds at every moment."""
    service = ecs.service()
    deployments = service["deployments"]
    assert [item["status"] for item in deployments].count("PRIMARY") == 1
    assert deployments[0]["status"] == "PRIMARY"
    assert service["taskDefinition"] == deployments[0]["taskDefinition"]
    assert service["runningCount"] == sum(item["runningCount"] for item in deployments)
    assert service["pendingCount"] == sum(item["pendingCount"] for item in deployments)
    history = ecs.history()
    assert sum(item["status"] in IN_FLIGHT for item in history) <= 1
    assert all("finishedAt" in item for item in history if item["status"] not in IN_FLIGHT)
    known = {item["id"] for item in deployments}
    assert {task["startedBy"] for task in ecs.tasks()} <= known


@pytest.mark.parametrize("strategy", ["ROLLING", "BLUE_GREEN", "CANARY"])
@pytest.mark.parametrize("seed", range(8))
def test_a_service_stays_consistent_and_comes_to_rest(strategy: str, seed: int) -> None:
    rng = random.Random(seed)
    ecs = Ecs(seed=seed)
    ecs.world.deregistration_delay = 30.0
    configuration = {
        **BREAKER,
        "strategy": strategy,
        "bakeTimeInMinutes": 1,
        "alarms": {"enable": True, "rollback": True, "alarmNames": ["high-5xx"]},
    }
    balanced = BALANCED if rng.random() < 0.5 else []
    ecs.steady(3, deploymentConfiguration=configuration, loadBalancers=balanced)
    ecs.until(lambda: ecs.history()[0]["status"] == "SUCCESSFUL", limit=7200)
    for _ in range(25):
        act(ecs, rng)
        check(ecs)
    ecs.update(taskDefinition=ecs.define("v1"), desiredCount=3)
    ecs.until(lambda: ecs.history()[0]["status"] not in IN_FLIGHT, limit=7200)
    ecs.until(lambda: ecs.service()["runningCount"] == 3, limit=600)
    ecs.advance(600)
    check(ecs)
    service = ecs.service()
    assert ecs.history()[0]["status"] == "SUCCESSFUL"
    assert len(service["deployments"]) == 1
    assert (service["runningCount"], service["pendingCount"]) == (3, 0)
    assert ecs.messages()[-1] == "(service web) has reached a steady state."
