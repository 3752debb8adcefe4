from __future__ import annotations

from datetime import timedelta

import pytest

from sandbox.scenarios.empty import ACCOUNT_ID
from sandbox.server import SandboxServer


def seconds_to_steady(pace: float) -> float:
    """Create a service in a world of some pace and return the world seconds until ECS calls it COMPLETED."""
    with SandboxServer("empty", manual=True, throttle=False, pace=pace) as server:
        ecs = server.client("ecs", account_id=ACCOUNT_ID, region="us-east-1")
        ecs.create_cluster(clusterName="c")
        container = {"name": "app", "image": "app:v1", "memory": 64}
        ecs.register_task_definition(
            family="f",
            containerDefinitions=[container],
            requiresCompatibilities=["FARGATE"],
            networkMode="awsvpc",
            cpu="256",
            memory="512",
        )
        ecs.create_service(
            cluster="c",
            serviceName="s",
            taskDefinition="f",
            desiredCount=2,
            launchType="FARGATE",
            networkConfiguration={"awsvpcConfiguration": {"subnets": ["subnet-1"]}},
        )
        began = server.world.now
        for _ in range(600):
            server.world.advance(0.5)
            (service,) = ecs.describe_services(cluster="c", services=["s"])["services"]
            if service["deployments"][0].get("rolloutState") == "COMPLETED":
                assert service["createdAt"] >= began - timedelta(seconds=1)
                return (server.world.now - began).total_seconds()
    raise AssertionError("never steady")


def test_everything_takes_its_course_so_many_times_faster() -> None:
    usual, fast = seconds_to_steady(1), seconds_to_steady(10)
    assert usual / 14 < fast < usual / 6


def test_pace_must_be_positive() -> None:
    with pytest.raises(ValueError, match="above 0"):
        SandboxServer("empty", manual=True, pace=0)
