"""One account over HTTP with a cluster, `prod`, for the tests of what stands around ECS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox.scenarios.empty import ACCOUNT_ID
from sandbox.server import SandboxServer
from tests.sandbox.clients import client

NETWORK = {"awsvpcConfiguration": {"subnets": ["subnet-a", "subnet-b"], "securityGroups": ["sg-1"]}}


class Shop:
    """Builds services through boto3 and moves the world's clock."""

    def __init__(self, server: SandboxServer) -> None:
        self.server = server
        self.ecs = client(server, "ecs")
        self.ecs.create_cluster(clusterName="prod")
        self._vpc = ""

    def define(self, name: str, tag: str = "v1", *, memory: str = "512") -> str:
        answer = self.ecs.register_task_definition(
            family=name,
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            cpu="256",
            memory=memory,
            executionRoleArn=f"arn:aws:iam::{ACCOUNT_ID}:role/execution",
            containerDefinitions=[
                {
                    "name": "app",
                    "image": f"{ACCOUNT_ID}.dkr.ecr.us-east-1.amazonaws.com/{name}:{tag}",
                    "portMappings": [{"containerPort": 8080}],
                }
            ],
        )
        arn: str = answer["taskDefinition"]["taskDefinitionArn"]
        return arn

    def target_group(self, name: str = "web") -> str:
        """Make a target group through ELB."""
        if not self._vpc:
            made = client(self.server, "ec2").create_vpc(CidrBlock="10.0.0.0/16")
            self._vpc = made["Vpc"]["VpcId"]
        answer = client(self.server, "elbv2").create_target_group(
            Name=name, Protocol="HTTP", Port=80, VpcId=self._vpc, TargetType="ip"
        )
        arn: str = answer["TargetGroups"][0]["TargetGroupArn"]
        return arn

    def serve(
        self, name: str, desired: int, *, tag: str = "v1", target_group: str = "", **more: Any
    ) -> dict[str, Any]:
        if target_group:
            more["loadBalancers"] = [
                {"targetGroupArn": target_group, "containerName": "app", "containerPort": 8080}
            ]
        service: dict[str, Any] = self.ecs.create_service(
            cluster="prod",
            serviceName=name,
            taskDefinition=self.define(name, tag),
            desiredCount=desired,
            launchType="FARGATE",
            networkConfiguration=NETWORK,
            **more,
        )["service"]
        return service

    def steady(self, name: str, desired: int, **more: Any) -> dict[str, Any]:
        """Create a service and let its first deployment complete."""
        self.serve(name, desired, **more)
        self.advance(240)
        found = self.service(name)
        assert found["deployments"][0]["rolloutState"] == "COMPLETED"
        return found

    def service(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ecs.describe_services(cluster="prod", services=[name])["services"][0]
        return found

    def tasks(self, name: str) -> list[dict[str, Any]]:
        arns = self.ecs.list_tasks(cluster="prod", serviceName=name)["taskArns"]
        found: list[dict[str, Any]] = self.ecs.describe_tasks(cluster="prod", tasks=arns)["tasks"]
        return found

    def advance(self, seconds: float) -> None:
        self.server.world.advance(seconds)

    def until(self, condition: Callable[[], bool], *, step: float = 3.0, limit: float = 3600.0) -> float:
        """Advance until a condition holds and return how many seconds that took."""
        waited = 0.0
        while not condition():
            assert waited < limit, "the condition did not come to hold"
            self.advance(step)
            waited += step
        return waited
