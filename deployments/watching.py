"""Watching together: the changes that only look on in one cluster share one look, each under its own lease."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from django.db.models import Q

from aws.calls import in_batches
from aws.ecs import SERVICES_PER_CALL
from clusters.models import Service
from clusters.queries import scope_of
from deployments import dispatch, leases
from deployments.dispatch import Connect
from deployments.gateway import AwsGateway, Gateway, Reading, read_together
from deployments.leases import Lease
from deployments.models import Change, Kind
from deployments.running import SOON
from deployments.states import State

# The step of every verb that has made its calls and looks on.
WATCH = "watch"
WATCHED = Q(step=WATCH, state__in=(State.RUNNING, State.ROLLING_BACK, State.NEEDS_ATTENTION))
# These look at a task and not at the service.
OF_TASKS = (Kind.STOP_TASK, Kind.RUN_TASK)
# Who is due this soon comes along. Half a pace is enough for any two to fall into step and stay there.
EARLY = timedelta(seconds=SOON / 2)


def watched(now: datetime) -> Q:
    """Match changes that look on and are due, or will be in a moment."""
    return WATCHED & ~Q(kind__in=OF_TASKS) & Q(next_wake_at__lte=now + EARLY)


def groups_of(due: Collection[int], now: datetime) -> list[list[int]]:
    """Return who of the due changes looks together with whom, at most as many as one call describes."""
    free = Q(lease_expires_at=None) | Q(lease_expires_at__lte=now)
    rows = Change.objects.filter(watched(now), free).order_by("next_wake_at", "pk")
    clusters: dict[int, list[int]] = defaultdict(list)
    for change_id, cluster_id in rows.values_list("pk", "service__cluster_id"):
        clusters[cluster_id].append(change_id)
    wanted = set(due)
    batches = [batch for ids in clusters.values() for batch in in_batches(ids, SERVICES_PER_CALL)]
    return [batch for batch in batches if len(batch) > 1 and wanted.intersection(batch)]


def watch(change_ids: Sequence[int], *, now: datetime, connect: Connect = AwsGateway) -> None:
    """Look once for all of them and make the step of each; repeated or too early it does nothing.

    All leases are taken before the look, and a change calls AWS only under its lease: so nobody sees a look that is
    older than a call of their own. Costs one DescribeServices and one DescribeServiceDeployments.
    """
    if not Change.objects.filter(pk__in=change_ids, next_wake_at__lte=now).exists():
        return
    ready = watched(now)
    held = [lease for pk in change_ids if (lease := leases.take(pk, now, ready)) is not None]
    try:
        reading = look(held) if held else None
        while held and reading is not None:
            step_with(reading, held.pop(0), now, connect)
    finally:
        for lease in held:
            leases.release(lease)


def look(held: Sequence[Lease]) -> Reading:
    """Read the services of all whose leases are held, and the deployments that they look at."""
    rows = Change.objects.filter(pk__in=[lease.change_id for lease in held])
    changes = list(rows.select_related("service__cluster__account"))
    service = changes[0].service
    names = [change.service.name for change in changes]
    arns = [arn for change in changes if (arn := deployment_of(change))]
    return read_together(scope_of(service), service.cluster.name, names, arns)


def deployment_of(change: Change) -> str:
    """Return the service deployment that a change looks at, empty while it is not known."""
    known = change.progress.get("service_deployment_arn") or change.spec.get("service_deployment_arn")
    return str(known or "")


def step_with(reading: Reading, lease: Lease, now: datetime, connect: Connect) -> None:
    """Make one change's step on what was read for all."""

    def connected(service: Service, change: Change) -> Gateway:
        gateway = connect(service, change)
        gateway.reading = reading
        return gateway

    dispatch.step_and_release(lease, now, connected)
