"""Which services of a region to read in this round, and in which batches. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

BATCH = 10
LONG_AGO = 0.0


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


def pick(candidates: Iterable[Candidate], now: datetime, quiet: timedelta) -> dict[int, list[Candidate]]:
    """Return what to describe in this round, by cluster: the hot, the quiet that are due, and what fits in beside.

    ECS describes ten services of one cluster in a call, so a call that is made anyway takes along the stalest quiet
    ones of its cluster: their own calls are saved.
    """
    by_cluster: dict[int, list[Candidate]] = {}
    for candidate in candidates:
        by_cluster.setdefault(candidate.cluster_id, []).append(candidate)
    picked = {pk: fill_batches(services, now, quiet) for pk, services in by_cluster.items()}
    return {pk: services for pk, services in picked.items() if services}


def fill_batches(services: Sequence[Candidate], now: datetime, quiet: timedelta) -> list[Candidate]:
    """Return the hot and the due services of a cluster, filled up to whole batches with the stalest others."""
    hot = [service for service in services if service.is_hot]
    others = sorted((s for s in services if not s.is_hot), key=lambda s: s.age_key)
    due = [service for service in others if service.is_due(now, quiet)]
    wanted = hot + due
    spare = -len(wanted) % BATCH
    return wanted + others[len(due) : len(due) + spare]
