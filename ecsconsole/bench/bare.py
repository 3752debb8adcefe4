"""The peer of a refresh: the same descriptions with nothing but a socket and a JSON parser."""

from __future__ import annotations

import http.client
from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from ecsconsole.bench.world import BenchWorld

JSON_TYPE = "application/x-amz-json-1.1"
TARGET = "AmazonEC2ContainerServiceV20141113"


class BareReader:
    """Reads a whole region over one connection, unsigned; counts its calls."""

    def __init__(self, world: BenchWorld, account_id: str, region: str) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", world.sandbox_port, timeout=30)
        # The sandbox takes an account's number as the access key of a user of that account.
        credential = f"Credential={account_id}/20260101/{region}/ecs/aws4_request"
        self.authorization = f"AWS4-HMAC-SHA256 {credential}, SignedHeaders=host, Signature=0"
        self.calls = 0

    def walk(self) -> tuple[list[int], list[int]]:
        """Read everything in the largest batches; return the services and the tasks of each cluster."""
        clusters = self.listed("ListClusters", "clusterArns")
        for batch in cut(clusters, 100):
            self.call("DescribeClusters", clusters=batch, include=["TAGS", "SETTINGS"])
        services, tasks = [], []
        for cluster in clusters:
            found = self.listed("ListServices", "serviceArns", cluster=cluster)
            for batch in cut(found, 10):
                self.call("DescribeServices", cluster=cluster, services=batch, include=["TAGS"])
            services.append(len(found))
            found = self.listed("ListTasks", "taskArns", cluster=cluster)
            for batch in cut(found, 100):
                self.call("DescribeTasks", cluster=cluster, tasks=batch)
            tasks.append(len(found))
        return services, tasks

    def listed(self, operation: str, member: str, **asked: Any) -> list[str]:
        """Read a whole list, a hundred to the page."""
        found: list[str] = []
        token = ""
        while True:
            page = self.call(operation, **asked, maxResults=100, **({"nextToken": token} if token else {}))
            found += page[member]
            token = page.get("nextToken") or ""
            if not token:
                return found

    def call(self, operation: str, **asked: Any) -> dict[str, Any]:
        """Make one call; anything but an answer fails the run."""
        headers = {
            "X-Amz-Target": f"{TARGET}.{operation}",
            "Content-Type": JSON_TYPE,
            "Authorization": self.authorization,
        }
        self.connection.request("POST", "/", orjson.dumps(asked), headers)
        response = self.connection.getresponse()
        answer: dict[str, Any] = orjson.loads(response.read())
        if response.status != 200:
            raise RuntimeError(f"{operation} was answered {response.status}: {answer}")
        self.calls += 1
        return answer

    def close(self) -> None:
        self.connection.close()


def cut(items: Sequence[str], size: int) -> Iterator[list[str]]:
    """Cut a list into pieces of at most this size."""
    for start in range(0, len(items), size):
        yield list(items[start : start + size])
