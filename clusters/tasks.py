"""Doorways for Celery; the work is in `clusters.polling`."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from clusters import polling


@shared_task
def poll_due() -> None:
    """Send each account and region that is due to a worker."""
    for target_id in polling.due_targets(timezone.now()):
        poll_target.apply_async((target_id,), expires=5)


@shared_task
def poll_target(target_id: int) -> None:
    """Read one account in one region, unless another worker does."""
    polling.poll_target(target_id, timezone.now())
