"""Pages of the ledger, for those who audit."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from typing import Any

from django.core.paginator import Paginator
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_GET

from audit.actions import record
from audit.filters import AuditFilter
from audit.models import AuditEntry
from audit.verification import verify_ledger
from ecsconsole.http import ConsoleRequest, render_page

PAGE_SIZE = 50
CSV_COLUMNS = [
    "seq",
    "at",
    "actor",
    "action",
    "outcome",
    "target",
    "environment",
    "cluster",
    "service",
    "reason",
]


# A spreadsheet runs a cell that starts with one of these.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@require_GET
def ledger(request: ConsoleRequest) -> HttpResponse:
    """List the entries that match the filters, newest first."""
    request.access.require("audit.view")
    entries = AuditFilter(request.GET, queryset=AuditEntry.objects.defer("canonical"))
    page = Paginator(entries.qs, PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "filter": entries,
        "page": page,
        "verification": verify_ledger() if "verify" in request.GET else None,
    }
    return render_page(request, "audit/ledger.html", context, partial="audit-entries")


@require_GET
def entry(request: ConsoleRequest, seq: int) -> HttpResponse:
    """Show one entry with everything that was hashed."""
    request.access.require("audit.view")
    found = get_object_or_404(AuditEntry, seq=seq)
    content = json.dumps(json.loads(bytes(found.canonical)), indent=2, ensure_ascii=False)
    return render_page(
        request, "audit/entry.html", {"entry": found, "content": content}, partial="audit-entry"
    )


@require_GET
def export_csv(request: ConsoleRequest) -> StreamingHttpResponse:
    """Export what the filters show as CSV; the export is itself an entry."""
    request.access.require("audit.export")
    entries = AuditFilter(request.GET, queryset=AuditEntry.objects.defer("canonical")).qs
    record(action="audit.exported", actor=request.user, data={"filters": request.GET.dict()}, request=request)
    response = StreamingHttpResponse(csv_lines(entries.order_by("seq").iterator()), content_type="text/csv")
    response["Content-Disposition"] = 'attachment; filename="ecsconsole-audit.csv"'
    return response


def safe_cell(value: Any) -> str:
    """Return a cell that a spreadsheet shows and never runs."""
    text = str(value).replace("\r", " ").replace("\n", " ")
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


class Echo:
    """A file that hands each written line back, so that the export needs no memory."""

    def write(self, line: str) -> str:
        return line


def csv_lines(entries: Iterator[AuditEntry]) -> Iterator[str]:
    writer = csv.writer(Echo())
    yield writer.writerow(CSV_COLUMNS)
    for found in entries:
        row = [found.at.isoformat() if name == "at" else getattr(found, name) for name in CSV_COLUMNS]
        yield writer.writerow([safe_cell(cell) for cell in row])
