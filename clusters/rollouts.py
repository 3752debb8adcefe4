"""Takes over deployments: service deployments with their revisions, task definitions, and counts while rolling out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Max

from clusters.changes import Changes
from clusters.hashing import as_facts, state_hash
from clusters.models import Account, RolloutSample, Service, ServiceDeployment, TaskDefinition
from clusters.revisions import failed_count_of, images_of_revision, store_moments
from clusters.service_view import primary_of
from clusters.snapshots import FOLLOW_SECONDS, OBSERVED, Item, differs, known_by_arn, observed, upsert
from clusters.spans import parse_time

# ECS's states in which a service deployment still moves.
OPEN = ("PENDING", "IN_PROGRESS", "STOP_REQUESTED", "ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS")
# A sample every two hundredth of a rollout's age keeps its number below about fifteen hundred, however long it takes.
SAMPLES_OF_AGE = 200
# ECS shows stopped tasks for about an hour.
STOPPED_SEEN_FOR = timedelta(hours=1)
# A task definition that ECS no longer describes; asked for once.
MISSING = "MISSING"
DEPLOYMENT_FIELDS = [
    *OBSERVED,
    "status",
    "status_reason",
    "task_definition_arn",
    "target_revision_arn",
    "source_revision_arns",
    "images",
    "started_at",
    "finished_at",
    "lifecycle_stage",
    "strategy",
    "failed_count",
]
DEFINITION_FIELDS = [*OBSERVED, "status", "registered_at", "tags"]


def store_service_deployments(
    services: Mapping[str, int], items: Iterable[Item], revisions: Mapping[str, Item], at: datetime
) -> Changes:
    """Take over service deployments, by service ARN; a revision names the task definition and the digests that ran."""
    described = {str(item["serviceDeploymentArn"]): item for item in items if item["serviceArn"] in services}
    known = known_by_arn(ServiceDeployment.objects.filter(arn__in=described))
    written = []
    for arn, item in described.items():
        new_hash = state_hash("service-deployment", item)
        if differs(known.get(arn), new_hash, at):
            written.append(deployment_row(services[item["serviceArn"]], item, revisions, new_hash, at))
    upsert(ServiceDeployment, written, DEPLOYMENT_FIELDS)
    store_moments(written, described, at)
    follow_failed(written, at)
    return Changes(deployments_of={row.service_id for row in written})


def follow_failed(deployments: Iterable[ServiceDeployment], at: datetime) -> None:
    """Have services read often whose deployment has just failed: their stopped tasks, which say why, go soon."""
    failed = {
        row.service_id
        for row in deployments
        if row.status.startswith("ROLLBACK") and at - (row.finished_at or at) < STOPPED_SEEN_FOR
    }
    if failed:
        until = at + timedelta(seconds=FOLLOW_SECONDS)
        Service.objects.filter(pk__in=failed).update(hot_until=until)


def deployment_row(
    service_id: int, item: Item, revisions: Mapping[str, Item], new_hash: str, at: datetime
) -> ServiceDeployment:
    """Return a row of what DescribeServiceDeployments told."""
    target = str((item.get("targetServiceRevision") or {}).get("arn") or "")
    revision = revisions.get(target) or {}
    return ServiceDeployment(
        arn=item["serviceDeploymentArn"],
        service_id=service_id,
        status=item["status"],
        status_reason=item.get("statusReason") or "",
        task_definition_arn=revision.get("taskDefinition") or "",
        target_revision_arn=target,
        source_revision_arns=[source["arn"] for source in item.get("sourceServiceRevisions") or []],
        images=images_of_revision(revision),
        created_at=item.get("createdAt") or at,
        started_at=item.get("startedAt"),
        finished_at=item.get("finishedAt"),
        lifecycle_stage=item.get("lifecycleStage") or "",
        strategy=(item.get("deploymentConfiguration") or {}).get("strategy") or "",
        failed_count=failed_count_of(item),
        **observed("service-deployment", item, new_hash, at),
    )


def store_definition(account: Account, region: str, item: Item, at: datetime) -> TaskDefinition:
    """Keep a task definition, its values masked; a revision never changes except to become INACTIVE."""
    tags = {tag["key"]: tag.get("value", "") for tag in item.get("tags") or []}
    body = {key: value for key, value in item.items() if key != "tags"}
    row = TaskDefinition(
        arn=item["taskDefinitionArn"],
        account=account,
        region=region,
        family=item["family"],
        revision=item["revision"],
        status=item["status"],
        registered_at=item.get("registeredAt"),
        tags=tags,
        **observed("task-definition", body, state_hash("task-definition", body), at),
    )
    upsert(TaskDefinition, [row], DEFINITION_FIELDS)
    return row


def store_missing_definition(account: Account, region: str, arn: str, at: datetime) -> None:
    """Note that ECS no longer describes a task definition, so that it is not asked for again."""
    family, _, revision = arn.rsplit("/", 1)[-1].rpartition(":")
    row = TaskDefinition(
        arn=arn,
        account=account,
        region=region,
        family=family or arn.rsplit("/", 1)[-1],
        revision=int(revision) if revision.isdigit() else 0,
        status=MISSING,
        facts=as_facts("task-definition", {"taskDefinitionArn": arn}),
        observed_at=at,
        changed_at=at,
        gone_at=at,
    )
    upsert(TaskDefinition, [row], DEFINITION_FIELDS)


def store_samples(services: Iterable[Service], at: datetime) -> None:
    """Keep the counts of services that roll out, at most one in each two hundredth of the rollout's age.

    One more is kept when the rollout has ended, so that a recording has its end.
    """
    rolling = {service.pk: service for service in services if primary_of(service.facts).get("id")}
    latest = {
        (service_id, deployment_id): last
        for service_id, deployment_id, last in RolloutSample.objects.filter(service_id__in=rolling)
        .order_by()
        .values_list("service_id", "deployment_id")
        .annotate(last=Max("at"))
    }
    samples = []
    for service in rolling.values():
        primary = primary_of(service.facts)
        last = latest.get((service.pk, primary["id"]))
        if is_sample_due(service, primary, last, at):
            samples.append(sample_of(service, primary, at))
    RolloutSample.objects.bulk_create(samples)


def is_sample_due(service: Service, primary: Item, last: datetime | None, at: datetime) -> bool:
    """Whether the recording of a rollout needs another moment."""
    if primary.get("rolloutState") != "IN_PROGRESS":
        ended = parse_time(primary.get("updatedAt"))
        # Nothing was recorded of a rollout that was over when it was first seen.
        return last is not None and ended is not None and last < ended <= at
    age = (at - (parse_time(primary.get("createdAt")) or at)).total_seconds()
    # A little less than the interval, because a read is never exactly on time.
    gap = max(settings.POLL_HOT_SECONDS * 0.8, age / SAMPLES_OF_AGE)
    return last is None or at - last >= timedelta(seconds=gap)


def sample_of(service: Service, primary: Item, at: datetime) -> RolloutSample:
    """Return the counts of this moment: incoming is PRIMARY, outgoing is everything else."""
    deployments = service.facts.get("deployments") or []
    others = [item for item in deployments if item.get("id") != primary["id"]]
    return RolloutSample(
        service=service,
        deployment_id=primary["id"],
        at=at,
        outgoing_running=sum(int(item.get("runningCount") or 0) for item in others),
        incoming_running=int(primary.get("runningCount") or 0),
        incoming_pending=int(primary.get("pendingCount") or 0),
        failed_tasks=int(primary.get("failedTasks") or 0),
        desired=int(primary.get("desiredCount") or service.desired_count),
    )


def wanted_definitions(account: Account, region: str, limit: int) -> list[str]:
    """Return ARNs of task definitions that services run or ran and that are not known, those in use first."""
    place = {"account": account, "region": region}
    known = TaskDefinition.objects.filter(**place).values("arn")
    services = Service.objects.filter(cluster__account=account, cluster__region=region, gone_at=None)
    in_use = services.exclude(task_definition_arn="").exclude(task_definition_arn__in=known)
    wanted = list(in_use.order_by().values_list("task_definition_arn", flat=True).distinct()[:limit])
    if len(wanted) < limit:
        past = ServiceDeployment.objects.filter(
            service__cluster__account=account, service__cluster__region=region
        ).exclude(task_definition_arn="")
        rows = past.exclude(task_definition_arn__in=known).order_by("-created_at")
        wanted += rows.values_list("task_definition_arn", flat=True)[:limit]
    return list(dict.fromkeys(wanted))[:limit]
