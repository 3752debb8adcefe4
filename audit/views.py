"""Pages of the ledger, for those who audit."""

from __future__ import annotations

import json
from typing import Any

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, resolve_url
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from audit import queries
from audit.actions import record
from audit.compare import compare, details_of
from audit.exports import LEDGER, begin_export
from audit.filters import AuditFilter, require_usable
from audit.models import AuditEntry
from audit.seal import read_seal
from audit.tables import csv_lines, json_chunks
from audit.verification import bytes_of
from audit.waking import ask_for_verification
from ecsconsole.http import ConsoleRequest, StreamedFile, render_page, wants_fragment
from ecsconsole.numbers import is_number

PAGE_SIZE = 50


@require_GET
def ledger(request: ConsoleRequest) -> HttpResponse:
    """List the entries that match the filters, newest first, and show one of them below."""
    request.access.require("audit.view")
    now = timezone.now()
    found = filtered(request)
    opened = request.GET.get("entry", "")
    context = {
        "filter": found,
        "page": Paginator(found.qs, PAGE_SIZE).get_page(request.GET.get("page")),
        "is_filtered": any(value for name, value in request.GET.items() if name not in {"page", "entry"}),
        "may_export": request.access.can("audit.export"),
    }
    if not wants_fragment(request):
        context |= {"seal": read_seal(now), "counts": queries.recent_counts(now)}
        context |= shown(AuditEntry.objects.filter(seq=opened).first()) if is_number(opened) else {}
    return render_page(request, "audit/ledger.html", context, partial="audit-entries")


def filtered(request: ConsoleRequest) -> Any:
    entries: QuerySet[AuditEntry] = AuditEntry.objects.defer("canonical")
    return AuditFilter(request.GET, queryset=entries)


def shown(entry: AuditEntry | None) -> dict[str, Any]:
    """Return what the dock and the page of an entry show."""
    if entry is None:
        return {}
    hashed = bytes_of(entry.canonical).decode("utf-8", "replace")
    try:
        content = json.dumps(json.loads(hashed), indent=2, ensure_ascii=False)
    except ValueError:
        # Bytes that were tampered with are shown as they are.
        content = hashed
    context = {"entry": entry, "content": content, "hashed": hashed}
    return {**context, "comparison": compare(entry.data), "details": details_of(entry.data)}


@require_GET
def entry(request: ConsoleRequest, seq: int) -> HttpResponse:
    """Show one entry with everything that was hashed: as a page, or in the dock below the table."""
    request.access.require("audit.view")
    context = shown(get_object_or_404(AuditEntry, seq=seq))
    return render_page(request, "audit/entry.html", context, partial="audit-dock")


@require_GET
def seal(request: ConsoleRequest) -> HttpResponse:
    """Show how far the ledger was verified, signed and copied."""
    request.access.require("audit.view")
    context = {"seal": read_seal(timezone.now())}
    return render_page(request, "audit/seal.html", context, partial="audit-seal")


@require_POST
def verify(request: ConsoleRequest) -> HttpResponse:
    """Ask a worker to verify the whole ledger."""
    request.access.require("audit.view")
    ask_for_verification(timezone.now())
    if not wants_fragment(request):
        return HttpResponseRedirect(resolve_url("audit"))
    context = {"seal": read_seal(timezone.now())}
    return render_page(request, "audit/seal.html", context, partial="audit-seal")


def as_file(lines: Any, name: str, content_type: str) -> StreamedFile:
    """Stream lines as a file to save."""
    response = StreamedFile(lines, content_type=content_type)
    stamp = timezone.now().strftime("%Y%m%dT%H%M%SZ")
    stem, _, ending = name.partition(".")
    response["Content-Disposition"] = f'attachment; filename="{stem}-{stamp}.{ending}"'
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "no-store"
    return response


def export_filtered(request: ConsoleRequest, form: str) -> Any:
    """Return the entries that the filters show, oldest first; that they are handed out is itself an entry."""
    request.access.require("audit.export")
    found = filtered(request)
    require_usable(found)
    entries = found.qs.order_by("seq")
    data = {"format": form, "filters": request.GET.dict()}
    record(action="audit.exported", actor=request.user, target=LEDGER, data=data, request=request)
    return entries.iterator(chunk_size=queries.BATCH)


@require_GET
def export_csv(request: ConsoleRequest) -> StreamedFile:
    """Export what the filters show as CSV."""
    lines = csv_lines(export_filtered(request, "csv"))
    return as_file(lines, "ecsconsole-audit.csv", "text/csv; charset=utf-8")


@require_GET
def export_json(request: ConsoleRequest) -> StreamedFile:
    """Export what the filters show as JSON."""
    chunks = json_chunks(export_filtered(request, "json"))
    return as_file(chunks, "ecsconsole-audit.json", "application/json")


@require_POST
def export_signed(request: ConsoleRequest) -> StreamedFile:
    """Export the whole ledger with its checkpoints, for the verifier that needs no console."""
    request.access.require("audit.export")
    export = begin_export(actor=request.user, now=timezone.now(), data={}, request=request)
    return as_file(export.lines(), "ecsconsole-ledger.jsonl", "application/x-ndjson")
