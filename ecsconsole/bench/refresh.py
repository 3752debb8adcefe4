"""One full refresh of the inventory: calls against the formula, time against the bare bytes."""

from __future__ import annotations

import argparse
import http.client
import math
import time
from collections.abc import Callable
from typing import Any

import orjson
from django.utils import timezone

from ecsconsole.bench.world import BenchWorld

CHANGED_SHARE = 0.01


def formula(services: list[int], tasks: list[int]) -> int:
    """Return the least calls of a full refresh, by services and running tasks of each cluster."""
    clusters = math.ceil(len(services) / 100) * 2
    of_services = sum(math.ceil(n / 100) + math.ceil(n / 10) for n in services)
    return clusters + of_services + sum(2 * math.ceil(n / 100) for n in tasks)


def timed(call: Callable[[], Any]) -> dict[str, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return {"wall_s": round(time.perf_counter() - wall, 3), "cpu_s": round(time.process_time() - cpu, 3)}


def measure_refresh(world: BenchWorld, options: argparse.Namespace) -> dict[str, Any]:
    """Read everything once, again unchanged, and again with one service in a hundred changed."""
    from clusters.models import Cluster, PollTarget, Service, Task

    target = PollTarget.objects.get()
    results: dict[str, Any] = {"first": timed(lambda: refresh(target.pk))}
    world.control("POST", "calls/reset")
    results["unchanged"] = timed(lambda: refresh(target.pk))
    calls = count_ecs_calls(world)
    change_some(int(Service.objects.count() * CHANGED_SHARE))
    results["one_percent_changed"] = timed(lambda: refresh(target.pk))
    clusters = list(Cluster.objects.filter(gone_at=None))
    services = [cluster.services.filter(gone_at=None).count() for cluster in clusters]
    tasks = [cluster.tasks.filter(gone_at=None, last_status="RUNNING").count() for cluster in clusters]
    results["floor"] = timed(lambda: fetch_bare(world, sum(math.ceil(n / 10) for n in services)))
    return {
        "services": sum(services),
        "tasks": Task.objects.filter(gone_at=None, last_status="RUNNING").count(),
        "calls": calls,
        "formula": formula(services, tasks),
        **results,
        "cpu_ratio_unchanged_to_floor": round(results["unchanged"]["cpu_s"] / results["floor"]["cpu_s"], 2),
    }


def refresh(target_id: int) -> None:
    """Make everything due and poll once, as a worker does."""
    from clusters.models import PollTarget
    from clusters.polling import poll_target

    now = timezone.now()
    PollTarget.objects.filter(pk=target_id).update(next_due_at=now, next_full_at=now, lease_expires_at=None)
    poll_target(target_id, now)


def count_ecs_calls(world: BenchWorld) -> int:
    """Return how many calls the sandbox has counted for ECS."""
    counted = world.control("GET", "calls")
    return sum(call["count"] for call in counted["calls"] if call["service"] == "ecs")


def change_some(count: int) -> None:
    """Change the desired count of some services behind the console's back."""
    from aws.operator import Operator
    from clusters.models import Service
    from clusters.queries import scope_of

    services = Service.objects.select_related("cluster__account").order_by("?")[:count]
    for service in services:
        operator = Operator(scope_of(service), source_identity="bench", change_id=0)
        operator.update_service(
            cluster=service.cluster.name, service=service.name, desiredCount=service.desired_count + 1
        )


def fetch_bare(world: BenchWorld, calls: int) -> None:
    """Fetch as many service descriptions with nothing but a socket and a JSON parser: the floor."""
    from clusters.models import Service
    from sandbox.scenarios.fleet import ACCOUNT_ID

    connection = http.client.HTTPConnection("127.0.0.1", world.sandbox_port, timeout=30)
    service = Service.objects.select_related("cluster").order_by("pk")[0]
    names = list(Service.objects.filter(cluster=service.cluster).values_list("name", flat=True)[:10])
    body = orjson.dumps({"cluster": service.cluster.name, "services": names})
    headers = {
        "X-Amz-Target": "AmazonEC2ContainerServiceV20141113.DescribeServices",
        "Content-Type": "application/x-amz-json-1.1",
        "Authorization": f"AWS4-HMAC-SHA256 Credential={ACCOUNT_ID}/20260101/us-east-1/ecs/aws4_request",
    }
    # The sandbox takes an account's number as the access key of a user of that account.
    for _ in range(calls):
        connection.request("POST", "/", body, headers)
        orjson.loads(connection.getresponse().read())
