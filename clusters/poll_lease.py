"""One reader per account and region: a lease in the database with a fencing number."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from clusters.models import PollTarget

# Longer than any single call with its retries takes; a walk renews it with every store.
LEASE_SECONDS = 60


class LeaseLost(Exception):
    """Another worker took over; nothing that was read may be stored any more."""


class Lease:
    """The right to read one account and region."""

    def __init__(self, target_id: int, fence: int) -> None:
        self.target_id = target_id
        self.fence = fence

    @contextmanager
    def storing(self) -> Iterator[None]:
        """Store in one transaction that fails as a whole if the lease is no longer ours."""
        with transaction.atomic():
            # The row stays locked until the commit, so nobody takes over half way.
            until = timezone.now() + timedelta(seconds=LEASE_SECONDS)
            if not self.held().update(lease_expires_at=until):
                raise LeaseLost
            yield

    def held(self) -> QuerySet[PollTarget]:
        """Return the target's row as long as the lease is ours, as a queryset to update."""
        return PollTarget.objects.filter(pk=self.target_id, lease_fence=self.fence)


def claim(target_id: int, now: datetime) -> Lease | None:
    """Take the lease of a target, None when another worker holds it."""
    free = Q(lease_expires_at=None) | Q(lease_expires_at__lte=now)
    holder = f"{socket.gethostname()}:{os.getpid()}:{threading.get_ident()}"[:80]
    claimed = PollTarget.objects.filter(free, pk=target_id).update(
        lease_holder=holder,
        lease_expires_at=now + timedelta(seconds=LEASE_SECONDS),
        lease_fence=F("lease_fence") + 1,
    )
    if not claimed:
        return None
    # Between the two statements nobody else can claim, because the lease has just begun.
    fence = PollTarget.objects.values_list("lease_fence", flat=True).get(pk=target_id)
    return Lease(target_id, fence)
