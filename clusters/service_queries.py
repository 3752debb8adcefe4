"""What the pages of one service read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.urls import reverse

from clusters.definition_view import Image, split_image
from clusters.event_kinds import Day, group_days, task_ids_of
from clusters.models import Cluster, PollTarget, Service, ServiceEvent, Task
from clusters.recorder import Recording
from clusters.rollout_queries import PAST_ROLLOUTS, RolloutReader
from clusters.rollout_subject import Subject, subject_of
from clusters.service_view import Breaker, breaker_of, deployments_of
from clusters.status import Status
from clusters.strip import incoming_deployment
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
    is_gone: bool = False
    failing_since: datetime | None = None
    cause: str = ""
    request_id: str = ""


def freshness_of(service: Service, now: datetime) -> Freshness:
    """Say whether a service's figures may be believed, with the error of its account and region."""
    if service.gone_at is not None:
        return Freshness(True, service.gone_at, is_gone=True)
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
    return Freshness(True, as_of, False, target.failing_since, cause, target.error_request_id)


def adopt(service: Service, tasks: Iterable[Task]) -> list[Task]:
    """Give tasks the service and cluster that are read already, so that their addresses cost no query."""
    adopted = list(tasks)
    for task in adopted:
        task.service, task.cluster = service, service.cluster
    return adopted


def current_tasks(service: Service) -> list[Task]:
    """Return the tasks that have not stopped."""
    return adopt(service, service.tasks.filter(gone_at=None).exclude(last_status="STOPPED"))


def incoming_id(service: Service) -> str:
    """Return the id of the deployment whose tasks come in: PRIMARY, or one that failed and is backed out."""
    incoming = incoming_deployment([dict(item) for item in deployments_of(service.facts)])
    return str((incoming or {}).get("id") or "")


def stopped_tasks(service: Service) -> QuerySet[Task]:
    """Return all stopped tasks that were ever seen, the latest first."""
    return service.tasks.filter(last_status="STOPPED").order_by("-stopped_at", "-created_at")


def failures_of(service: Service, subject: Subject, now: datetime) -> list[TaskRow]:
    """Return the tasks of one rollout that stopped with a failure, the latest first."""
    tasks = stopped_tasks(service)
    if subject.is_rollback:
        # The failed deployment leaves the facts once it is rolled back, and its id with it.
        tasks = tasks.filter(task_definition_arn=subject.incoming_arn, created_at__gte=subject.started_at)
    else:
        tasks = tasks.filter(started_by=subject.incoming_id)
    rows = [row_of(task, subject.incoming_id, now) for task in adopt(service, tasks[:PAGE_SIZE])]
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
    subject: Subject
    outgoing: str
    incoming: str
    recording: Recording | None
    started_by: str
    images: list[DeployedImage]


def read_overview(service: Service, now: datetime, freshness: Freshness) -> Overview:
    """Read what the overview shows, in seven queries."""
    past = list(service.service_deployments.all()[:PAST_ROLLOUTS])
    subject = subject_of(service.facts, past)
    tasks = current_tasks(service)
    failures = failures_of(service, subject, now) if subject.incoming_id else []
    breaker = breaker_of(service.facts, subject.deployment.facts if subject.deployment else {})
    reader = RolloutReader(service, subject, past, tasks, failures, breaker)
    return Overview(
        tasks=tasks,
        failures=failures,
        table=list_tasks(tasks, failures, subject.incoming_id, now),
        breaker=breaker,
        subject=subject,
        outgoing=reader.outgoing,
        incoming=reader.incoming,
        recording=reader.draw(now, freshness.as_of if freshness.is_stale else None),
        started_by=(subject.deployment.created_by if subject.deployment else "") or service.deployed_by,
        images=images_of(service, subject),
    )


def images_of(service: Service, subject: Subject) -> list[DeployedImage]:
    """Return what the PRIMARY deployment runs, with the digests that ECS resolved where it tells them."""
    # The images of a rolled back deployment are those that no longer run.
    resolved = subject.deployment.images if subject.deployment and not subject.is_rollback else None
    items = resolved or service.images
    images = []
    for item in items:
        image = split_image(str(item.get("image") or ""))
        digest = str(item.get("digest") or image.digest)
        named = Image(image.reference, image.repository, image.tag, digest)
        images.append(DeployedImage(str(item.get("container") or ""), named))
    return images


def comparison_address(service: Service, subject: Subject) -> str:
    """Return the address that compares the outgoing revision with the incoming one, nothing when they are one."""
    before, after = family_and_revision(subject.outgoing_arn), family_and_revision(subject.incoming_arn)
    if before is None or after is None or before == after or before[0] != after[0]:
        return ""
    cluster = service.cluster
    address = reverse("task-definition-diff", args=[cluster.account.account_id, cluster.region, after[0]])
    return f"{address}?from={before[1]}&to={after[1]}"


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
