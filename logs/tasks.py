"""Doorways for Celery; the work is in `logs.tailing`."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from logs import tailing


@shared_task
def tail_due() -> None:
    """Send each followed log group that is due to a worker."""
    for tail_id in tailing.claim_due(timezone.now()):
        read_tail.apply_async((tail_id,), expires=tailing.LEASE.total_seconds())


@shared_task
def read_tail(tail_id: int) -> None:
    """Read what is new in one log group."""
    tailing.read_tail(tail_id, timezone.now())
