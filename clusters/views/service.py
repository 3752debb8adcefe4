"""The pages of one service: overview, tasks, events, configuration."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from clusters import service_queries
from clusters.actions import acknowledge_failure, keep_hot
from clusters.masking import mask
from clusters.models import Service
from clusters.queries import get_service
from clusters.rendering import unknown_words
from clusters.service_view import configuration_of, deployment_facts, outgoing_of
from clusters.status import Status
from clusters.strip import strip_of
from clusters.task_rows import row_of, worst_first
from ecsconsole.http import ConsoleRequest, render_page

# Parts of the overview that refresh on their own nudge; each is one element of the same name.
PARTS = frozenset(
    {"service", "service-says", "service-rollout", "service-tasks", "service-events", "service-deployment"}
)
FRAME_PARTS = frozenset({"service", "service-says"})


def frame(request: ConsoleRequest, service: Service, tab: str) -> dict[str, Any]:
    """Return what every tab of a service shows around its content."""
    freshness = service_queries.freshness_of(service, timezone.now())
    status = Status.UNKNOWN if freshness.is_stale else Status(service.status)
    return {
        "service": service,
        "cluster": service.cluster,
        "tab": tab,
        "freshness": freshness,
        "status": status,
        "says": unknown_words(Status(service.status), freshness.as_of)
        if freshness.is_stale
        else service.happening,
        # "Steady. Steady for 2 d" would say it twice.
        "is_at_rest": not freshness.is_stale and service.happening == f"{status.label}.",
        "is_rolling_out": bool(outgoing_of(service.facts)),
        "task_count": service.running_count + service.pending_count,
        "can_acknowledge": service.status == Status.FAILED
        and request.access.can("service.deploy", service.access_resource),
    }


def says_of(service: Service, freshness: service_queries.Freshness) -> str:
    """Return the one sentence under the title."""
    if freshness.is_gone:
        return "ECS no longer lists this service."
    if freshness.is_stale and service.status != Status.UNKNOWN:
        return f"{unknown_words(Status(service.status), freshness.as_of)}."
    return service.happening


@require_GET
def service(request: ConsoleRequest, account_id: str, region: str, cluster: str, name: str) -> HttpResponse:
    """Show the overview, or the one part of it that a nudge asked for."""
    found = get_service(request, account_id, region, cluster, name)
    part = request.GET.get("part", "")
    keep_hot(found)
    if part in FRAME_PARTS:
        return render_page(
            request, "clusters/service_base.html", frame(request, found, "overview"), partial=part
        )
    context = frame(request, found, "overview")
    context |= overview_context(found, context["freshness"])
    return render_page(request, "clusters/service.html", context, partial=part if part in PARTS else "")


def overview_context(service: Service, freshness: service_queries.Freshness) -> dict[str, Any]:
    now = timezone.now()
    overview = service_queries.read_overview(service, now, freshness)
    events = service.events.all()[: service_queries.EVENTS_ON_OVERVIEW]
    return {
        "overview": overview,
        "strip": strip_of(
            service, [*overview.tasks, *(row.task for row in overview.failures)], is_stale=freshness.is_stale
        ),
        "facts": deployment_facts(service.facts, overview.breaker),
        "days": service_queries.days_of(service, events, folds=False),
        "definition_url": service_queries.definition_address(service.cluster, service.task_definition_arn),
        "failed_url": service_queries.definition_address(service.cluster, overview.subject.incoming_arn),
        "compare_url": service_queries.comparison_address(service, overview.subject),
    }


@require_GET
def service_tasks(
    request: ConsoleRequest, account_id: str, region: str, cluster: str, name: str
) -> HttpResponse:
    """Show all tasks: those that run, or every stopped one that was ever seen."""
    found = get_service(request, account_id, region, cluster, name)
    keep_hot(found)
    stopped = request.GET.get("state") == "stopped"
    now = timezone.now()
    incoming_id = service_queries.incoming_id(found)
    page = None
    if stopped:
        page = service_queries.page_of(service_queries.stopped_tasks(found), request.GET.get("page"))
        rows = [row_of(task, incoming_id, now) for task in service_queries.adopt(found, page)]
    else:
        current = service_queries.current_tasks(found)
        rows = worst_first(row_of(task, incoming_id, now) for task in current)
    context = frame(request, found, "tasks") | {"rows": rows, "page": page, "is_stopped": stopped}
    context["stopped_count"] = page.paginator.count if page else service_queries.stopped_tasks(found).count()
    return render_page(request, "clusters/service_tasks.html", context, partial="service-tasks")


@require_GET
def service_events(
    request: ConsoleRequest, account_id: str, region: str, cluster: str, name: str
) -> HttpResponse:
    """Show the events of a service by day; routine ones are folded unless they are searched or asked for."""
    found = get_service(request, account_id, region, cluster, name)
    keep_hot(found)
    text = request.GET.get("q", "").strip()
    shows_all = request.GET.get("show") == "all"
    page = service_queries.page_of(service_queries.find_events(found, text), request.GET.get("page"))
    days = service_queries.days_of(found, page, folds=not (text or shows_all))
    context = frame(request, found, "events") | {
        "page": page,
        "days": days,
        "text": text,
        "shows_all": shows_all,
    }
    return render_page(request, "clusters/service_events.html", context, partial="service-events")


@require_GET
def service_configuration(
    request: ConsoleRequest, account_id: str, region: str, cluster: str, name: str
) -> HttpResponse:
    """Show how the service is set up: in sections, and as DescribeServices answers."""
    found = get_service(request, account_id, region, cluster, name)
    context = frame(request, found, "configuration") | {
        "sections": configuration_of(found.facts),
        "definition_url": service_queries.definition_address(found.cluster, found.task_definition_arn),
        "raw": mask(found.facts),
        "is_raw": request.GET.get("view") == "json",
    }
    return render_page(request, "clusters/service_configuration.html", context)


@require_POST
def acknowledge(
    request: ConsoleRequest, account_id: str, region: str, cluster: str, name: str
) -> HttpResponse:
    """Mark the failed deployment as seen."""
    found = get_service(request, account_id, region, cluster, name)
    acknowledge_failure(service=found, actor=request.user, access=request.access)
    return HttpResponseRedirect(found.get_absolute_url())
