"""The state machine of a change: states, what may follow what, and nothing else."""

from __future__ import annotations

from django.db import models


class State(models.TextChoices):
    """A change's own state; ECS's words live in ServiceDeployment.status and rollout_state."""

    AWAITING_APPROVAL = "awaiting_approval", "Awaiting approval"
    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    ROLLING_BACK = "rolling_back", "Rolling back"
    NEEDS_ATTENTION = "needs_attention", "Needs attention"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    ROLLED_BACK = "rolled_back", "Rolled back"
    REJECTED = "rejected", "Rejected"
    CANCELLED = "cancelled", "Cancelled"
    EXPIRED = "expired", "Expired"
    STALE = "stale", "Stale"

    @property
    def glyph(self) -> str:
        return GLYPHS[self][0]

    @property
    def css(self) -> str:
        return GLYPHS[self][1]


# Shape in the sprite and colour class; never colour alone.
GLYPHS = {
    State.AWAITING_APPROVAL: ("i-approvals", "deploying"),
    State.QUEUED: ("i-clock", "deploying"),
    State.RUNNING: ("s-deploying", "deploying"),
    State.ROLLING_BACK: ("i-back", "degraded"),
    State.NEEDS_ATTENTION: ("s-degraded", "degraded"),
    State.SUCCEEDED: ("s-steady", "steady"),
    State.FAILED: ("s-failed", "failed"),
    State.ROLLED_BACK: ("i-back", "failed"),
    State.REJECTED: ("i-x", "zero"),
    State.CANCELLED: ("i-x", "zero"),
    State.EXPIRED: ("i-clock", "zero"),
    State.STALE: ("s-stale", "stale"),
}

TRANSITIONS: dict[State, frozenset[State]] = {
    State.AWAITING_APPROVAL: frozenset(
        {State.QUEUED, State.REJECTED, State.CANCELLED, State.EXPIRED, State.STALE}
    ),
    State.QUEUED: frozenset({State.RUNNING, State.CANCELLED, State.EXPIRED, State.STALE}),
    State.RUNNING: frozenset(
        {State.SUCCEEDED, State.FAILED, State.ROLLING_BACK, State.ROLLED_BACK, State.NEEDS_ATTENTION}
    ),
    State.ROLLING_BACK: frozenset({State.ROLLED_BACK, State.FAILED, State.NEEDS_ATTENTION}),
    # A rollout that takes too long is still there to be rolled back.
    State.NEEDS_ATTENTION: frozenset(
        {State.SUCCEEDED, State.FAILED, State.ROLLING_BACK, State.ROLLED_BACK, State.CANCELLED}
    ),
}
ACTIVE = frozenset(TRANSITIONS)
# Nothing was sent to AWS yet.
NOT_BEGUN = frozenset({State.AWAITING_APPROVAL, State.QUEUED})
TERMINAL = frozenset(set(State) - ACTIVE)
