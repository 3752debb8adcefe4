"""One full refresh of the inventory: calls against the formula, time against the bare bytes."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from django.db.models import F
from django.utils import timezone

from ecsconsole.bench.bare import BareReader
from ecsconsole.bench.figures import ROUNDS, Spent, ratios, spent, spread_of
from ecsconsole.bench.world import BenchWorld
from ecsconsole.stack import CannotStartError

CHANGED_SHARE = 0.01
MOST_SETTLING_READS = 100
# Of one walk; deployments and task definitions are read once for each that is new.
OF_A_WALK = (
    "ListClusters",
    "DescribeClusters",
    "ListServices",
    "DescribeServices",
    "ListTasks",
    "DescribeTasks",
)


def formula(services: Sequence[int], tasks: Sequence[int]) -> int:
    """Return the least calls of a full refresh, by services and running tasks of each cluster."""
    clusters = math.ceil(len(services) / 100) * 2
    of_services = sum(math.ceil(n / 100) + math.ceil(n / 10) for n in services)
    return clusters + of_services + sum(2 * math.ceil(n / 100) for n in tasks)


def measure_refresh(world: BenchWorld, options: argparse.Namespace) -> dict[str, Any]:
    """Read everything once, then unchanged and with one service in a hundred changed, each beside the bare bytes."""
    from clusters.models import PollTarget, Service, Task

    target = PollTarget.objects.select_related("account").get()
    bare = BareReader(world, target.account.account_id, target.region)
    first = spent(lambda: refresh(target.pk))
    reads = settle(target.pk)
    services, tasks = bare.walk()
    least, calls_of_bare = formula(services, tasks), bare.calls
    world.control("POST", "calls/reset")
    refresh(target.pk)
    calls = ecs_calls(world)
    unchanged, floor = in_turn(lambda: refresh(target.pk), bare)
    written: list[int] = []
    changed, floor_changed = in_turn(lambda: written.append(refresh(target.pk)), bare, before=change_some)
    bare.close()
    return {
        "services": Service.objects.filter(gone_at=None).count(),
        "tasks": Task.objects.filter(gone_at=None, last_status="RUNNING").count(),
        "calls": {
            "console": sum(calls.values()),
            "formula": least,
            "bare_walk": calls_of_bare,
            "beyond_the_walk": {name: n for name, n in calls.items() if name not in OF_A_WALK},
        },
        "first_s": {"wall": round(first.wall_s, 2), "cpu": round(first.cpu_s, 2)},
        "reads_until_settled": reads,
        "unchanged": {**spread_of(unchanged), "cpu_to_bare": of_cpu(unchanged, floor)},
        "one_percent_changed": {
            **spread_of(changed),
            "cpu_to_bare": of_cpu(changed, floor_changed),
            "services_written": written,
        },
        "bare_bytes": spread_of([*floor, *floor_changed]),
    }


def of_cpu(runs: Sequence[Spent], floor: Sequence[Spent]) -> dict[str, float | list[float]]:
    return ratios([run.cpu_s for run in runs], [run.cpu_s for run in floor])


def in_turn(
    measured: Callable[[], Any], bare: BareReader, *, before: Callable[[], Any] = lambda: None
) -> tuple[list[Spent], list[Spent]]:
    """Run the measured and the bare in turn, so that whatever else the machine does meets both."""
    runs, floor = [], []
    for _ in range(ROUNDS):
        before()
        runs.append(spent(measured))
        floor.append(spent(bare.walk))
    return runs, floor


def refresh(target_id: int) -> int:
    """Walk everything, as a worker does; return how many services were written."""
    from clusters.models import PollTarget, Service

    now = timezone.now()
    PollTarget.objects.filter(pk=target_id).update(next_due_at=now, next_full_at=now, lease_expires_at=None)
    poll(target_id, now)
    return Service.objects.filter(changed_at__gte=now).count()


def poll(target_id: int, now: datetime) -> None:
    """Poll once; a read that fails in any part fails the run."""
    from clusters.models import PollTarget
    from clusters.polling import poll_target

    if not poll_target(target_id, now):
        raise CannotStartError("Somebody else reads the measured account.")
    target = PollTarget.objects.get(pk=target_id)
    if target.failing_since is not None:
        raise CannotStartError(f"A read failed: {target.error_action}: {target.error_message}")


def settle(target_id: int) -> int:
    """Poll until every deployment has been read once, a part in each read; return how many reads that took."""
    from clusters.models import PollTarget, Service

    for number in range(MOST_SETTLING_READS):
        if not Service.objects.filter(gone_at=None).exclude(rollout_key=F("rollout_read")).exists():
            return number
        now = timezone.now()
        PollTarget.objects.filter(pk=target_id).update(next_due_at=now, lease_expires_at=None)
        poll(target_id, now)
    raise CannotStartError(f"The deployments were not read after {MOST_SETTLING_READS} reads.")


def ecs_calls(world: BenchWorld) -> dict[str, int]:
    """Return how many calls of each operation the sandbox has counted for ECS since the last reset."""
    operations = world.control("GET", "calls")["operations"]
    return {name.removeprefix("ecs:"): count for name, count in operations.items() if name.startswith("ecs:")}


def change_some() -> None:
    """Change the desired count of one service in a hundred behind the console's back."""
    from aws.operator import Operator
    from clusters.models import Service
    from clusters.queries import scope_of

    rows = Service.objects.filter(gone_at=None).select_related("cluster__account")
    count = max(1, round(rows.count() * CHANGED_SHARE))
    for service in rows.order_by("?")[:count]:
        operator = Operator(scope_of(service), source_identity="bench", change_id=0)
        operator.update_service(
            cluster=service.cluster.name, service=service.name, desiredCount=service.desired_count + 1
        )
