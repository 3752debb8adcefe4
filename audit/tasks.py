"""Doorways for Celery."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from audit import checking, checkpoints, copies


@shared_task(name="audit.tasks.seal")
def seal() -> None:
    """Sign the checkpoints that are due."""
    checkpoints.seal_due(timezone.now())


@shared_task(name="audit.tasks.copy")
def copy() -> None:
    """Copy what the copies do not have yet."""
    copies.copy_due(timezone.now())


@shared_task(name="audit.tasks.verify")
def verify() -> None:
    """Verify the ledger when it is time or somebody asked."""
    checking.verify_due(timezone.now())
