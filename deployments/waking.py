"""Wake-ups: a message that a change is due. The row is the truth; losing every message costs seconds."""

from __future__ import annotations

import structlog
from celery import Task
from django.db import transaction
from kombu.exceptions import OperationalError

logger = structlog.get_logger(__name__)


def enqueue(change_id: int) -> bool:
    """Ask a worker to look at a change; False when the broker is away, and then the sweeper finds it."""
    from deployments.tasks import wake

    return sent(wake, change_id)


def enqueue_together(change_ids: list[int]) -> int:
    """Ask a worker to look at several changes at once; return how many were told, none when the broker is away."""
    from deployments.tasks import watch

    return len(change_ids) if sent(watch, change_ids) else 0


def sent(job: Task[..., None], argument: int | list[int]) -> bool:
    """Send one message, never again: a page must not wait for a broker that is away."""
    try:
        job.apply_async((argument,), retry=False)
    except (OperationalError, OSError) as error:
        logger.warning("wake_up_not_sent", job=job.name, changes=argument, error=str(error))
        return False
    return True


def wake_on_commit(change_id: int) -> None:
    """Enqueue once the surrounding transaction is through."""
    transaction.on_commit(lambda: enqueue(change_id))
