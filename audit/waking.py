"""Asking a worker for a verification. The row is the truth; a lost message costs a minute."""

from __future__ import annotations

from datetime import datetime

import structlog
from django.db import transaction
from kombu.exceptions import OperationalError

from audit import duties

logger = structlog.get_logger(__name__)


def ask_for_verification(now: datetime) -> None:
    """Ask for a verification as soon as a worker has time."""
    with transaction.atomic():
        duties.ask(duties.VERIFY, now)
        transaction.on_commit(enqueue)


def enqueue() -> None:
    from audit.tasks import verify

    try:
        # No retry: a page must not wait for a broker that is away.
        verify.apply_async(retry=False)
    except (OperationalError, OSError) as error:
        logger.warning("verification_not_sent", error=str(error))
