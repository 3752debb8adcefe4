"""Who is read when, and how it went. The database is the schedule: a lost message costs a second."""

from __future__ import annotations

import random
import time
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from aws.errors import AwsError
from clusters.models import PollTarget
from clusters.poll_lease import Lease, LeaseLost, claim
from clusters.queries import scope_of
from clusters.reading import Reader
from live.bus import publish

logger = structlog.get_logger(__name__)

# A region that fails is asked ever more rarely, but often enough that its return is noticed within a minute.
LONGEST_BACK_OFF = 60.0
# The schedule looks once a second; what is due within half of that is read now and not a second late.
EARLY_SECONDS = 0.5
# A region that takes longer to read than the interval is still left alone for a moment.
SHORTEST_PAUSE = 1.0


def due_targets(now: datetime) -> list[int]:
    """Return the targets that are due and that nobody reads, the longest waiting first."""
    free = Q(lease_expires_at=None) | Q(lease_expires_at__lte=now)
    soon = now + timedelta(seconds=EARLY_SECONDS)
    due = PollTarget.objects.filter(free, account__is_active=True, next_due_at__lte=soon)
    return list(due.order_by("next_due_at").values_list("pk", flat=True))


def poll_target(target_id: int, now: datetime) -> bool:
    """Read a target under its lease; False when another worker does, or it is not watched any more."""
    target = (
        PollTarget.objects.filter(pk=target_id, account__is_active=True).select_related("account").first()
    )
    lease = claim(target_id, now) if target else None
    if target is None or lease is None:
        return False
    is_walk = target.attempted_at is None or target.next_full_at <= now
    lease.held().update(attempted_at=now)
    reader = Reader(target, scope_of(target), lease)
    started = time.monotonic()
    try:
        reader.walk() if is_walk else reader.round()
    except LeaseLost:
        logger.warning("poll_lease_lost", target=str(target))
        return False
    except AwsError as error:
        note_failure(target, lease, error, has_read=False)
    else:
        note_result(target, lease, reader, is_walk=is_walk, seconds=time.monotonic() - started)
    finally:
        lease.held().update(lease_expires_at=None, lease_holder="")
    logger.debug("polled", target=str(target), walk=is_walk, seconds=round(time.monotonic() - started, 3))
    return True


def note_result(target: PollTarget, lease: Lease, reader: Reader, *, is_walk: bool, seconds: float) -> None:
    """Store how a read of so many seconds went that came to its end.

    The interval counts from the read's begin: a change waits half of it on average, however long reading takes.
    """
    if reader.problems:
        note_failure(target, lease, reader.problems[0], has_read=reader.has_read)
        return
    now = timezone.now()
    fields = {"next_full_at": now + timedelta(seconds=settings.POLL_FULL_SECONDS)} if is_walk else {}
    if reader.has_read:
        # A round in which nothing was due says nothing about whether the region can be reached.
        fields["succeeded_at"] = now
    lease.held().update(
        failing_since=None,
        failure_count=0,
        error_action="",
        error_code="",
        error_message="",
        error_request_id="",
        next_due_at=now + timedelta(seconds=max(SHORTEST_PAUSE, settings.POLL_HOT_SECONDS - seconds)),
        **fields,
    )
    if target.failing_since is not None:
        logger.info("poll_recovered", target=str(target), since=target.failing_since.isoformat())
        publish("targets", "fleet")
    elif reader.has_read:
        # Pages show how old the data is; they ask for it at most every few seconds.
        publish("targets")


def note_failure(target: PollTarget, lease: Lease, error: AwsError, *, has_read: bool) -> None:
    """Store an error to be shown, and when to try again; with `has_read` the other parts were read."""
    now = timezone.now()
    count = target.failure_count + 1
    fields = {"succeeded_at": now} if has_read else {}
    lease.held().update(
        failing_since=target.failing_since or now,
        failure_count=count,
        error_action=error.action[:80],
        error_code=error.code[:120],
        error_message=error.message,
        error_request_id=error.request_id[:80],
        next_due_at=now + timedelta(seconds=back_off(count)),
        **fields,
    )
    logger.warning(
        "poll_failed",
        target=str(target),
        action=error.action,
        code=error.code,
        message=error.message,
        request_id=error.request_id,
        failures=count,
    )
    if target.failing_since is None or target.error_code != error.code:
        publish("targets", "fleet")


def back_off(failures: int) -> float:
    """Return the seconds until the next try; the jitter keeps the regions of an account apart."""
    seconds = settings.POLL_HOT_SECONDS * 2 ** min(failures, 10)
    return float(min(LONGEST_BACK_OFF, seconds) * random.uniform(0.8, 1.0))
