"""Doorways for Celery."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from deployments import announcing, dispatch, identities, sweeping, watching


@shared_task(name="deployments.tasks.wake")
def wake(change_id: int) -> None:
    """Move a change one step."""
    dispatch.wake(change_id, now=timezone.now())


@shared_task(name="deployments.tasks.watch")
def watch(change_ids: list[int]) -> None:
    """Move several changes of one cluster a step, on one look."""
    watching.watch(change_ids, now=timezone.now())


@shared_task(name="deployments.tasks.sweep")
def sweep() -> None:
    """Wake every change that is due, whatever became of its message."""
    sweeping.sweep(now=timezone.now())


@shared_task(name="deployments.tasks.find_identities")
def find_identities() -> None:
    """Ask CloudTrail who began deployments outside the console."""
    identities.find_identities(now=timezone.now())


@shared_task(name="deployments.tasks.announce")
def announce() -> None:
    """Tell of deployments outside the console, of paused hooks and of reviews that are nearly due."""
    announcing.announce_due(now=timezone.now())
