"""Verifying the ledger with what its copies say: on demand, and once a day by itself."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta

import structlog

from audit import duties
from audit.copies import read_all_anchors
from audit.models import Duty
from audit.observers import tell_duty_fails
from audit.verification import Verification, verify_ledger

logger = structlog.get_logger(__name__)
VERIFY_EVERY = timedelta(hours=24)


def verify_all() -> tuple[Verification, list[str]]:
    """Verify the ledger against itself and against every copy; return as well which copies could not be read."""
    anchors, unread = read_all_anchors()
    return verify_ledger(anchors), unread


def is_asked(duty: Duty) -> bool:
    """Whether somebody asked since it was last done."""
    return duty.asked_at is not None and (duty.done_at is None or duty.asked_at > duty.done_at)


def verify_due(now: datetime) -> Verification | None:
    """Verify when it is time or somebody asked, and keep the result for the ledger page."""
    duty = duties.claim(duties.VERIFY, now)
    if duty is None:
        return None
    if not is_asked(duty) and duty.done_at is not None and abs(now - duty.done_at) < VERIFY_EVERY:
        duties.release(duties.VERIFY, now)
        return None
    try:
        result, unread = verify_all()
    except Exception as error:
        # Nobody foresaw it, so the page says it and the worker's log has the traceback.
        duties.fail(duty, now, f"{type(error).__name__}: {error}")
        raise
    if not result.holds:
        logger.error("ledger_broken", seq=result.broken_seq, problem=result.problem)
        if duty.detail.get("broken_seq") is None:
            tell_duty_fails(duties.VERIFY, f"Entry {result.broken_seq}: {result.problem}", now)
    duties.succeed(duties.VERIFY, now, {**asdict(result), "unread": unread})
    return result
