"""Pages of the reports: counts first, exceptions on top, each with the entries that say so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_GET

from audit.actions import record
from audit.filters import FilterUnusable
from clusters.models import Account
from deployments.reports.entries import DatabaseLedger
from deployments.reports.forms import ScopeForm
from deployments.reports.output import REPORTS, Report, Result, as_csv, as_json
from deployments.reports.scope import Scope
from ecsconsole.http import ConsoleRequest, StreamedFile, render_page

PAGE_SIZE = 50


def report_named(name: str) -> Report:
    if name not in REPORTS:
        raise Http404
    return REPORTS[name]


@require_GET
def report(request: ConsoleRequest, name: str) -> HttpResponse:
    """Show a report over the ledger as it stands now."""
    request.access.require("audit.view")
    found = report_named(name)
    form = ScopeForm(request.GET, timezone.now().date())
    ledger = DatabaseLedger()
    result, only = found.make(ledger, form.scope), request.GET.get("only", "")
    context = {
        "report": found,
        "reports": REPORTS.values(),
        "form": form,
        "scope": form.scope,
        "head": ledger.head,
        "result": result,
        "accounts": Account.objects.order_by("name"),
        "page": Paginator(result.of_class(only), PAGE_SIZE).get_page(request.GET.get("page")),
        "only": only,
        "is_filtered": any(value for key, value in request.GET.items() if key not in {"page", "only"}),
        "may_export": request.access.can("audit.export"),
    }
    return render_page(request, f"deployments/report_{name}.html", context)


def export(request: ConsoleRequest, name: str, form: str) -> tuple[Report, Result, DatabaseLedger, Scope]:
    """Make a report to be handed out, and record that; the entry itself comes after the head that it names."""
    request.access.require("audit.export")
    found = report_named(name)
    asked = ScopeForm(request.GET, timezone.now().date())
    if not asked.is_valid():
        raise FilterUnusable(asked.problems, advice="Correct the dates or the place on the report's page.")
    scope, ledger = asked.scope, DatabaseLedger()
    result = found.make(ledger, scope)
    record_export(found, scope, ledger, form, actor=request.user, request=request)
    return found, result, ledger, scope


def record_export(found: Report, scope: Scope, ledger: DatabaseLedger, form: str, **who: Any) -> None:
    record(
        action="audit.exported",
        target=f"report: {found.name}",
        data={"format": form, "filters": scope.as_json(), "head_seq": ledger.head.seq},
        **who,
    )


@require_GET
def report_json(request: ConsoleRequest, name: str) -> StreamedFile:
    """Hand a report out as JSON, with the ledger's head and the filter by which it can be made again."""
    text = as_json(*export(request, name, "json"))
    return as_file(iter([text]), f"ecsconsole-{name}.json", "application/json")


@require_GET
def report_csv(request: ConsoleRequest, name: str) -> StreamedFile:
    """Hand a report out as CSV."""
    found, result, _, _ = export(request, name, "csv")
    return as_file(as_csv(found, result), f"ecsconsole-{name}.csv", "text/csv; charset=utf-8")


def as_file(lines: Iterator[str], name: str, content_type: str) -> StreamedFile:
    response = StreamedFile(lines, content_type=content_type)
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "no-store"
    return response
