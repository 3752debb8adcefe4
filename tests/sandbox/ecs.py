"""One account's ECS in a world without HTTP, in the few words that the tests need."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sandbox.model import output_problems
from sandbox.ports import Caller, PlainSurroundings
from sandbox.world import World

START = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
ACCOUNT, REGION = "111122223333", "eu-central-1"
DEV = Caller(ACCOUNT, REGION, f"arn:aws:iam::{ACCOUNT}:role/dev")
REPOSITORY = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/web"
NETWORK = {"awsvpcConfiguration": {"subnets": ["subnet-a", "subnet-b"], "securityGroups": ["sg-1"]}}
BREAKER = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}
TARGET_GROUP = f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:targetgroup/web/0123456789abcdef"


class Ecs:
    """A world with one cluster, `prod`; every answer is checked against botocore's model."""

    def __init__(
        self, *, seed: int = 7, log_interval: float | None = None, account_id: str = ACCOUNT
    ) -> None:
        self.caller = replace(DEV, account_id=account_id)
        self.surroundings = PlainSurroundings()
        self.world = World(self.surroundings, seed=seed, start=START, log_interval=log_interval)
        self.call("CreateCluster", clusterName="prod")

    def call(self, operation: str, caller: Caller | None = None, **params: Any) -> dict[str, Any]:
        output = self.world.call(caller or self.caller, operation, params)
        assert output_problems(operation, output) == []
        return output

    def advance(self, seconds: float) -> None:
        self.world.advance(seconds)

    def define(self, tag: str = "v1", *, family: str = "web", container: Any = None, **more: Any) -> str:
        """Register a Fargate task definition of one container and return its ARN."""
        one = {
            "name": "app",
            "image": f"{REPOSITORY}:{tag}",
            "portMappings": [{"containerPort": 8080}],
            "logConfiguration": {
                "logDriver": "awslogs",
                "options": {"awslogs-group": "/ecs/web", "awslogs-stream-prefix": "web"},
            },
            **(container or {}),
        }
        params: dict[str, Any] = {
            "family": family,
            "networkMode": "awsvpc",
            "requiresCompatibilities": ["FARGATE"],
            "cpu": "256",
            "memory": "512",
            "executionRoleArn": f"arn:aws:iam::{ACCOUNT}:role/execution",
            "containerDefinitions": [one],
            **more,
        }
        arn: str = self.call("RegisterTaskDefinition", **params)["taskDefinition"]["taskDefinitionArn"]
        return arn

    def serve(self, desired: int = 2, *, name: str = "web", tag: str = "v1", **more: Any) -> dict[str, Any]:
        """Create a Fargate service."""
        params: dict[str, Any] = {
            "cluster": "prod",
            "serviceName": name,
            "desiredCount": desired,
            "launchType": "FARGATE",
            "networkConfiguration": NETWORK,
            **more,
        }
        params.setdefault("taskDefinition", None)
        params["taskDefinition"] = params["taskDefinition"] or self.define(tag)
        service: dict[str, Any] = self.call("CreateService", **params)["service"]
        return service

    def steady(self, desired: int = 2, **more: Any) -> dict[str, Any]:
        """Create a service and let its first deployment complete."""
        self.serve(desired, **more)
        self.advance(180)
        return self.service(more.get("name", "web"))

    def update(self, *, name: str = "web", **changes: Any) -> dict[str, Any]:
        service: dict[str, Any] = self.call("UpdateService", cluster="prod", service=name, **changes)[
            "service"
        ]
        return service

    def service(self, name: str = "web") -> dict[str, Any]:
        service: dict[str, Any] = self.call("DescribeServices", cluster="prod", services=[name])["services"][
            0
        ]
        return service

    def messages(self, name: str = "web") -> list[str]:
        """Return a service's event messages, oldest first."""
        return [event["message"] for event in reversed(self.service(name)["events"])]

    def tasks(self, status: str = "RUNNING", **filters: Any) -> list[dict[str, Any]]:
        arns = self.call("ListTasks", cluster="prod", desiredStatus=status, **filters)["taskArns"]
        if not arns:
            return []
        found: list[dict[str, Any]] = self.call("DescribeTasks", cluster="prod", tasks=arns)["tasks"]
        return found

    def history(self, name: str = "web") -> list[dict[str, Any]]:
        """Return a service's deployments in full, newest first."""
        brief = self.call("ListServiceDeployments", cluster="prod", service=name)["serviceDeployments"]
        arns = [item["serviceDeploymentArn"] for item in brief]
        described: list[dict[str, Any]] = self.call("DescribeServiceDeployments", serviceDeploymentArns=arns)[
            "serviceDeployments"
        ]
        return described

    def until(self, condition: Any, *, step: float = 5.0, limit: float = 3600.0) -> float:
        """Advance until a condition holds and return how many seconds that took."""
        waited = 0.0
        while not condition():
            assert waited < limit, "the condition did not come to hold"
            self.advance(step)
            waited += step
        return waited
