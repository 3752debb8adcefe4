"""What a log page is about: a service or a task, its streams, and how its tasks are told apart."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet
from django.urls import reverse

from access.resources import Resource
from clusters.models import Cluster, Service, Task, TaskDefinition
from logs.lens import Lens
from logs.sources import ContainerLog, Source, Stream, container_logs, definitions_in_use, streams_of

COLOURS = 6
MOST_TASKS = 200
MOST_CHIPS = 12


@dataclass(frozen=True, slots=True)
class Badge:
    """How a task is told from the others: a letter and a colour that stay its own, and its short id."""

    task_id: str
    letter: str
    colour: int
    url: str
    revision: str
    is_stopped: bool

    @property
    def short_id(self) -> str:
        return self.task_id[:6]


@dataclass(frozen=True, slots=True)
class Subject:
    """A service or one of its tasks as the log pages see it."""

    cluster: Cluster
    service: Service | None
    task: Task | None
    badges: Mapping[str, Badge]
    logs: Sequence[ContainerLog]
    streams: Mapping[str, Mapping[str, Stream]]
    sources: Sequence[Source]
    has_definitions: bool

    @property
    def resource(self) -> Resource:
        return (self.task or self.service or self.cluster).access_resource

    @property
    def name(self) -> str:
        if self.task is not None:
            return f"task {self.task.task_id[:8]}"
        return self.service.name if self.service else self.cluster.name

    @property
    def file_name(self) -> str:
        """Return a name that is safe in a header and in a folder."""
        return re.sub(r"[^A-Za-z0-9_-]+", "-", self.name)

    @property
    def containers(self) -> list[str]:
        return list(dict.fromkeys(log.container for log in self.logs if log.group))

    @property
    def groups(self) -> list[str]:
        return list(dict.fromkeys(source.group for source in self.sources))

    @property
    def silent(self) -> list[ContainerLog]:
        """Return the containers whose lines go elsewhere."""
        return [log for log in self.logs if not log.group]

    def url(self, page: str = "") -> str:
        """Return the address of its log page, or of something below it: lines, history, download."""
        cluster = self.cluster
        place = [cluster.account.account_id, cluster.region, cluster.name]
        kind = "task" if self.task is not None else "service"
        name = self.task.task_id if self.task is not None else (self.service.name if self.service else "")
        return reverse(f"{kind}-log-{page}" if page else f"{kind}-logs", args=[*place, name])


def tasks_between(service: Service, start: datetime, end: datetime) -> QuerySet[Task]:
    """Return the tasks of a service that lived in a span of time."""
    lived = Q(stopped_at=None) | Q(stopped_at__gte=start)
    born = Q(created_at=None) | Q(created_at__lte=end)
    return service.tasks.filter(lived & born)


def subject_of_service(service: Service, lens: Lens, start: datetime, end: datetime) -> Subject:
    """Gather a service and its tasks of a span of time, in three queries."""
    tasks = tasks_between(service, start - timedelta(minutes=5), end)
    if lens.started_by:
        tasks = tasks.filter(started_by=lens.started_by)
    # Newest first for the limit, oldest first for the letters.
    chosen = sorted(tasks.order_by("-created_at")[:MOST_TASKS], key=birth)
    return build(service.cluster, service, None, chosen, definitions_in_use(service, chosen))


def subject_of_task(task: Task) -> Subject:
    """Gather one task, with the letter and colour that it has on the page of its service."""
    definitions = list(TaskDefinition.objects.filter(arn=task.task_definition_arn))
    return build(task.cluster, task.service, task, [task], definitions)


def birth(task: Task) -> tuple[float, int]:
    return (task.created_at.timestamp() if task.created_at else float("inf"), task.pk)


def ranks_of(service: Service | None) -> dict[int, int]:
    """Return the number of each task among all that its service ever had; rows are never deleted, so it stays."""
    if service is None:
        return {}
    pks = service.tasks.order_by("pk").values_list("pk", flat=True)
    return {pk: number for number, pk in enumerate(pks)}


def build(
    cluster: Cluster,
    service: Service | None,
    task: Task | None,
    tasks: Sequence[Task],
    definitions: Sequence[TaskDefinition],
) -> Subject:
    ranks = ranks_of(service)
    logs = {item.arn: container_logs(item.facts, cluster.region) for item in definitions}
    streams: dict[str, dict[str, Stream]] = {}
    sources: dict[str, Source] = {}
    for one in tasks:
        for stream in streams_of(one, logs.get(one.task_definition_arn, []), cluster.account):
            sources[stream.source.key] = stream.source
            streams.setdefault(stream.source.key, {})[stream.name] = stream
    distinct = dict.fromkeys(log for found in logs.values() for log in found)
    return Subject(
        cluster=cluster,
        service=service,
        task=task,
        badges={one.task_id: badge_of(one, cluster, ranks.get(one.pk, 0)) for one in tasks},
        logs=list(distinct),
        streams=streams,
        sources=list(sources.values()),
        has_definitions=bool(definitions),
    )


def badge_of(task: Task, cluster: Cluster, rank: int) -> Badge:
    letters = string.ascii_lowercase
    place = [cluster.account.account_id, cluster.region, cluster.name]
    return Badge(
        task_id=task.task_id,
        letter=letters[rank % len(letters)],
        colour=rank % COLOURS + 1,
        url=reverse("task", args=[*place, task.task_id]),
        revision=f":{task.task_definition_arn.rsplit(':', 1)[-1]}" if task.task_definition_arn else "",
        is_stopped=task.last_status == "STOPPED",
    )


def chips_of(subject: Subject, lens: Lens) -> tuple[list[Badge], int]:
    """Return the tasks to offer as filters, the running and the newest first, and how many are left out."""
    newest_first = list(subject.badges.values())[::-1]
    ranked = sorted(newest_first, key=lambda badge: badge.is_stopped)
    shown = ranked[:MOST_CHIPS]
    chosen = subject.badges.get(lens.task_id)
    if chosen is not None and chosen not in shown:
        shown[-1] = chosen
    return shown, len(ranked) - len(shown)
