"""Which services of a region to read in this round, and in which batches. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

BATCH = 10
LONG_AGO = 0.0
SPREAD = 1.5


@dataclass(frozen=True, slots=True)
class Candidate:
    """A service as the schedule sees it."""

    pk: int
    cluster_id: int
    arn: str
    name: str
    described_at: datetime | None
    is_hot: bool

    @property
    def age_key(self) -> float:
        """Order by age, the stalest first."""
        return self.described_at.timestamp() if self.described_at else LONG_AGO

    def is_due(self, now: datetime, quiet: timedelta) -> bool:
        return self.described_at is None or now - self.described_at >= quiet


def pick(
    candidates: Sequence[Candidate], now: datetime, quiet: timedelta, hot: timedelta
) -> dict[int, list[Candidate]]:
    """Return what to describe in this round, by cluster: the hot, the quiet that are due, and what fits in beside.

    ECS describes ten services of one cluster in a call, so a call that is made anyway takes along the stalest quiet
    ones of its cluster: their own calls are saved. Clusters with hot services come first.
    """
    due = pick_due(candidates, now, quiet, hot)
    by_cluster: dict[int, list[Candidate]] = {}
    for candidate in sorted(candidates, key=lambda c: not c.is_hot):
        by_cluster.setdefault(candidate.cluster_id, []).append(candidate)
    picked = {pk: fill_batches(services, due) for pk, services in by_cluster.items()}
    return {pk: services for pk, services in picked.items() if services}


def pick_due(candidates: Sequence[Candidate], now: datetime, quiet: timedelta, hot: timedelta) -> set[int]:
    """Return the quiet services whose time has come, the stalest of them when they are many at once.

    After a walk all have the same age. Reading them in one round would keep the hot ones waiting, so a round takes no
    more than half as many again as an even spread over the quiet interval needs.
    """
    due = sorted((c for c in candidates if not c.is_hot and c.is_due(now, quiet)), key=lambda c: c.age_key)
    most = max(BATCH, ceil(SPREAD * len(candidates) * hot / quiet))
    return {candidate.pk for candidate in due[:most]}


def fill_batches(services: Sequence[Candidate], due: Collection[int]) -> list[Candidate]:
    """Return the hot and the due services of a cluster, filled up to whole batches with the stalest others."""
    wanted = [service for service in services if service.is_hot or service.pk in due]
    others = sorted((s for s in services if not s.is_hot and s.pk not in due), key=lambda s: s.age_key)
    return wanted + others[: -len(wanted) % BATCH]
