"""What the cluster page shows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db.models import Count, Exists, OuterRef, Q

from clusters.fleet_queries import Group, Row, place_note, places_of, read_rows, with_html
from clusters.models import Cluster, Service, Task
from clusters.sources import Source, source_of, visible_targets
from clusters.status import SEVERITY, Status
from ecsconsole.errors import NotFoundError

if TYPE_CHECKING:
    from access.queries import Access

TASK_STATES = (
    "RUNNING",
    "PENDING",
    "PROVISIONING",
    "ACTIVATING",
    "DEACTIVATING",
    "STOPPING",
    "DEPROVISIONING",
)


@dataclass(frozen=True, slots=True)
class ClusterPage:
    """A cluster with its services as the fleet shows them, and the facts beside."""

    cluster: Cluster
    group: Group
    source: Source | None
    counts: list[tuple[Status, int]]
    tasks: list[tuple[str, int]]
    strategy: list[dict[str, Any]]
    providers: list[str]
    settings: list[tuple[str, str]]
    tags: list[tuple[str, str]]
    instance_count: int
    loose_tasks: int


def find_cluster(access: Access, account_id: str, region: str, name: str) -> Cluster:
    """Return a cluster that a person may see, or sees a service of; otherwise not found."""
    services = access.visible(Service.objects.all()).filter(cluster=OuterRef("pk"))
    seen = access.visible(Cluster.objects.all())
    clusters = Cluster.objects.select_related("account").filter(
        Q(pk__in=seen.values("pk")) | Exists(services),
        account__account_id=account_id,
        region=region,
        name=name,
    )
    cluster = clusters.first()
    if cluster is None:
        raise NotFoundError(
            "Nothing is at this address, or you may not see it.",
            advice="Search for it by name, or ask an admin for the viewer role where it runs.",
        )
    return cluster


def read_cluster(access: Access, cluster: Cluster, now: datetime) -> ClusterPage:
    """Read a cluster's page for one person."""
    visible = access.visible(Service.objects.filter(cluster=cluster, gone_at__isnull=True)).order_by("name")
    target = visible_targets(access).filter(account=cluster.account, region=cluster.region).first()
    source = source_of(target, now) if target else None
    places = places_of(visible)
    rows = read_rows(visible, places, [source] if source else [], now)
    rows.sort(key=lambda row: SEVERITY[row.status])
    facts = cluster.facts
    return ClusterPage(
        cluster=cluster,
        group=with_html(Group("services", rows, note=note_of(rows)), now),
        source=source,
        counts=[(status, count) for status, count in Counter(row.status for row in rows).items()],
        tasks=task_counts(access, cluster),
        strategy=facts.get("defaultCapacityProviderStrategy") or [],
        providers=facts.get("capacityProviders") or [],
        settings=[(item.get("name", ""), item.get("value", "")) for item in facts.get("settings") or []],
        tags=sorted((tag.get("key", ""), tag.get("value", "")) for tag in facts.get("tags") or []),
        instance_count=facts.get("registeredContainerInstancesCount") or 0,
        loose_tasks=access.visible(
            Task.objects.filter(cluster=cluster, service__isnull=True, gone_at__isnull=True)
        )
        .exclude(last_status="STOPPED")
        .count(),
    )


def note_of(rows: list[Row]) -> str:
    return place_note(rows[0].place, rows, 0) if rows else ""


def task_counts(access: Access, cluster: Cluster) -> list[tuple[str, int]]:
    """Return how many tasks are in each of ECS's states, in the order of a task's life."""
    tasks = access.visible(Task.objects.filter(cluster=cluster, gone_at__isnull=True)).order_by()
    counted = dict(tasks.values_list("last_status").annotate(count=Count("pk")))
    return [(state, counted[state]) for state in TASK_STATES if counted.get(state)]
