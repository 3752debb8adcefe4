"""Wake-ups: a message that a delivery is due. The row is the truth; losing every message costs seconds."""

from __future__ import annotations

import structlog
from django.db import transaction
from kombu.exceptions import OperationalError

logger = structlog.get_logger(__name__)


def enqueue(delivery_id: int) -> bool:
    """Ask a worker to look at a delivery; False when the broker is away, and then the sweeper finds it."""
    from notifications.tasks import deliver

    try:
        # No retry: a page must not wait for a broker that is away.
        deliver.apply_async((delivery_id,), retry=False)
    except (OperationalError, OSError) as error:
        logger.warning("wake_up_not_sent", delivery_id=delivery_id, error=str(error))
        return False
    return True


def wake_on_commit(delivery_id: int) -> None:
    """Enqueue once the surrounding transaction is through."""
    transaction.on_commit(lambda: enqueue(delivery_id))
