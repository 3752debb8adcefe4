"""What the pages of one service read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.urls import reverse

from clusters.definition_view import Image, split_image
from clusters.event_kinds import Day, group_days, task_ids_of
from clusters.models import Cluster, PollTarget, Service, ServiceDeployment, ServiceEvent, Task
from clusters.recorder import Recording
from clusters.rollout_queries import PAST_ROLLOUTS, RolloutReader
from clusters.service_view import Breaker, breaker_of, outgoing_of, primary_of, revision_names
from clusters.spans import parse_time
from clusters.status import Status
from clusters.task_rows import TaskRow, family_and_revision, row_of, worst_first

EVENTS_ON_OVERVIEW = 8
ROWS_ON_OVERVIEW = 12
STOPPED_ON_OVERVIEW = 6
PAGE_SIZE = 100


@dataclass(frozen=True, slots=True)
class Freshness:
    """How old a service's figures are and, when they cannot be renewed, since when and why."""

    is_stale: bool
    as_of: datetime | None
    failing_since: datetime | None = None
    cause: str = ""
    request_id: str = ""


def freshness_of(service: Service, now: datetime) -> Freshness:
    """Say whether a service's figures may be believed, with the error of its account and region."""
    target = PollTarget.objects.filter(
        account_id=service.cluster.account_id, region=service.cluster.region
    ).first()
    as_of = service.described_at or service.observed_at
    old = (now - as_of).total_seconds() > settings.STALE_AFTER_SECONDS
    failing = target is not None and target.failing_since is not None
    if not (old or service.status == Status.UNKNOWN):
        return Freshness(False, as_of)
    if target is None or not failing:
        return Freshness(True, as_of)
    parts = [part for part in (target.error_action, target.error_code) if part]
    cause = ": ".join(filter(None, [" ".join(parts), target.error_message]))
    return Freshness(True, as_of, target.failing_since, cause, target.error_request_id)


def adopt(service: Service, tasks: Iterable[Task]) -> list[Task]:
    """Give tasks the service and cluster that are read already, so that their addresses cost no query."""
    adopted = list(tasks)
    for task in adopted:
        task.service, task.cluster = service, service.cluster
    return adopted


def current_tasks(service: Service) -> list[Task]:
    """Return the tasks that have not stopped."""
    return adopt(service, service.tasks.filter(gone_at=None).exclude(last_status="STOPPED"))


def stopped_tasks(service: Service) -> QuerySet[Task]:
    """Return all stopped tasks that were ever seen, the latest first."""
    return service.tasks.filter(last_status="STOPPED").order_by("-stopped_at", "-created_at")


def failures_of(service: Service, deployment_id: str, now: datetime) -> list[TaskRow]:
    """Return the tasks of one deployment that stopped with a failure, the latest first."""
    tasks = stopped_tasks(service).filter(started_by=deployment_id)[:PAGE_SIZE]
    rows = [row_of(task, deployment_id, now) for task in adopt(service, tasks)]
    return [row for row in rows if row.is_failed]


@dataclass(frozen=True, slots=True)
class TaskList:
    """The task table of the overview: problems first, and what it leaves out."""

    rows: list[TaskRow]
    running_count: int
    failed_count: int
    total: int

    @property
    def hidden(self) -> int:
        return self.total - len(self.rows)


def list_tasks(
    tasks: Sequence[Task], failures: Sequence[TaskRow], primary_id: str, now: datetime
) -> TaskList:
    """Return the current tasks with the failures of this deployment before them."""
    running = worst_first(row_of(task, primary_id, now) for task in tasks)
    shown = [*failures[:STOPPED_ON_OVERVIEW], *running]
    return TaskList(shown[:ROWS_ON_OVERVIEW], len(running), len(failures), len(failures) + len(running))


@dataclass(frozen=True, slots=True)
class DeployedImage:
    """The image that one container runs."""

    container: str
    image: Image


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything of the overview except its events."""

    tasks: list[Task]
    failures: list[TaskRow]
    table: TaskList
    breaker: Breaker
    deployment: ServiceDeployment | None
    primary: Mapping[str, Any]
    outgoing: str
    incoming: str
    recording: Recording | None
    started_at: datetime | None
    started_by: str
    images: list[DeployedImage]


def read_overview(service: Service, now: datetime, freshness: Freshness) -> Overview:
    """Read what the overview shows, in seven queries."""
    primary, (outgoing, incoming) = primary_of(service.facts), revision_names(service.facts)
    primary_id = str(primary.get("id") or "")
    deployments = list(service.service_deployments.all()[:PAST_ROLLOUTS])
    deployment = deployment_of(primary, deployments)
    tasks = current_tasks(service)
    failures = failures_of(service, primary_id, now) if primary_id else []
    breaker = breaker_of(service.facts, deployment.facts if deployment else {})
    recorder = RolloutReader(service, primary, deployment, deployments, tasks, failures, breaker)
    return Overview(
        tasks=tasks,
        failures=failures,
        table=list_tasks(tasks, failures, primary_id, now),
        breaker=breaker,
        deployment=deployment,
        primary=primary,
        outgoing=outgoing,
        incoming=incoming,
        recording=recorder.draw(now, freshness.as_of if freshness.is_stale else None) if primary_id else None,
        started_at=parse_time(primary.get("createdAt")),
        started_by=(deployment.created_by if deployment else "") or service.deployed_by,
        images=images_of(service, deployment),
    )


def images_of(service: Service, deployment: ServiceDeployment | None) -> list[DeployedImage]:
    """Return what the PRIMARY deployment runs, with the digests that ECS resolved where it tells them."""
    items = (deployment.images if deployment else None) or service.images
    images = []
    for item in items:
        image = split_image(str(item.get("image") or ""))
        digest = str(item.get("digest") or image.digest)
        named = Image(image.reference, image.repository, image.tag, digest)
        images.append(DeployedImage(str(item.get("container") or ""), named))
    return images


def comparison_address(service: Service) -> str:
    """Return the address that compares the outgoing revision with the incoming one, nothing when they are one."""
    before = family_and_revision(str(outgoing_of(service.facts).get("taskDefinition") or ""))
    after = family_and_revision(str(primary_of(service.facts).get("taskDefinition") or ""))
    if before is None or after is None or before == after or before[0] != after[0]:
        return ""
    cluster = service.cluster
    address = reverse("task-definition-diff", args=[cluster.account.account_id, cluster.region, after[0]])
    return f"{address}?from={before[1]}&to={after[1]}"


def deployment_of(
    primary: Mapping[str, Any], deployments: Sequence[ServiceDeployment]
) -> ServiceDeployment | None:
    """Return the service deployment that belongs to the PRIMARY deployment.

    ECS names no link between the two; the one of the same task definition that began last, and not long before, is it.
    """
    created = parse_time(primary.get("createdAt"))
    for candidate in deployments:
        near = created is None or abs(candidate.created_at - created) < timedelta(minutes=10)
        if near and candidate.task_definition_arn in ("", primary.get("taskDefinition")):
            return candidate
    return None


def find_events(service: Service, text: str) -> QuerySet[ServiceEvent]:
    """Return the events of a service that contain a text, newest first."""
    events = service.events.all()
    return events.filter(message__icontains=text) if text else events


def days_of(service: Service, events: Iterable[ServiceEvent], *, folds: bool) -> list[Day]:
    """Return events by day, with links to the tasks that they name and the console has seen."""
    listed = list(events)
    named = task_ids_of(event.message for event in listed)
    known = set(service.tasks.filter(task_id__in=named).values_list("task_id", flat=True)) if named else set()
    return group_days(listed, known, folds=folds)


def page_of(rows: QuerySet[Any], number: str | None) -> Page[Any]:
    """Return one page; a number that is none or too large gives the nearest."""
    return Paginator(rows, PAGE_SIZE).get_page(number)


def definition_address(cluster: Cluster, arn: str) -> str:
    """Return the address of the revision that an ARN names, nothing for what names none."""
    named = family_and_revision(arn)
    if named is None:
        return ""
    return reverse("task-definition", args=[cluster.account.account_id, cluster.region, *named])
