from __future__ import annotations

import time

from sandbox.scenarios.fleet import ACCOUNT_ID, SIZES_1000, SIZES_5000
from sandbox.server import SandboxServer


def test_sizes_add_up() -> None:
    assert sum(SIZES_1000) == 1_000
    assert sum(SIZES_5000) == 5_000
    assert len(SIZES_1000) == 10
    assert len(SIZES_5000) == 20


def test_fleet_1000_has_four_thousand_running_tasks_and_costs_nothing_while_quiet() -> None:
    began = time.perf_counter()
    server = SandboxServer("fleet-1000", manual=True, throttle=False)
    assert time.perf_counter() - began < 3
    with server:
        client = server.client("ecs", account_id=ACCOUNT_ID)
        names = [arn.rsplit("/", 1)[1] for arn in client.list_clusters()["clusterArns"]]
        clusters = client.describe_clusters(clusters=names)["clusters"]
        assert sorted(item["activeServicesCount"] for item in clusters) == sorted(SIZES_1000)
        assert sum(item["runningTasksCount"] for item in clusters) == 4_000
        began = time.perf_counter()
        server.world.advance(3600)
        assert time.perf_counter() - began < 1
        clusters = client.describe_clusters(clusters=names)["clusters"]
        assert sum(item["runningTasksCount"] for item in clusters) == 4_000
