from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sandbox.scenarios import NAMES, accounts_of, acme
from sandbox.scenarios.acme_catalog import PRODUCTION
from sandbox.server import SandboxServer
from tests.sandbox.clients import control


@pytest.fixture(scope="module")
def friday() -> Iterator[SandboxServer]:
    with SandboxServer("bad-friday", manual=True, throttle=False) as server:
        yield server


def service(server: SandboxServer, name: str, cluster: str = "prod-core") -> dict[str, Any]:
    client = server.client("ecs", account_id=PRODUCTION)
    found: dict[str, Any] = client.describe_services(cluster=cluster, services=[name])["services"][0]
    return found


def test_game_days_are_offered_with_acme_s_accounts() -> None:
    assert {"bad-friday", "zone-down"} <= set(NAMES)
    assert accounts_of("bad-friday") == accounts_of("zone-down") == acme.ACCOUNTS


def test_on_friday_half_of_production_deploys_during_a_freeze(friday: SandboxServer) -> None:
    client = friday.client("ecs", account_id=PRODUCTION)
    shown = client.describe_clusters(clusters=["prod-core"], include=["TAGS"])["clusters"][0]
    assert {"key": "change-freeze", "value": "weekend"} in shown["tags"]
    names = [
        arn.rsplit("/", 1)[1]
        for arn in client.list_services(cluster="prod-core", maxResults=100)["serviceArns"]
    ]
    states = Counter(service(friday, name)["deployments"][0]["rolloutState"] for name in names)
    assert states["IN_PROGRESS"] >= len(names) // 3
    assert abs(friday.world.now - datetime.now(UTC)) < timedelta(minutes=2)


def test_on_friday_checkout_runs_full_and_nothing_rolls_it_back(friday: SandboxServer) -> None:
    def killed() -> list[dict[str, Any]]:
        client = friday.client("ecs", account_id=PRODUCTION)
        arns = client.list_tasks(cluster="prod-core", serviceName="checkout-api", desiredStatus="STOPPED")[
            "taskArns"
        ]
        tasks = client.describe_tasks(cluster="prod-core", tasks=arns)["tasks"] if arns else []
        return [one for task in tasks for one in task["containers"] if one.get("exitCode") == 137]

    friday.world.advance(900)
    assert killed()
    assert all(one["reason"].startswith("OutOfMemoryError") for one in killed())
    release = service(friday, "checkout-api")
    assert len(release["deployments"]) == 1
    definition = friday.client("ecs", account_id=PRODUCTION).describe_task_definition(
        taskDefinition=release["taskDefinition"]
    )["taskDefinition"]
    assert definition["containerDefinitions"][0]["image"].endswith("-leak")


def test_a_lost_zone_stops_its_tasks_and_the_others_take_them_over() -> None:
    with SandboxServer("zone-down", manual=True, throttle=False) as server:
        client = server.client("ecs", account_id=PRODUCTION)
        cart = service(server, "cart-api")
        assert cart["runningCount"] < cart["desiredCount"]
        assert any("Capacity is unavailable" in event["message"] for event in cart["events"])
        server.world.advance(600)
        cart = service(server, "cart-api")
        assert cart["runningCount"] == cart["desiredCount"]
        arns = client.list_tasks(cluster="prod-core", serviceName="cart-api")["taskArns"]
        zones = {
            task["availabilityZone"]
            for task in client.describe_tasks(cluster="prod-core", tasks=arns)["tasks"]
        }
        assert zones == {"us-east-1b", "us-east-1c"}
        place = {"account": PRODUCTION, "region": "us-east-1", "zone": "us-east-1a"}
        assert control(server, "POST", "zone", {**place, "available": True}) == (
            200,
            {"zone": "us-east-1a", "available": True},
        )


def test_releases_of_the_past_failed_in_different_ways(acme: SandboxServer) -> None:
    reasons = Counter(
        entry.status_reason.split(" rolled back ")[1].split()[3]
        for cluster in acme.world.region(PRODUCTION, "us-east-1").clusters.values()
        for service in cluster.services.values()
        for entry in service.history
        if entry.status == "ROLLBACK_SUCCESSFUL"
    )
    assert len(reasons) >= 2
    people = {
        entry.created_by.rsplit("/", 1)[1]
        for cluster in acme.world.region(PRODUCTION, "us-east-1").clusters.values()
        for service in cluster.services.values()
        for entry in service.history
    }
    assert sum("@shop.example" in one for one in people) >= 3
    assert sum("github-actions" in one for one in people) >= 10
