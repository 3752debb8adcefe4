"""Takes over service revisions and the moments of service deployments; both are kept after ECS has forgotten them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from clusters.hashing import state_hash
from clusters.models import Account, DeploymentMoment, ServiceDeployment, ServiceRevision
from clusters.snapshots import OBSERVED, Item, observed, upsert

REVISION_FIELDS = [*OBSERVED, "task_definition_arn", "created_at"]
# Where ECS writes the moment at which a deployment entered a status.
MOMENT_OF = {
    "PENDING": ("createdAt",),
    "IN_PROGRESS": ("startedAt", "createdAt"),
    "SUCCESSFUL": ("finishedAt",),
    "STOPPED": ("finishedAt", "stoppedAt"),
    "STOP_REQUESTED": ("stoppedAt",),
    "ROLLBACK_SUCCESSFUL": ("finishedAt",),
    "ROLLBACK_FAILED": ("finishedAt",),
}


def store_revisions(services: Mapping[str, int], items: Iterable[Item], at: datetime) -> None:
    """Keep revisions of these services, by service ARN; what is known already stays as it is."""
    rows = [
        ServiceRevision(
            arn=item["serviceRevisionArn"],
            service_id=services[item["serviceArn"]],
            task_definition_arn=item.get("taskDefinition") or "",
            created_at=item.get("createdAt"),
            **observed("service-revision", item, state_hash("service-revision", item), at),
        )
        for item in items
        if item.get("serviceArn") in services
    ]
    upsert(ServiceRevision, rows, REVISION_FIELDS)


def store_missing_revisions(owners: Mapping[str, int], arns: Iterable[str], at: datetime) -> None:
    """Note that ECS no longer describes revisions, by revision ARN, so that they are not asked for again."""
    rows = [
        ServiceRevision(arn=arn, service_id=owners[arn], observed_at=at, changed_at=at, gone_at=at)
        for arn in arns
        if arn in owners
    ]
    upsert(ServiceRevision, rows, REVISION_FIELDS)


def known_revisions(arns: Iterable[str]) -> dict[str, Item]:
    """Return the stored ones of these revisions, in ECS's form."""
    rows = ServiceRevision.objects.filter(arn__in=set(arns))
    return dict(rows.values_list("arn", "facts"))


def revisions_of(item: Item) -> list[str]:
    """Return the ARNs of all revisions that a service deployment names: target, sources, and that of its rollback."""
    target = item.get("targetServiceRevision") or {}
    rollback = item.get("rollback") or {}
    named = [target.get("arn"), *(source.get("arn") for source in item.get("sourceServiceRevisions") or [])]
    return [str(arn) for arn in [*named, rollback.get("serviceRevisionArn")] if arn]


def wanted_revisions(account: Account, region: str, limit: int) -> dict[str, int]:
    """Return the target revisions that stored deployments name and that were never read, with their service."""
    known = ServiceRevision.objects.filter(
        service__cluster__account=account, service__cluster__region=region
    ).values("arn")
    rows = ServiceDeployment.objects.filter(
        service__cluster__account=account, service__cluster__region=region
    )
    missing = rows.exclude(target_revision_arn="").exclude(target_revision_arn__in=known)
    return dict(missing.order_by("-created_at").values_list("target_revision_arn", "service_id")[:limit])


def images_of_revision(revision: Item) -> list[dict[str, str]]:
    """Return the images that a revision is pinned to."""
    return [
        {
            "container": image.get("containerName") or "",
            "image": image.get("image") or "",
            "digest": image.get("imageDigest") or "",
        }
        for image in revision.get("containerImages") or []
    ]


def fill_from_revisions(arns: Iterable[str]) -> list[str]:
    """Give deployments that were stored before their revision was read its task definition and images; return them."""
    found = known_revisions(arns)
    rows = ServiceDeployment.objects.filter(target_revision_arn__in=found, task_definition_arn="")
    filled = []
    for row in rows.only("pk", "arn", "target_revision_arn"):
        revision = found[row.target_revision_arn]
        row.task_definition_arn = revision.get("taskDefinition") or ""
        row.images = images_of_revision(revision)
        filled.append(row)
    ServiceDeployment.objects.bulk_update(filled, ["task_definition_arn", "images"], batch_size=200)
    return [row.arn for row in filled]


def store_moments(deployments: Iterable[ServiceDeployment], items: Mapping[str, Item], at: datetime) -> None:
    """Keep the status and stage that each of these deployments was found in; one known already is not written again."""
    rows = [
        DeploymentMoment(
            deployment=row,
            at=moment_of(items[row.arn]) or at,
            status=row.status,
            lifecycle_stage=row.lifecycle_stage,
            reason=row.status_reason,
            failed_count=row.failed_count,
        )
        for row in deployments
    ]
    DeploymentMoment.objects.bulk_create(rows, ignore_conflicts=True, batch_size=500)


def moment_of(item: Item) -> datetime | None:
    """Return when a deployment entered its status, by ECS's own clock where it says so."""
    status = str(item["status"])
    if status.startswith("ROLLBACK_") and not item.get("finishedAt"):
        return (item.get("rollback") or {}).get("startedAt") or item.get("updatedAt")
    if status == "IN_PROGRESS" and item.get("lifecycleStage"):
        # Later stages begin later than the deployment.
        return item.get("updatedAt") or item.get("startedAt")
    times: list[Any] = [item.get(name) for name in MOMENT_OF.get(status, ())]
    found: datetime | None = next((time for time in times if time), item.get("updatedAt"))
    return found


def failed_count_of(item: Item) -> int | None:
    """Return the failed tasks of a deployment as its circuit breaker counts them."""
    breaker = item.get("deploymentCircuitBreaker") or {}
    if breaker.get("status") in (None, "DISABLED"):
        return None
    count = breaker.get("failureCount")
    return int(count) if count is not None else None
