"""Doorways of the broker into access."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from access.sessions import clear_ended_sessions


@shared_task(name="access.tasks.clear_sessions")
def clear_sessions() -> int:
    """Delete the rows of sessions that are over."""
    return clear_ended_sessions(timezone.now())
