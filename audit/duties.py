"""What is done for the ledger again and again: claimed by one worker, its failures kept, shown and retried."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db.models import Q

from audit.models import Duty
from audit.observers import tell_duty_fails

logger = structlog.get_logger(__name__)

SIGN = "checkpoints"
VERIFY = "verification"
FOLDER = "folder"
S3 = "s3"
# A worker that died holds its claim no longer than this; LONGEST_RETRY is the furthest that a next try lies ahead.
CLAIM = timedelta(minutes=5)
FIRST_RETRY = timedelta(seconds=15)
LONGEST_RETRY = timedelta(minutes=30)


def claim(name: str, now: datetime) -> Duty | None:
    """Take a duty that is due, None when it is not or another worker has it."""
    Duty.objects.get_or_create(name=name)
    # What lies further ahead than any next try was written by a clock that was ahead.
    is_due = Q(next_at__lte=now) | Q(next_at__gt=now + 2 * LONGEST_RETRY)
    if Duty.objects.filter(is_due, name=name).update(next_at=now + CLAIM) != 1:
        return None
    return Duty.objects.get(name=name)


def succeed(name: str, now: datetime, detail: dict[str, Any]) -> None:
    """Note that a duty was done, and when a failure ended."""
    Duty.objects.filter(name=name).update(
        detail=detail, done_at=now, next_at=now, failed_at=None, failure_count=0, error=""
    )


def progress(name: str, detail: dict[str, Any]) -> None:
    """Keep how far a duty has come, so that one that ends half way goes on from there."""
    Duty.objects.filter(name=name).update(detail=detail)


def release(name: str, now: datetime) -> None:
    """Give a claimed duty back: there was nothing to do."""
    Duty.objects.filter(name=name).update(next_at=now)


def fail(duty: Duty, now: datetime, error: str) -> None:
    """Keep what went wrong and try again, later and later; what is already done stays in the detail."""
    failures = duty.failure_count + 1
    pause = min(FIRST_RETRY * 2 ** min(failures - 1, 10), LONGEST_RETRY)
    Duty.objects.filter(name=duty.name).update(
        failed_at=duty.failed_at or now, failure_count=failures, error=error[:2000], next_at=now + pause
    )
    if duty.failure_count == 0:
        tell_duty_fails(duty.name, error, now)
    logger.error("ledger_duty_failed", duty=duty.name, failures=failures, error=error)


def ask(name: str, now: datetime) -> None:
    """Ask for a duty out of turn; one that failed does not wait for its next try."""
    Duty.objects.get_or_create(name=name)
    Duty.objects.filter(name=name).update(asked_at=now)
    # Done by a clock that was ahead: it would pass for an answer to what is asked now.
    Duty.objects.filter(name=name, done_at__gte=now).update(done_at=None)
    Duty.objects.filter(name=name, failure_count__gt=0).update(next_at=now)
