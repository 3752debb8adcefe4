"""What the task definition pages read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.core.paginator import Page, Paginator
from django.db.models import Count, Exists, Max, OuterRef, Q, QuerySet
from django.http import Http404
from django.shortcuts import get_object_or_404

from clusters.models import Service, ServiceDeployment, Task, TaskDefinition
from ecsconsole.http import ConsoleRequest

if TYPE_CHECKING:
    from access.queries import Access

FAMILIES_PER_PAGE = 50
REVISIONS_PER_PAGE = 50


@dataclass(frozen=True, slots=True)
class Use:
    """Who runs a revision now."""

    services: list[Service]
    running_count: int


def visible_definitions(request: ConsoleRequest) -> QuerySet[TaskDefinition]:
    """Return the definitions of the places that the person sees, and those that a service they see has run.

    A definition belongs to a region and to no cluster, so a binding to one cluster or service alone would hide it.
    """
    access = request.access
    of_place = without_hidden(access, access.visible(TaskDefinition.objects.order_by())).values("pk")
    running = access.visible(Service.objects.order_by()).values("task_definition_arn")
    deployed = access.visible(ServiceDeployment.objects.order_by()).values("task_definition_arn")
    return TaskDefinition.objects.filter(Q(pk__in=of_place) | Q(arn__in=running) | Q(arn__in=deployed))


def without_hidden(access: Access, definitions: QuerySet[TaskDefinition]) -> QuerySet[TaskDefinition]:
    """Leave out the families of services that a denial hides, unless a service that is seen runs them as well."""
    if not access.hides_services:
        return definitions
    seen = access.visible(Service.objects.order_by())
    hidden = Service.objects.order_by().exclude(pk__in=seen.values("pk"))
    return definitions.filter(~Exists(run_by(hidden)) | Exists(run_by(seen)))


def run_by(services: QuerySet[Service]) -> QuerySet[TaskDefinition]:
    """Return the definitions of the family of an outer row that services run or have run."""
    deployed = ServiceDeployment.objects.order_by().filter(service__in=services.values("pk"))
    arns = Q(arn__in=services.values("task_definition_arn")) | Q(
        arn__in=deployed.values("task_definition_arn")
    )
    same = {name: OuterRef(name) for name in ("account", "region", "family")}
    return TaskDefinition.objects.order_by().filter(arns, **same)


def find_families(request: ConsoleRequest, text: str, number: str | None) -> Page[Any]:
    """Return one page of families with their newest revision, by name, in two queries."""
    definitions = visible_definitions(request).filter(gone_at=None)
    if text:
        definitions = definitions.filter(family__icontains=text)
    families = (
        definitions.values("family", "region", "account__account_id", "account__name", "account__environment")
        .annotate(
            newest=Max("revision"),
            registered_at=Max("registered_at"),
            revision_count=Count("pk"),
            active_count=Count("pk", filter=Q(status="ACTIVE")),
        )
        .order_by("family", "account__name", "region")
    )
    return Paginator(families, FAMILIES_PER_PAGE).get_page(number)


def family_revisions(
    request: ConsoleRequest, account_id: str, region: str, family: str
) -> QuerySet[TaskDefinition]:
    """Return the known revisions of a family, the newest first; 404 when none may be seen."""
    revisions = (
        visible_definitions(request)
        .select_related("account")
        .filter(account__account_id=account_id, region=region, family=family)
    )
    if not revisions.exists():
        raise Http404(family)
    return revisions.order_by("-revision")


def get_definition(
    request: ConsoleRequest, account_id: str, region: str, family: str, revision: int
) -> TaskDefinition:
    """Return a revision that the person may see, or 404."""
    return get_object_or_404(
        visible_definitions(request).select_related("account"),
        account__account_id=account_id,
        region=region,
        family=family,
        revision=revision,
    )


def uses_of(request: ConsoleRequest, definitions: Iterable[TaskDefinition]) -> dict[str, Use]:
    """Return by ARN who runs each revision, as far as the person may see it, in two queries."""
    arns = [definition.arn for definition in definitions]
    services: dict[str, list[Service]] = {}
    visible = request.access.visible(Service.objects.select_related("cluster__account"))
    for service in visible.filter(task_definition_arn__in=arns, gone_at=None).defer("row_html", "facts"):
        services.setdefault(service.task_definition_arn, []).append(service)
    running = request.access.visible(Task.objects.all()).filter(task_definition_arn__in=arns, gone_at=None)
    counts = dict(
        running.exclude(last_status="STOPPED")
        .order_by()
        .values_list("task_definition_arn")
        .annotate(count=Count("pk"))
    )
    return {arn: Use(services.get(arn, []), counts.get(arn, 0)) for arn in arns}


def neighbour(definition: TaskDefinition, request: ConsoleRequest) -> TaskDefinition | None:
    """Return the revision before this one that is known, to compare with."""
    older = visible_definitions(request).filter(
        account=definition.account,
        region=definition.region,
        family=definition.family,
        revision__lt=definition.revision,
    )
    return older.order_by("-revision").first()
