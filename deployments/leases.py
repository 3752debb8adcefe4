"""Leases: one worker at a time moves a change, and a late one is recognised by its fencing number."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import F, Q

from aws.budget import LONGEST_WAIT
from aws.sessions import CONNECT_SECONDS, READ_SECONDS
from deployments.models import Change

LEASE = timedelta(seconds=60)
# The longest that a mutating call can take: its token of the budget, the role's credentials, which are fetched inside
# it, then the call itself, and the write that closes it.
CALL_SECONDS = LONGEST_WAIT + 2 * (CONNECT_SECONDS + READ_SECONDS) + 2
EVERY = Q()


@dataclass(frozen=True, slots=True)
class Lease:
    """A held lease; its remaining time is measured by this process, whatever the clock of the wall does."""

    change_id: int
    fence: int
    taken_at: float = field(default_factory=time.monotonic)

    @property
    def has_time_for_a_call(self) -> bool:
        return time.monotonic() - self.taken_at + CALL_SECONDS < LEASE.total_seconds()


def take(change_id: int, now: datetime, ready: Q = EVERY) -> Lease | None:
    """Take the lease of a change, None while another worker holds it or when it is not ready (any more)."""
    holder = uuid.uuid4().hex
    free = Q(lease_expires_at=None) | Q(lease_expires_at__lte=now)
    taken = Change.objects.filter(free, ready, pk=change_id).update(
        lease_holder=holder, lease_fence=F("lease_fence") + 1, lease_expires_at=now + LEASE
    )
    if not taken:
        # The holder does the work; should it have died, the sweeper comes back after the lease.
        return None
    fence = Change.objects.filter(pk=change_id, lease_holder=holder).values_list("lease_fence", flat=True)
    return Lease(change_id, fence[0]) if fence else None


def release(lease: Lease) -> None:
    """Give a lease back; one that went to somebody else stays theirs."""
    rows = Change.objects.filter(pk=lease.change_id, lease_fence=lease.fence)
    rows.update(lease_holder="", lease_expires_at=None)
