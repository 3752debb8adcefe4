"""The sweeper: finds what is due in the outbox, and clears what is old."""

from __future__ import annotations

from datetime import datetime, timedelta

from notifications.models import Delivery, Message, is_due
from notifications.waking import enqueue

# More would flood the queue after a long outage; the rest follows five seconds later.
MOST = 100
# The ledger keeps what happened; the outbox only how it was told.
KEPT_FOR = timedelta(days=90)
PRUNED_AT_ONCE = 500


def due(now: datetime) -> list[int]:
    """Return what is due, the longest waiting first; what a dead worker had claimed is due again with its claim."""
    rows = Delivery.objects.filter(is_due(now), channel__is_enabled=True)
    return list(rows.order_by("next_at").values_list("pk", flat=True)[:MOST])


def sweep(*, now: datetime) -> int:
    """Wake all that is due."""
    return sum(enqueue(pk) for pk in due(now))


def prune(*, now: datetime) -> int:
    """Delete messages that are older than the outbox keeps, dead letters among them; return how many."""
    old = Message.objects.filter(created_at__lt=now - KEPT_FOR).order_by("created_at")
    pks = list(old.values_list("pk", flat=True)[:PRUNED_AT_ONCE])
    Message.objects.filter(pk__in=pks).delete()
    return len(pks)
