"""Who could do what at a place on a date: as page, CSV and JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.http import HttpResponse
from django.views.decorators.http import require_GET

from audit.actions import record
from deployments.who_could import Report, WhoCouldForm, as_json, csv_lines, report_of
from ecsconsole.http import ConsoleRequest, StreamedFile, render_page

PAGE = "deployments/who_could.html"


@require_GET
def who_could_page(request: ConsoleRequest) -> HttpResponse:
    """Show who could do something at a place on a date."""
    request.access.require("audit.view")
    form = WhoCouldForm(request.GET if "service" in request.GET else None)
    context: dict[str, Any] = {"form": form, "may_export": request.access.can("audit.export")}
    if form.is_valid():
        context["report"] = report_of(form)
    return render_page(request, PAGE, context, status=422 if form.is_bound and form.errors else 200)


@require_GET
def who_could_export(request: ConsoleRequest) -> HttpResponse | StreamedFile:
    """Hand the answer out as CSV or JSON; that it was is an entry."""
    request.access.require("audit.export")
    form = WhoCouldForm(request.GET)
    if not form.is_valid():
        return render_page(request, PAGE, {"form": form, "may_export": True}, status=422)
    report, is_json = report_of(form), request.GET.get("format") == "json"
    data = {"format": "json" if is_json else "csv", "permission": report.action, "at": report.moment}
    record(
        action="audit.exported",
        actor=request.user,
        resource=report.place,
        target="who-could",
        data=data,
        request=request,
    )
    return as_file(report, is_json=is_json)


def as_file(report: Report, *, is_json: bool) -> StreamedFile:
    """Return the answer as a file to save."""
    lines: Iterator[str] = iter([as_json(report)]) if is_json else csv_lines(report)
    response = StreamedFile(lines, content_type="application/json" if is_json else "text/csv; charset=utf-8")
    stem = f"ecsconsole-who-could-{report.moment:%Y%m%dT%H%M%SZ}"
    response["Content-Disposition"] = f'attachment; filename="{stem}.{"json" if is_json else "csv"}"'
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "no-store"
    return response
