"""What the console makes of a service's facts: status, sentence, version, search text, and its drawn row."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db.models import OuterRef, Q, Subquery

from clusters.causes import FailedTask
from clusters.definition_view import split_image
from clusters.health import EVENT_FRESH, Event, Facts, LastDeployment, Verdict, judge
from clusters.models import Service, ServiceDeployment, ServiceEvent, Task, TaskDefinition
from clusters.snapshots import upsert
from clusters.strip import has_failed

DERIVED = [
    "status",
    "status_since",
    "happening",
    "version",
    "images",
    "short_since",
    "deployed_by",
    "row_html",
    "search_text",
]
# How far back a stopped task may tell why: a rollout that fails slowly shows its causes longer than a minute.
FAILURES_SINCE = timedelta(hours=6)
# Enough to tell the common cause and to draw the notches.
FAILURES_KEPT = 30


class Context:
    """Everything about some services that judging and drawing needs, in six queries."""

    def __init__(self, services: Collection[Service], now: datetime) -> None:
        pks = [service.pk for service in services]
        self.now = now
        self.current: dict[int, list[Task]] = defaultdict(list)
        self.failed: dict[int, list[Task]] = defaultdict(list)
        self.events: dict[int, list[Event]] = defaultdict(list)
        self.read_tasks(pks)
        self.read_events(pks)
        self.last = last_deployments(pks)
        self.read_failures_of_rollbacks()
        arns = {service.task_definition_arn for service in services}
        self.definitions: dict[str, dict[str, Any]] = dict(
            TaskDefinition.objects.filter(arn__in=arns).values_list("arn", "facts")
        )

    def read_tasks(self, pks: list[int]) -> None:
        """Read current tasks, and the lately failed ones, newest first."""
        recent = Q(last_status="STOPPED", stopped_at__gte=self.now - FAILURES_SINCE)
        tasks = Task.objects.filter(service_id__in=pks)
        for task in tasks.filter(recent | (Q(gone_at=None) & ~Q(last_status="STOPPED"))).order_by(
            "-created_at"
        ):
            if task.last_status != "STOPPED":
                self.current[task.service_id or 0].append(task)
            elif has_failed(task) and len(self.failed[task.service_id or 0]) < FAILURES_KEPT:
                self.failed[task.service_id or 0].append(task)

    def read_failures_of_rollbacks(self) -> None:
        """Read the failed tasks of deployments that were rolled back, so that the cause outlives the rollout."""
        bad = {pk: row for pk, row in self.last.items() if row.status.startswith("ROLLBACK")}
        wanted = {pk: row for pk, row in bad.items() if not self.failed[pk] and row.task_definition_arn}
        if not wanted:
            return
        arns = {row.task_definition_arn for row in wanted.values()}
        tasks = Task.objects.filter(
            service_id__in=wanted, task_definition_arn__in=arns, last_status="STOPPED"
        )
        for task in tasks.order_by("-created_at")[: FAILURES_KEPT * len(wanted)]:
            if has_failed(task):
                self.failed[task.service_id or 0].append(task)

    def read_events(self, pks: list[int]) -> None:
        fresh = ServiceEvent.objects.filter(service_id__in=pks, created_at__gte=self.now - EVENT_FRESH)
        rows = fresh.order_by("-created_at", "pk").values_list("service_id", "created_at", "message")
        for service_id, at, message in rows:
            self.events[service_id].append(Event(at, message))

    def tasks_to_draw(self, service: Service) -> list[Task]:
        """Return the current tasks and those of this rollout that failed."""
        ids = {deployment.get("id") for deployment in service.facts.get("deployments") or []}
        failed = [task for task in self.failed[service.pk] if task.started_by in ids]
        return [*self.current[service.pk], *failed]


def last_deployments(pks: list[int]) -> dict[int, ServiceDeployment]:
    """Return the newest service deployment of each service."""
    newest = ServiceDeployment.objects.filter(service=OuterRef("pk")).order_by("-created_at").values("pk")[:1]
    picked = Service.objects.filter(pk__in=pks).order_by().values_list(Subquery(newest), flat=True)
    rows = ServiceDeployment.objects.filter(pk__in=[pk for pk in picked if pk]).defer("facts")
    return {row.service_id: row for row in rows}


def derive(pks: Iterable[int], now: datetime, *, redraw: Collection[int] | None = None) -> set[int]:
    """Judge services anew and draw the rows of those that look different; return the keys of what was written.

    `redraw` are the services whose facts or tasks have changed, all of them without it. The others are judged because
    time alone changes a status, and are drawn only if it did.
    """
    services = list(Service.objects.filter(pk__in=set(pks)).select_related("cluster__account"))
    if not services:
        return set()
    context = Context(services, now)
    changed = []
    for service in services:
        before = derived_values(service)
        fill(service, context)
        must_draw = redraw is None or service.pk in redraw or not service.row_html
        if must_draw or derived_values(service) != before:
            draw(service, context)
        if derived_values(service) != before:
            changed.append(service)
    keys = {service.pk for service in changed}
    upsert(Service, changed, DERIVED)
    return keys


def derived_values(service: Service) -> tuple[Any, ...]:
    return tuple(getattr(service, name) for name in DERIVED)


def draw(service: Service, context: Context) -> None:
    # The drawing knows the page's templates, which know our models.
    from clusters.rendering import draw_row

    service.row_html = draw_row(service, context.tasks_to_draw(service))


def fill(service: Service, context: Context) -> None:
    """Set what is derived from facts, without drawing."""
    note_shortage(service, context.now)
    verdict = verdict_of(service, context)
    if service.status != verdict.status:
        service.status_since = since_of(service, verdict, context)
    service.status, service.happening = verdict.status, verdict.happening
    last = context.last.get(service.pk)
    service.deployed_by = last.created_by[:200] if last else ""
    service.images = images_of(service, context)
    service.version = version_of(service, context.definitions.get(service.task_definition_arn))
    service.search_text = search_text(service)


def note_shortage(service: Service, now: datetime) -> None:
    """Remember since when fewer tasks run than are desired."""
    if service.running_count >= service.desired_count:
        service.short_since = None
    elif service.short_since is None:
        service.short_since = now


def since_of(service: Service, verdict: Verdict, context: Context) -> datetime:
    """Return since when a status holds: for one that was never judged, since its deployment as far as is known."""
    if service.row_html:
        return context.now
    last = context.last.get(service.pk)
    known = last.finished_at if last else service.deployed_at
    return min(known, context.now) if known else context.now


def verdict_of(service: Service, context: Context) -> Verdict:
    """Judge a service by what is stored."""
    last = context.last.get(service.pk)
    facts = Facts(
        service=service.facts,
        desired=service.desired_count,
        running=service.running_count,
        pending=service.pending_count,
        is_read=service.described_at is not None,
        short_since=service.short_since,
        last=LastDeployment(last.arn, last.status, last.status_reason, last.task_definition_arn)
        if last
        else None,
        acknowledged=service.acknowledged_deployment,
        failures=[failure_of(task) for task in relevant_failures(service, context)],
        unhealthy_count=sum(task.health_status == "UNHEALTHY" for task in context.current[service.pk]),
        events=context.events[service.pk],
    )
    return judge(facts, context.now)


def relevant_failures(service: Service, context: Context) -> list[Task]:
    """Return the failed tasks of what is judged: of the failed revision if one was rolled back, else of what runs."""
    failed, last = context.failed[service.pk], context.last.get(service.pk)
    if last and last.status.startswith("ROLLBACK") and last.task_definition_arn:
        return [task for task in failed if task.task_definition_arn == last.task_definition_arn]
    return [task for task in failed if task.task_definition_arn == service.task_definition_arn]


def failure_of(task: Task) -> FailedTask:
    """Return what a failed task says about its cause."""
    containers = task.facts.get("containers") or []
    guilty = [c for c in containers if c.get("exitCode") or c.get("reason")] or containers
    first: Mapping[str, Any] = guilty[0] if guilty else {}
    return FailedTask(
        task.stop_code,
        task.stopped_reason,
        str(first.get("name") or ""),
        str(first.get("reason") or ""),
        task.exit_code,
    )


def images_of(service: Service, context: Context) -> list[dict[str, str]]:
    """Return the images of the PRIMARY task definition; until that is known, those of a task that runs it."""
    definition = context.definitions.get(service.task_definition_arn)
    if definition and definition.get("containerDefinitions"):
        return named_images(definition["containerDefinitions"])
    for task in context.current[service.pk]:
        if task.task_definition_arn == service.task_definition_arn and task.facts.get("containers"):
            return named_images(task.facts["containers"])
    return []


def named_images(containers: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    return [{"container": str(c.get("name", "")), "image": str(c.get("image", ""))} for c in containers]


def version_of(service: Service, definition: Mapping[str, Any] | None) -> str:
    """Return the tag or short digest of the first essential image; sidecars that are essential come after it."""
    if not service.images:
        return ""
    containers = (definition or {}).get("containerDefinitions") or []
    essential = [c["name"] for c in containers if c.get("essential", True)]
    # Teams name the main container after the service, and a mesh proxy is as essential as it is.
    wanted = service.name if service.name in essential else next(iter(essential), "")
    image = next((i for i in service.images if i["container"] == wanted), service.images[0])
    return split_image(image["image"]).version[:255]


def search_text(service: Service) -> str:
    """Return what the filter of the fleet page looks through."""
    cluster = service.cluster
    tags = service.facts.get("tags") or []
    words = [service.name, cluster.name, cluster.region, cluster.account.name, cluster.account.account_id]
    words += [image["image"] for image in service.images]
    words += [f"{tag.get('key', '')}={tag.get('value', '')}" for tag in tags]
    return " ".join(words).lower()
