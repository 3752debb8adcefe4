"""Deployment history: what ECS rolled out, each with its change or marked as outside the console."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone

from clusters.models import DeploymentIdentity, Service, ServiceDeployment
from clusters.spans import spell
from deployments.identities import TRAIL_KEEPS
from deployments.image_reference import parse
from deployments.models import Change
from deployments.returning import SUCCESSFUL, identities_of
from deployments.trail_matching import short_principal

# ECS's status, verbatim, to the shape and colour that stand beside it. A rollback is never drawn as a success.
LOOKS: dict[str, tuple[str, str]] = {
    "PENDING": ("deploying", "s-deploying"),
    "IN_PROGRESS": ("deploying", "s-deploying"),
    "SUCCESSFUL": ("steady", "s-steady"),
    "STOP_REQUESTED": ("degraded", "s-degraded"),
    "STOPPED": ("failed", "s-failed"),
    "ROLLBACK_REQUESTED": ("degraded", "i-back"),
    "ROLLBACK_IN_PROGRESS": ("degraded", "i-back"),
    "ROLLBACK_SUCCESSFUL": ("failed", "i-back"),
    "ROLLBACK_FAILED": ("failed", "s-failed"),
}
WORDS = {
    "ROLLBACK_SUCCESSFUL": "rolled back",
    "ROLLBACK_IN_PROGRESS": "rolling back",
    "ROLLBACK_REQUESTED": "rollback requested",
    "ROLLBACK_FAILED": "rollback failed",
    "STOPPED": "stopped",
    "STOP_REQUESTED": "stopping",
}
# Why nobody is named, by the state of the search in CloudTrail.
UNNAMED: dict[str, str] = {
    DeploymentIdentity.State.WAITING: "not yet in CloudTrail",
    DeploymentIdentity.State.NONE: "no call in CloudTrail",
    DeploymentIdentity.State.AMBIGUOUS: "several calls fit",
    DeploymentIdentity.State.DENIED: "needs cloudtrail:LookupEvents",
}
OLDER_THAN_TRAIL = "older than CloudTrail keeps"
UNKNOWN_LOOK = ("stale", "s-stale")


@dataclass(frozen=True, slots=True)
class Image:
    """One image of a deployment with the digest that ECS resolved."""

    container: str
    version: str
    reference: str
    short_digest: str


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One service deployment as a row."""

    deployment: ServiceDeployment
    change: Change | None
    is_current: bool
    now: datetime
    # Whether returning to it would change nothing: definition, digests and configuration are those that run now.
    is_same: bool = False

    @property
    def css(self) -> str:
        return LOOKS.get(self.deployment.status, UNKNOWN_LOOK)[0]

    @property
    def shape(self) -> str:
        return LOOKS.get(self.deployment.status, UNKNOWN_LOOK)[1]

    @property
    def words(self) -> str:
        """Return what the status means, where ECS's word alone could be misread."""
        return WORDS.get(self.deployment.status, "")

    @property
    def number(self) -> str:
        return self.deployment.task_definition_arn.rsplit(":", 1)[-1]

    @property
    def duration(self) -> str:
        """Return how long it took, or has taken so far; empty when ECS does not say."""
        found = self.deployment
        began = found.started_at or found.created_at
        over = found.finished_at or (self.now if found.status in ("PENDING", "IN_PROGRESS") else None)
        return spell(over - began) if over else ""

    @property
    def images(self) -> list[Image]:
        return [image_of(item) for item in self.deployment.images]

    @property
    def who(self) -> str:
        """Return the person of the change, else the principal that CloudTrail named."""
        if self.change is not None:
            return self.change.requester.get_username()
        return short_principal(self.deployment.created_by)

    @property
    def identity(self) -> DeploymentIdentity | None:
        """Return what CloudTrail was asked and said, None for what the console began or never asked about."""
        return None if self.change is not None else getattr(self.deployment, "identity", None)

    @property
    def unnamed(self) -> str:
        """Say in a few words why nobody is named, empty where somebody is."""
        if self.who:
            return ""
        if self.identity is None:
            return OLDER_THAN_TRAIL if self.now - self.deployment.created_at > TRAIL_KEEPS else ""
        return UNNAMED.get(self.identity.state, "")

    @property
    def address(self) -> str:
        return reverse("service-deployment", args=[self.deployment.pk])

    @property
    def is_selectable(self) -> bool:
        """Whether it is something to go back to: it succeeded, and something else runs now."""
        return self.deployment.status == SUCCESSFUL and not (self.is_current or self.is_same)


def image_of(item: dict[str, Any]) -> Image:
    reference = parse(str(item.get("image", "")))
    digest = str(item.get("digest") or reference.digest)
    return Image(
        container=str(item.get("container", "")),
        version=reference.version,
        reference=str(item.get("image", "")),
        short_digest=digest.removeprefix("sha256:")[:12],
    )


def changes_by_deployment(deployments: Iterable[ServiceDeployment]) -> dict[str, Change]:
    """Return the change of each service deployment that the console began, by ARN, in one query."""
    arns = [found.arn for found in deployments]
    changes = (
        Change.objects.filter(progress__service_deployment_arn__in=arns)
        .select_related("requester")
        # The one that began it comes first; one that rolled it back in flight names the same deployment.
        .order_by("-pk")
    )
    return {change.progress["service_deployment_arn"]: change for change in changes}


def rows_of(deployments: Sequence[ServiceDeployment], now: datetime | None = None) -> list[HistoryRow]:
    """Return rows in the order given, each with its change and whether it runs now, in one to four queries."""
    changes, now = changes_by_deployment(deployments), now or timezone.now()
    current, same = what_runs(deployments)
    return [
        HistoryRow(found, changes.get(found.arn), found.pk in current, now, found.pk in same)
        for found in deployments
    ]


def what_runs(deployments: Iterable[ServiceDeployment]) -> tuple[set[int], set[int]]:
    """Return the keys of those that run now, and of those that ran exactly the same; up to three queries.

    A restart leaves several successes of one definition behind, and under a tag that moved each ran another image: so
    the service revision tells them apart, and the definition only where ECS names no revision.
    """
    alike = [found for found in deployments if found.status == SUCCESSFUL and is_running(found)]
    revisions = current_revisions({found.service_id for found in alike})
    named = {arn for arns in revisions.values() for arn in arns}
    current = {
        found.pk
        for found in alike
        if not (found.target_revision_arn and revisions[found.service_id])
        or found.target_revision_arn in named
    }
    if not (others := [found for found in alike if found.pk not in current]):
        return current, set()
    running = ServiceDeployment.objects.filter(target_revision_arn__in=named, status=SUCCESSFUL).defer(
        "facts"
    )
    by_service: dict[int, list[ServiceDeployment]] = {}
    for found in running:
        by_service.setdefault(found.service_id, []).append(found)
    keys = identities_of([*others, *running])
    # Where nothing is known of what runs, nothing says that these would change anything.
    same = {
        found.pk
        for found in others
        if keys[found.pk] in {keys[one.pk] for one in by_service.get(found.service_id, [])}
        or found.service_id not in by_service
    }
    return current, same


def current_revisions(service_ids: Iterable[int]) -> dict[int, list[str]]:
    """Return the service revisions that run now, by service; one query that leaves the bulky facts where they are."""
    if not (wanted := set(service_ids)):
        return {}
    rows = Service.objects.filter(pk__in=wanted).values_list("pk", "facts__currentServiceRevisions")
    return {pk: [str(item.get("arn") or "") for item in found or []] for pk, found in rows}


def is_running(deployment: ServiceDeployment) -> bool:
    """Whether the service is there and runs this deployment's task definition now."""
    service = deployment.service
    return service.gone_at is None and deployment.task_definition_arn == service.task_definition_arn


def history_of(queryset: QuerySet[ServiceDeployment]) -> QuerySet[ServiceDeployment]:
    """Return deployments with everything that a row names, without the bulky facts."""
    return queryset.select_related("service__cluster__account", "identity").defer(
        "facts", "service__facts", "service__row_html"
    )
