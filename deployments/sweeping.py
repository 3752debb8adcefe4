"""The sweeper: finds what is due in the database, so that no lost message loses a change."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q

from deployments.models import Change
from deployments.waking import enqueue, enqueue_together
from deployments.watching import groups_of

# More would flood the queue after a long outage; the rest follows two seconds later.
MOST = 200


def due(now: datetime) -> list[int]:
    """Return the changes that are due and under nobody's lease, the longest waiting first.

    Beside active ones these are ended ones whose deployment has no name yet.
    """
    free = Q(lease_expires_at=None) | Q(lease_expires_at__lte=now)
    rows = Change.objects.filter(free, next_wake_at__lte=now)
    return list(rows.order_by("next_wake_at").values_list("pk", flat=True)[:MOST])


def sweep(*, now: datetime) -> int:
    """Wake all that is due; approvals and queues run out, and bases are compared, in the same step as all else.

    Those that only look on in one cluster are woken together. Returns how many were woken.
    """
    found = due(now)
    groups = groups_of(found, now)
    together = {change_id for group in groups for change_id in group}
    alone = [change_id for change_id in found if change_id not in together]
    return sum(enqueue(change_id) for change_id in alone) + sum(enqueue_together(group) for group in groups)
