"""Doorways for Celery."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from notifications import delivering, sweeping


@shared_task(name="notifications.tasks.deliver")
def deliver(delivery_id: int) -> None:
    """Send one message to one channel, if it is due."""
    delivering.deliver(delivery_id, now=timezone.now())


@shared_task(name="notifications.tasks.sweep")
def sweep() -> None:
    """Wake every delivery that is due, whatever became of its message."""
    sweeping.sweep(now=timezone.now())


@shared_task(name="notifications.tasks.prune")
def prune() -> None:
    """Delete what the outbox keeps no longer."""
    sweeping.prune(now=timezone.now())
