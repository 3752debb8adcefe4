"""Reading the ledger for pages and reports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from django.db.models import Count, Q, QuerySet

from audit.filters import of_kind
from audit.models import AuditEntry

BATCH = 1000
RECENT = timedelta(days=7)


def entries_about(target: str) -> QuerySet[AuditEntry]:
    """Return the entries of one target, such as CR-12, oldest first."""
    return AuditEntry.objects.filter(target=target).order_by("seq")


def entries_between(start: datetime, end: datetime, *, actions: Iterable[str] = ()) -> Iterator[AuditEntry]:
    """Stream the entries of a period in the order in which they were written, all of it or some actions.

    `start` belongs to the period, `end` does not. An action that ends with a dot stands for all that begin with it.
    Two calls for a period that is over yield the same, which makes a report reproducible from the ledger alone.
    """
    found = AuditEntry.objects.filter(at__gte=start, at__lt=end).defer("canonical")
    names = list(actions)
    if names:
        wanted = Q(action__in=[name for name in names if not name.endswith(".")])
        for prefix in (name for name in names if name.endswith(".")):
            wanted |= Q(action__startswith=prefix)
        found = found.filter(wanted)
    yield from found.order_by("seq").iterator(chunk_size=BATCH)


def recent_counts(now: datetime) -> dict[str, int]:
    """Count what an auditor looks for first in the last seven days, in one query."""
    return AuditEntry.objects.filter(at__gte=now - RECENT).aggregate(
        refused=Count("seq", filter=Q(outcome="refused")),
        failed=Count("seq", filter=Q(outcome="failed")),
        **{kind: Count("seq", filter=of_kind(kind)) for kind in ("outside", "overrides", "reads")},
    )
