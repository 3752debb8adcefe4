"""A small world in the sandbox, polled as the console polls it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

import aws
from aws.sessions import sessions
from clusters import polling
from clusters.models import Account, PollTarget
from sandbox.ports import Caller
from sandbox.scenarios.empty import ACCOUNT_ID, EXTERNAL_ID, READ_ROLE_ARN, ROLE_ARN

if TYPE_CHECKING:
    from sandbox.server import SandboxServer

REGION = "us-east-1"


class World:
    """Builds in the sandbox, and polls it into the database."""

    def __init__(self, server: SandboxServer) -> None:
        self.server = server
        self.target = self.add_target(REGION)

    def add_target(self, region: str) -> PollTarget:
        account, _ = Account.objects.get_or_create(
            account_id=ACCOUNT_ID,
            defaults={
                "name": "empty",
                "environment": "production",
                "role_arn": READ_ROLE_ARN,
                "deploy_role_arn": ROLE_ARN,
                "external_id": EXTERNAL_ID,
                "regions": [REGION],
            },
        )
        return PollTarget.objects.create(account=account, region=region)

    def call(self, operation: str, **params: Any) -> dict[str, Any]:
        return self.server.world.call(Caller(ACCOUNT_ID, REGION), operation, params)

    def add_cluster(self, name: str) -> None:
        self.call("CreateCluster", clusterName=name)

    def register(self, family: str = "web", tag: str = "v1", **container: Any) -> str:
        answer = self.call(
            "RegisterTaskDefinition",
            family=family,
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            cpu="256",
            memory="512",
            containerDefinitions=[
                {
                    "name": "app",
                    "image": f"public.ecr.aws/shop/{family}:{tag}",
                    "essential": True,
                    **container,
                }
            ],
        )
        return str(answer["taskDefinition"]["taskDefinitionArn"])

    def add_service(self, cluster: str, name: str, definition: str, desired: int = 2) -> None:
        self.call(
            "CreateService",
            cluster=cluster,
            serviceName=name,
            taskDefinition=definition,
            desiredCount=desired,
            launchType="FARGATE",
            networkConfiguration={"awsvpcConfiguration": {"subnets": ["subnet-0a1b2c3d4e5f60718"]}},
            deploymentConfiguration={"deploymentCircuitBreaker": {"enable": True, "rollback": True}},
        )

    def settle(self, cluster: str, name: str) -> None:
        since = self.server.world.now - timedelta(hours=2)
        self.server.world.settle(Caller(ACCOUNT_ID, REGION), cluster, name, running_since=since)

    def advance(self, seconds: float) -> None:
        self.server.world.advance(seconds)

    def poll(self, *, walk: bool = False) -> bool:
        """Poll once as if its time had come."""
        if walk:
            PollTarget.objects.filter(pk=self.target.pk).update(next_full_at=timezone.now())
        polled = polling.poll_target(self.target.pk, timezone.now())
        self.target.refresh_from_db()
        return polled

    def count(self, *operations: str) -> int:
        return sum(self.server.calls.count(operation) for operation in operations)


@pytest.fixture
def world(db: None, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The empty sandbox with a cluster `core` and a settled service `web` of two tasks, not yet polled."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", sandbox.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIASANDBOXHUB000000")
    aws.configure(redis_url="", share=1.0)
    sessions.clear()
    world = World(sandbox)
    world.add_cluster("core")
    world.add_service("core", "web", world.register())
    world.settle("core", "web")
    yield world
    sessions.clear()
