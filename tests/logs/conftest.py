"""A service whose tasks write to the sandbox's CloudWatch Logs, and the console that reads them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
import redis

import aws
from aws.sessions import sessions
from clusters.models import Service, Task
from logs.models import LogTail
from sandbox.identity import HUB_ACCESS_KEY, HUB_SECRET_KEY
from sandbox.ports import Caller
from sandbox.scenarios.empty import ACCOUNT_ID, EXTERNAL_ID, READ_ROLE_ARN
from sandbox.server import SandboxServer
from tests.builders import make_account, make_cluster, make_service, make_task, make_task_definition

GROUP = "/ecs/checkout-api"


class LogWorld:
    """The service checkout-api with two running tasks."""

    def __init__(self, server: SandboxServer) -> None:
        self.server = server
        account = make_account(
            "production", account_id=ACCOUNT_ID, role_arn=READ_ROLE_ARN, external_id=EXTERNAL_ID
        )
        self.cluster = make_cluster(account=account)
        self.service: Service = make_service(cluster=self.cluster)
        make_task_definition(self.service)
        self.first: Task = make_task(self.service, task_id="e8820f" + "0" * 26)
        self.second: Task = make_task(self.service, task_id="41aa90" + "0" * 26)
        server.client("logs", account_id=ACCOUNT_ID).create_log_group(logGroupName=GROUP)

    @property
    def now(self) -> datetime:
        return self.server.world.now

    def write(
        self, task: Task | str, *texts: str, ago: float = 1.0, container: str = "app", group: str = GROUP
    ) -> None:
        task_id = task if isinstance(task, str) else task.task_id
        start = self.now - timedelta(seconds=ago)
        lines = [(start + timedelta(milliseconds=n), text) for n, text in enumerate(texts)]
        caller = Caller(ACCOUNT_ID, "us-east-1")
        assert self.server.surroundings.write_log(
            caller, group, f"ecs/{container}/{task_id}", lines, create_group=True
        )

    def count(self, operation: str = "FilterLogEvents") -> int:
        return self.server.calls.count(operation)

    def tail(self) -> LogTail:
        return LogTail.objects.get()

    def url(self, page: str = "") -> str:
        return f"{self.service.get_absolute_url()}logs/{page}"


@pytest.fixture
def world(
    db: None, sandbox: SandboxServer, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[LogWorld]:
    monkeypatch.setenv("AWS_ENDPOINT_URL", sandbox.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", HUB_ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", HUB_SECRET_KEY)
    aws.configure(redis_url="", share=1.0)
    sessions.clear()
    # The keys of tails are made of names, so two tests have the same ones.
    client = redis.Redis.from_url(redis_url)
    for key in client.scan_iter("ec:log:*"):
        client.delete(key)
    yield LogWorld(sandbox)
    sessions.clear()
