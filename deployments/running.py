"""What a step of a change works with, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from clusters.models import Service
from deployments.errors import LostRace
from deployments.gateway import Gateway
from deployments.leases import Lease
from deployments.models import Change
from deployments.states import State

# Seconds until the next look: while ECS works, after an error of reading, and while a person is waited for.
SOON, PAUSE, RARELY = 4.0, 15.0, 30.0


@dataclass(frozen=True, slots=True)
class Next:
    """The answer of a step: come back later, or move; `note` says why in a sentence."""

    to: State | None = None
    note: str = ""
    wake_in: float = SOON
    step: str = ""
    progress: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Run:
    """One step of one change under a lease."""

    change: Change
    gateway: Gateway
    lease: Lease
    now: datetime

    @property
    def service(self) -> Service:
        return self.change.service

    @property
    def progress(self) -> dict[str, Any]:
        progress: dict[str, Any] = self.change.progress
        return progress

    @property
    def may_act(self) -> bool:
        """Whether calls that change something may be made: a person looks after what needs attention."""
        return self.change.state in (State.RUNNING, State.ROLLING_BACK)

    def remember(self, **facts: Any) -> None:
        """Store ids at once, so that a crash after this line cannot lose them."""
        if all(self.progress.get(key) == value for key, value in facts.items()):
            return
        progress = {**self.progress, **facts}
        rows = Change.objects.filter(pk=self.change.pk, lease_fence=self.lease.fence)
        if rows.update(progress=progress) != 1:
            # The lease ran out and another worker has it: what it stores counts.
            raise LostRace(self.change)
        self.change.progress = progress
