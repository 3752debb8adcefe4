"""The one place that moves a delivery: claim, commit, send, write down what became of it.

At least once: a worker that dies between sending and writing leaves its claim to run out, and the next one sends again
under the same message id.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import F

from notifications.kinds import TEST
from notifications.models import Channel, Delivery, is_due
from notifications.senders import email, slack, teams, webhook
from notifications.senders.outcome import CannotSend, SendFailed
from notifications.senders.outgoing import Outgoing, outgoing_of

logger = structlog.get_logger(__name__)
State = Delivery.State

SENDERS: dict[str, Callable[[Outgoing], None]] = {
    Channel.Type.SLACK: slack.send,
    Channel.Type.TEAMS: teams.send,
    Channel.Type.WEBHOOK: webhook.send,
    Channel.Type.EMAIL: email.send,
}
# Longer than the slowest send: 20 s of HTTP after the resolver's, or a mail server's 10 s per answer.
CLAIM = timedelta(minutes=2)
# The wait after each try; after the last one it is a dead letter. Six and a half hours in all.
BACKOFF = tuple(timedelta(seconds=seconds) for seconds in (10, 60, 300, 900, 3600, 3 * 3600, 2 * 3600))


def claim(delivery_id: int, now: datetime) -> Delivery | None:
    """Take a delivery that is due, None when it is not or another worker has it."""
    found = Delivery.objects.filter(is_due(now), pk=delivery_id, channel__is_enabled=True).first()
    if found is None:
        return None
    mine = Delivery.objects.filter(is_due(now), pk=found.pk, attempt_count=found.attempt_count)
    taken = mine.update(
        state=State.SENDING,
        attempt_count=F("attempt_count") + 1,
        try_count=F("try_count") + 1,
        next_at=now + CLAIM,
    )
    if taken != 1:
        # Two wake-ups for one delivery: the first one sends.
        return None
    return Delivery.objects.select_related("message", "channel").get(pk=found.pk)


def deliver(delivery_id: int, *, now: datetime) -> bool:
    """Send one message to one channel if it is due; True when the channel took it."""
    delivery = claim(delivery_id, now)
    if delivery is None:
        return False
    try:
        SENDERS[delivery.channel.type](outgoing_of(delivery))
    except SendFailed as error:
        fail(delivery, error, now)
        return False
    except Exception as error:
        # Nobody foresaw it, so the page says what it was, and the worker's log has where.
        fail(delivery, CannotSend(f"The console failed: {type(error).__name__}."), now)
        raise
    succeed(delivery, now)
    return True


def succeed(delivery: Delivery, now: datetime) -> None:
    with transaction.atomic():
        if not settle(delivery, state=State.SENT, sent_at=now, next_at=None, error=""):
            return
        Channel.objects.filter(pk=delivery.channel_id).update(
            succeeded_at=now, failed_at=None, failure_count=0, error=""
        )


def fail(delivery: Delivery, error: SendFailed, now: datetime) -> None:
    """Put a delivery back for later, or away as a dead letter; the channel's health says why."""
    # Somebody looks at the answer to a test, so one try is enough.
    is_test = delivery.message.kind == TEST.id
    is_over = is_test or isinstance(error, CannotSend) or delivery.try_count > len(BACKOFF)
    wait = None if is_over else max(BACKOFF[delivery.try_count - 1], error.wait or timedelta(0))
    state = State.DEAD if wait is None else State.WAITING
    with transaction.atomic():
        if not settle(
            delivery, state=state, next_at=None if wait is None else now + wait, error=str(error)[:500]
        ):
            return
        channel = delivery.channel
        Channel.objects.filter(pk=channel.pk).update(
            failed_at=channel.failed_at or now, failure_count=F("failure_count") + 1, error=str(error)[:500]
        )
    logger.warning(
        "notification_not_sent", delivery_id=delivery.pk, channel=channel.name, state=state, error=str(error)
    )


def settle(delivery: Delivery, **fields: object) -> bool:
    """Write the outcome of the claim in hand, and bring the object up to date."""
    mine = Delivery.objects.filter(pk=delivery.pk, attempt_count=delivery.attempt_count, state=State.SENDING)
    if mine.update(**fields) != 1:
        # Our claim ran out and another worker sends as well, or the channel was switched off: their word stands.
        logger.warning("notification_claim_lost", delivery_id=delivery.pk)
        return False
    for name, value in fields.items():
        setattr(delivery, name, value)
    return True


def send_again(delivery: Delivery, now: datetime) -> bool:
    """Put a dead letter back with all its tries; False when it is none, such as after two clicks at once."""
    dead = Delivery.objects.filter(pk=delivery.pk, state=State.DEAD)
    return dead.update(state=State.WAITING, try_count=0, next_at=now, error="") == 1
