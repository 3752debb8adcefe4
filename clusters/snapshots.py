"""Takes over what ECS described: only what differs is written, and nothing is deleted.

Every function compares hashes that are read in one query, so a read without changes writes no row. An observation that
is older than the stored one is ignored. The caller holds the transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeVar

from django.db.models import Model

from clusters.changes import Changes
from clusters.hashing import as_facts, rollout_key, state_hash
from clusters.models import Account, Cluster, Service, ServiceEvent, Task
from clusters.service_view import primary_of
from clusters.spans import parse_time

Item = Mapping[str, Any]
M = TypeVar("M", bound=Model)
# How long a service is read often after tasks of it have vanished from the list: long enough to see how they ended.
FOLLOW_SECONDS = 20
OBSERVED = ["facts", "state_hash", "observed_at", "changed_at", "gone_at"]
CLUSTER_FIELDS = [*OBSERVED, "status"]
SERVICE_FIELDS = [
    *OBSERVED,
    "ecs_status",
    "scheduling_strategy",
    "deployment_controller",
    "launch_type",
    "task_definition_arn",
    "desired_count",
    "running_count",
    "pending_count",
    "rollout_state",
    "deployed_at",
    "described_at",
    "rollout_key",
]
TASK_FIELDS = [
    *OBSERVED,
    "service",
    "last_status",
    "desired_status",
    "health_status",
    "task_definition_arn",
    "started_by",
    "availability_zone",
    "stop_code",
    "stopped_reason",
    "exit_code",
    "created_at",
    "started_at",
    "stopped_at",
]


class Known(NamedTuple):
    """What is stored of a row, as far as comparing needs it."""

    pk: int
    hash: str
    observed_at: datetime
    gone_at: datetime | None
    newest_event_id: str = ""

    @property
    def is_gone(self) -> bool:
        return self.gone_at is not None


def known_by_arn(rows: Any, *more: str) -> dict[str, Known]:
    """Return what is stored, by ARN, in one query."""
    values = rows.order_by().values_list("arn", "pk", "state_hash", "observed_at", "gone_at", *more)
    return {row[0]: Known(*row[1:]) for row in values}


def differs(known: Known | None, new_hash: str, observed_at: datetime) -> bool:
    """Whether a description is news: unknown, different or back again, and not older than what is stored."""
    if known is None:
        return True
    return (known.hash != new_hash or known.is_gone) and known.observed_at <= observed_at


def upsert(model: type[M], rows: list[M], fields: list[str]) -> None:
    """Write rows by ARN, new or not, in few statements; their primary keys are set afterwards."""
    for row in rows:
        # With its key a row would collide on that first, where the database has no second conflict target.
        row.pk = None
    model._default_manager.bulk_create(
        rows, update_conflicts=True, unique_fields=["arn"], update_fields=fields, batch_size=500
    )


def mark_gone(rows: Any, known: Mapping[str, Known], listed: Collection[str], at: datetime) -> set[int]:
    """Mark what is stored and no longer listed as gone; return the keys."""
    pks = {
        row.pk
        for arn, row in known.items()
        if not row.is_gone and arn not in listed and row.observed_at <= at
    }
    if pks:
        rows.filter(pk__in=pks).update(gone_at=at, observed_at=at, changed_at=at)
    return pks


def observed(kind: str, item: Item, new_hash: str, at: datetime) -> dict[str, Any]:
    """Return the columns that every observed row has."""
    return {
        "facts": as_facts(kind, item),
        "state_hash": new_hash,
        "observed_at": at,
        "changed_at": at,
        "gone_at": None,
    }


def store_clusters(
    account: Account, region: str, items: Iterable[Item], at: datetime
) -> tuple[list[Cluster], Changes]:
    """Take over the whole list of clusters; return those that are there, with the counts of this read in `facts`."""
    rows = Cluster.objects.filter(account=account, region=region)
    known, changes, written = known_by_arn(rows), Changes(), []
    listed = {str(item["clusterArn"]): item for item in items}
    for arn, item in listed.items():
        new_hash = state_hash("cluster", item)
        if differs(known.get(arn), new_hash, at):
            cluster = Cluster(
                arn=arn,
                account=account,
                region=region,
                name=item["clusterName"],
                environment=account.environment,
                status=item["status"],
                **observed("cluster", item, new_hash, at),
            )
            written.append(cluster)
    upsert(Cluster, written, CLUSTER_FIELDS)
    gone = mark_gone(rows, known, listed, at)
    changes.clusters = {row.pk for row in written} | gone
    if gone:
        changes.services = retire_services(Service.objects.filter(cluster__in=gone), at)
        alone = Task.objects.filter(cluster__in=gone, gone_at=None).exclude(last_status="STOPPED")
        alone.update(gone_at=at, observed_at=at)
    return list(rows.filter(arn__in=listed).select_related("account")), changes


def store_services(
    cluster: Cluster, items: Iterable[Item], at: datetime, *, listed: Collection[str] | None = None
) -> Changes:
    """Take over descriptions of services and their new events; with `listed`, the others are marked gone."""
    described = {str(item["serviceArn"]): item for item in items if item.get("status") != "INACTIVE"}
    rows = Service.objects.filter(cluster=cluster)
    known = known_by_arn(rows if listed is not None else rows.filter(arn__in=described), "newest_event_id")
    changes, written = Changes(), []
    for arn, item in described.items():
        new_hash = state_hash("service", item)
        if differs(known.get(arn), new_hash, at):
            written.append(service_row(cluster, item, new_hash, at))
    upsert(Service, written, SERVICE_FIELDS)
    changes.services = {row.pk for row in written}
    changes.events_of = store_events(described, known, {row.arn: row.pk for row in written})
    if listed is None:
        present = rows.filter(pk__in=[row.pk for arn, row in known.items() if arn in described])
    else:
        missing = [row.pk for arn, row in known.items() if not row.is_gone and arn not in described]
        changes.services |= retire_services(rows.filter(pk__in=missing), at) if missing else set()
        present = rows.filter(gone_at=None)
    # How fresh each figure is told by this, and not by observed_at, which moves with the state alone.
    present.update(described_at=at)
    return changes


def retire_services(rows: Any, at: datetime) -> set[int]:
    """Mark services and what runs of them as gone; return the keys of the services."""
    pks = set(rows.filter(gone_at=None).order_by().values_list("pk", flat=True))
    if pks:
        Service.objects.filter(pk__in=pks).update(gone_at=at, observed_at=at, changed_at=at)
        tasks = Task.objects.filter(service_id__in=pks, gone_at=None).exclude(last_status="STOPPED")
        tasks.update(gone_at=at, observed_at=at)
    return pks


def service_row(cluster: Cluster, item: Item, new_hash: str, at: datetime) -> Service:
    """Return a row of what DescribeServices told."""
    primary = primary_of(item)
    return Service(
        arn=item["serviceArn"],
        cluster=cluster,
        name=item["serviceName"],
        ecs_status=item.get("status", ""),
        scheduling_strategy=item.get("schedulingStrategy", "REPLICA"),
        deployment_controller=(item.get("deploymentController") or {}).get("type", "ECS"),
        launch_type=item.get("launchType", ""),
        task_definition_arn=item.get("taskDefinition", ""),
        desired_count=item.get("desiredCount", 0),
        running_count=item.get("runningCount", 0),
        pending_count=item.get("pendingCount", 0),
        rollout_state=primary.get("rolloutState") or "",
        deployed_at=parse_time(primary.get("createdAt")),
        described_at=at,
        rollout_key=rollout_key(item),
        status_since=at,
        **observed("service", item, new_hash, at),
    )


def store_events(
    described: Mapping[str, Item], known: Mapping[str, Known], written: Mapping[str, int]
) -> set[int]:
    """Keep the events that are newer than the newest one known; return the services that have any."""
    new: list[ServiceEvent] = []
    newest: list[Service] = []
    for arn, item in described.items():
        last = known[arn].newest_event_id if arn in known else ""
        # ECS gives them newest first, so everything before the known one is new.
        events = item.get("events") or []
        if not events or events[0]["id"] == last:
            continue
        pk = written[arn] if arn in written else known[arn].pk
        newest.append(Service(pk=pk, newest_event_id=events[0]["id"]))
        for event in events:
            if event["id"] == last:
                break
            new.append(event_row(pk, event))
    if newest:
        ServiceEvent.objects.bulk_create(new, ignore_conflicts=True, batch_size=500)
        Service.objects.bulk_update(newest, ["newest_event_id"], batch_size=200)
    return {row.pk for row in newest}


def event_row(service_id: int, event: Item) -> ServiceEvent:
    return ServiceEvent(
        service_id=service_id,
        event_id=event["id"],
        created_at=event["createdAt"],
        message=event["message"],
    )


def store_tasks(cluster: Cluster, items: Iterable[Item], at: datetime) -> Changes:
    """Take over descriptions of tasks."""
    described = {str(item["taskArn"]): item for item in items}
    hashes = {arn: state_hash("task", item) for arn, item in described.items()}
    known = known_by_arn(Task.objects.filter(cluster=cluster, arn__in=described))
    news = [arn for arn, new_hash in hashes.items() if differs(known.get(arn), new_hash, at)]
    changes = Changes()
    if not news:
        return changes
    services = dict(Service.objects.filter(cluster=cluster).values_list("name", "pk"))
    written = [task_row(cluster, described[arn], hashes[arn], at, services) for arn in news]
    upsert(Task, written, TASK_FIELDS)
    changes.tasks = {row.pk for row in written}
    changes.tasks_of = {row.service_id for row in written if row.service_id}
    return changes


def task_row(cluster: Cluster, item: Item, new_hash: str, at: datetime, services: Mapping[str, int]) -> Task:
    """Return a row of what DescribeTasks told."""
    group = str(item.get("group") or "")
    arn = str(item["taskArn"])
    return Task(
        arn=arn,
        cluster=cluster,
        service_id=services.get(group.removeprefix("service:")) if group.startswith("service:") else None,
        task_id=arn.rsplit("/", 1)[-1],
        last_status=item.get("lastStatus", ""),
        desired_status=item.get("desiredStatus", ""),
        health_status=item.get("healthStatus", "UNKNOWN"),
        task_definition_arn=item.get("taskDefinitionArn", ""),
        started_by=item.get("startedBy", ""),
        availability_zone=item.get("availabilityZone", ""),
        stop_code=item.get("stopCode", ""),
        stopped_reason=item.get("stoppedReason", ""),
        exit_code=exit_code_of(item),
        created_at=item.get("createdAt"),
        started_at=item.get("startedAt"),
        stopped_at=item.get("stoppedAt"),
        **observed("task", item, new_hash, at),
    )


def exit_code_of(item: Item) -> int | None:
    """Return the exit code that tells most: the first that is not zero, else zero; None when nothing exited."""
    codes = [
        container["exitCode"]
        for container in item.get("containers") or []
        if container.get("exitCode") is not None
    ]
    return next((code for code in codes if code), codes[0] if codes else None)


def follow_vanished(cluster: Cluster, listed: Collection[str], at: datetime) -> Changes:
    """Have the services read often whose tasks are no longer listed as running, to see how those ended.

    Tasks without a service that is still there have nobody who asks again, so they are gone.
    """
    current = Task.objects.filter(cluster=cluster, gone_at=None, observed_at__lte=at).exclude(
        last_status="STOPPED"
    )
    missing = [
        (pk, service_id)
        for pk, arn, service_id in current.values_list("pk", "arn", "service_id")
        if arn not in listed
    ]
    changes = Changes()
    asked = {service_id for _, service_id in missing if service_id}
    owners = (
        set(Service.objects.filter(pk__in=asked, gone_at=None).values_list("pk", flat=True))
        if asked
        else set()
    )
    alone = {pk for pk, service_id in missing if service_id not in owners}
    if owners:
        Service.objects.filter(pk__in=owners).update(hot_until=at + timedelta(seconds=FOLLOW_SECONDS))
    if alone:
        Task.objects.filter(pk__in=alone).update(gone_at=at, observed_at=at)
        changes.tasks = alone
    return changes


def drop_vanished(service_ids: Collection[int], listed: Collection[str], at: datetime) -> Changes:
    """Mark the current tasks of services as gone that ECS lists neither as running nor as stopped."""
    current = Task.objects.filter(service_id__in=service_ids, gone_at=None, observed_at__lte=at)
    current = current.exclude(last_status="STOPPED")
    missing = [
        (pk, service_id)
        for pk, arn, service_id in current.values_list("pk", "arn", "service_id")
        if arn not in listed
    ]
    changes = Changes()
    if missing:
        changes.tasks = {pk for pk, _ in missing}
        changes.tasks_of = {service_id for _, service_id in missing}
        Task.objects.filter(pk__in=changes.tasks).update(gone_at=at, observed_at=at)
    return changes
