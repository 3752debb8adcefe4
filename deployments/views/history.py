"""What ECS rolled out: of one service, and everywhere."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import islice

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpResponse
from django.views.decorators.http import require_GET

from audit.actions import record
from audit.filters import require_usable
from audit.tables import Echo, safe_cell
from clusters.actions import keep_hot
from clusters.models import Account, DeploymentIdentity, ServiceDeployment
from clusters.queries import get_service
from clusters.task_sets import sides_of, why_no_history
from clusters.views.service import frame
from deployments.filters import HistoryFilter
from deployments.history import HistoryRow, history_of, rows_of
from ecsconsole.http import ConsoleRequest, StreamedFile, render_page

PAGE_SIZE = 50
EXPORT_BATCH = 500
CSV_COLUMNS = (
    "created_at",
    "finished_at",
    "environment",
    "account_id",
    "region",
    "cluster",
    "service",
    "status",
    "status_reason",
    "task_definition",
    "images",
    "origin",
    "change",
    "who",
    "principal_arn",
    "source_identity",
    "ip_address",
    "user_agent",
    "cloudtrail_event_id",
    "why_not_known",
    "failed_tasks",
    "strategy",
    "service_revision_arn",
    "service_deployment_arn",
)


@require_GET
def service_deployments(
    request: ConsoleRequest, account_id: str, region: str, cluster: str, name: str
) -> HttpResponse:
    """List the service deployments of one service, newest first."""
    service = get_service(request, account_id, region, cluster, name)
    keep_hot(service)
    found = history_of(service.service_deployments.order_by("-created_at", "-pk"))
    page = Paginator(found, PAGE_SIZE).get_page(request.GET.get("page"))
    context = frame(request, service, "deployments") | {
        "page": page,
        "rows": rows_of(list(page)),
        "no_history": why_no_history(service.deployment_controller),
        "sides": sides_of(service.facts),
        "may_roll_back": request.access.can("service.rollback", service.access_resource),
    }
    return render_page(
        request, "deployments/service_deployments.html", context, partial="service-deployments"
    )


@require_GET
def deployment_history(request: ConsoleRequest) -> HttpResponse:
    """List the service deployments of everything that the person may see."""
    found = filtered(request)
    page = Paginator(history_of(found.qs), PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "filter": found,
        "page": page,
        "rows": rows_of(list(page)),
        "accounts": request.access.visible(Account.objects.all()),
        "is_filtered": any(value for name, value in request.GET.items() if name != "page"),
        "can_export": request.access.can("audit.export"),
    }
    return render_page(request, "deployments/history.html", context, partial="deployment-history")


def filtered(request: ConsoleRequest) -> HistoryFilter:
    visible: QuerySet[ServiceDeployment] = request.access.visible(ServiceDeployment.objects.all())
    return HistoryFilter(request.GET, queryset=visible.order_by("-created_at", "-pk"))


@require_GET
def export(request: ConsoleRequest) -> StreamedFile:
    """Export what the filters show as CSV; the export is itself an entry of the ledger."""
    request.access.require("audit.export")
    chosen = filtered(request)
    require_usable(chosen)
    found = history_of(chosen.qs)
    record(
        action="deployments.exported",
        actor=request.user,
        data={"filters": request.GET.dict()},
        request=request,
    )
    response = StreamedFile(csv_lines(found), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="ecsconsole-deployments.csv"'
    return response


def csv_lines(found: QuerySet[ServiceDeployment]) -> Iterator[str]:
    """Yield the lines of the export, a batch of changes looked up at a time."""
    writer = csv.writer(Echo())
    yield writer.writerow(CSV_COLUMNS)
    rest = found.iterator(chunk_size=EXPORT_BATCH)
    while batch := list(islice(rest, EXPORT_BATCH)):
        for row in rows_of(batch):
            yield writer.writerow([safe_cell(cell) for cell in cells_of(row)])


def cells_of(row: HistoryRow) -> list[object]:
    found = row.deployment
    cluster = found.service.cluster
    return [
        found.created_at.isoformat(),
        found.finished_at.isoformat() if found.finished_at else "",
        cluster.environment,
        cluster.account.account_id,
        cluster.region,
        cluster.name,
        found.service.name,
        found.status,
        found.status_reason,
        found.task_definition_arn,
        " ".join(f"{image.container}={image.reference}@{image.short_digest}" for image in row.images),
        "console" if row.change else "outside the console",
        f"CR-{row.change.pk}" if row.change else "",
        row.who,
        *identity_cells(row.identity),
        row.unnamed,
        "" if found.failed_count is None else found.failed_count,
        found.strategy,
        found.target_revision_arn,
        found.arn,
    ]


def identity_cells(found: DeploymentIdentity | None) -> list[str]:
    """Return what CloudTrail tells of who began it, five empty cells where it tells nothing."""
    if found is None:
        return [""] * 5
    return [found.principal_arn, found.source_identity, found.ip_address, found.user_agent, found.event_id]
