"""What the palette finds: services, clusters, tasks, task definitions, images, and what higher packages add."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import Q, QuerySet
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from clusters.definition_queries import without_hidden
from clusters.models import Cluster, Service, Task, TaskDefinition
from clusters.sources import sources_of
from clusters.status import ATTENTION, SEVERITY, Status
from ecsconsole.numbers import is_number

if TYPE_CHECKING:
    from access.queries import Access

LIMIT = 6
TASK_ID_MINIMUM = 4
PLACES = (
    ("fleet", "Fleet", "fleet", "f"),
    ("changes", "Changes", "changes", "c"),
    ("approvals", "Approvals", "approvals", "a"),
    ("logs", "Logs", "logs", "l"),
    ("deployment-history", "Deployments", "clock", "d"),
    ("task-definitions", "Task definitions", "taskdef", "t"),
    ("audit", "Audit", "audit", "u"),
)
ACTIONS = (
    ("deploy", "Deploy a new image", "deploy", "d", "service.deploy"),
    ("rollback", "Roll back", "back", "r", "service.rollback"),
    ("restart", "Restart all tasks", "restart", "", "service.restart"),
    ("scale", "Scale", "scale", "", "service.scale"),
    ("service-logs", "Tail logs of all tasks", "logs", "l", "logs.view"),
)


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the palette."""

    title: str
    url: str
    status: str = ""
    icon: str = ""
    context: str = ""
    note: str = ""
    key: str = ""
    is_identifier: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """Lines under one head."""

    title: str
    results: list[Result]


Finder = Callable[["Access", str], Section]
_finders: list[Finder] = []


def register_finder(finder: Finder) -> None:
    """Let a higher package add a section, since this one may not import it."""
    if finder not in _finders:
        _finders.append(finder)


def search(access: Access, typed: str) -> list[Section]:
    """Return the sections for what was typed; a leading `>` asks for actions alone."""
    text = typed.strip()
    wants_actions = text.startswith(">")
    words = text.lstrip("> ").lower()
    fresh = fresh_places(access)
    if not words:
        sections = [] if wants_actions else [problems(access, fresh)]
        return filled([*sections, places()])
    services = find_services(access, words)
    acting = [actions_on(access, services[0])] if services else []
    if wants_actions:
        return filled([*acting, places(words)])
    sections = [
        Section("Services", [service_result(service, fresh) for service in services]),
        *acting,
        find_clusters(access, words),
        find_tasks(access, words),
        find_task_definitions(access, words),
        find_images(access, words),
        *(finder(access, words) for finder in _finders),
        places(words),
    ]
    return filled(sections)


def filled(sections: list[Section]) -> list[Section]:
    return [section for section in sections if section.results]


def link(name: str, *args: object) -> str:
    """Return an address by name, empty when this installation has no such page."""
    try:
        return reverse(name, args=args)
    except NoReverseMatch:
        return ""


def places(words: str = "") -> Section:
    found = [
        Result(title, url, icon=icon, key=f"g {key}")
        for name, title, icon, key in PLACES
        if words in title.lower() and (url := link(name))
    ]
    return Section("Go to", found)


def open_services(access: Access) -> QuerySet[Service]:
    services = Service.objects.filter(gone_at__isnull=True).select_related("cluster__account")
    return access.visible(services).defer("facts", "row_html")


def fresh_places(access: Access) -> set[tuple[str, str]]:
    """Return the account and region pairs whose figures may be shown as current."""
    sources = sources_of(access, timezone.now())
    return {(source.account_id, source.region) for source in sources if not source.is_stale}


def problems(access: Access, fresh: set[tuple[str, str]]) -> Section:
    """Return what needs attention, before anything is typed."""
    found = list(open_services(access).filter(status__in=ATTENTION)[: LIMIT * 2])
    found.sort(key=lambda service: SEVERITY[Status(service.status)])
    return Section("Needs attention", [service_result(service, fresh) for service in found[:LIMIT]])


def find_services(access: Access, words: str) -> list[Service]:
    """Return the best services: those whose name begins with what was typed come first."""
    queryset = open_services(access)
    for word in words.split():
        queryset = queryset.filter(Q(search_text__contains=word) | Q(name__icontains=word))
    found = list(queryset.order_by("name")[: LIMIT * 8])
    found.sort(
        key=lambda service: (not service.name.lower().startswith(words), words not in service.name.lower())
    )
    return found[:LIMIT]


def service_result(service: Service, fresh: set[tuple[str, str]]) -> Result:
    """Return a service as a line, unknown where its figures are too old."""
    cluster = service.cluster
    is_fresh = (cluster.account.account_id, cluster.region) in fresh
    status = service.status if is_fresh else str(Status.UNKNOWN)
    note = f"{cluster.get_environment_display()}, {cluster.region}"
    return Result(service.name, service.get_absolute_url(), status=status, context=cluster.name, note=note)


def actions_on(access: Access, service: Service) -> Section:
    """Return what this person may do to the best match; each opens a form or a page."""
    found = [
        Result(title, url, icon=icon, key=key)
        for name, title, icon, key, action in ACTIONS
        if access.can(action, service.access_resource) and (url := link(name, *service.url_args))
    ]
    return Section(f"Actions on {service.name}, {service.cluster.name}", found)


def find_clusters(access: Access, words: str) -> Section:
    clusters = access.visible(Cluster.objects.filter(gone_at__isnull=True, name__icontains=words))
    found = clusters.select_related("account").defer("facts").order_by("name")[:LIMIT]
    results = [
        Result(
            cluster.name,
            cluster.get_absolute_url(),
            icon="env",
            note=f"{cluster.get_environment_display()}, {cluster.region}",
        )
        for cluster in found
    ]
    return Section("Clusters", results)


def find_tasks(access: Access, words: str) -> Section:
    """Return tasks whose id begins with what was typed."""
    if len(words) < TASK_ID_MINIMUM or not words.isalnum():
        return Section("Tasks", [])
    tasks = access.visible(Task.objects.filter(task_id__startswith=words))
    found = tasks.select_related("cluster__account", "service").defer("facts")[:LIMIT]
    results = [
        Result(
            task.task_id[:12],
            task.get_absolute_url(),
            icon="memory",
            context=task.service.name if task.service else task.cluster.name,
            note=task.last_status.lower(),
            is_identifier=True,
        )
        for task in found
    ]
    return Section("Tasks", results)


def find_task_definitions(access: Access, words: str) -> Section:
    """Return families by name, each once, and one revision for `family:12`."""
    family, _, number = words.partition(":")
    definitions = access.visible(TaskDefinition.objects.filter(family__icontains=family))
    definitions = without_hidden(access, definitions)
    if is_number(number):
        definitions = definitions.filter(revision=int(number))
    found = definitions.select_related("account").defer("facts").order_by("family", "-revision")[: LIMIT * 10]
    results: dict[tuple[int, str, str], Result] = {}
    for definition in found:
        key = (definition.account_id, definition.region, definition.family)
        title = f"{definition.family}:{definition.revision}"
        note = f"{definition.account.name}, {definition.region}"
        results.setdefault(
            key, Result(title, definition.get_absolute_url(), icon="taskdef", note=note, is_identifier=True)
        )
    return Section("Task definitions", list(results.values())[:LIMIT])


def find_images(access: Access, words: str) -> Section:
    """Return the images in use that hold what was typed, with the service that runs each."""
    results: dict[str, Result] = {}
    for service in open_services(access).filter(search_text__contains=words).order_by("name")[: LIMIT * 4]:
        for entry in service.images:
            image = str(entry.get("image", ""))
            short = image.rsplit("/", 1)[-1]
            if words in short.lower() and short not in results:
                results[short] = Result(
                    short,
                    service.get_absolute_url(),
                    icon="save",
                    note=f"runs in {service.name}",
                    is_identifier=True,
                )
    return Section("Images", list(results.values())[:LIMIT])
