"""What a scenario builds with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sandbox.identity import Identity
from sandbox.ports import Caller
from sandbox.surroundings import MotoSurroundings

if TYPE_CHECKING:
    from sandbox.world import World

# What a read-only role may do: everything that changes nothing.
READ_ONLY = (
    "*:Describe*",
    "*:List*",
    "*:Get*",
    "*:BatchGet*",
    "*:Lookup*",
    "logs:FilterLogEvents",
    "logs:Start*",
    "logs:StopQuery",
    "logs:TestMetricFilter",
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage*",
)


@dataclass(frozen=True, slots=True)
class Stage:
    """A fresh world with what is around it."""

    world: World
    surroundings: MotoSurroundings
    identity: Identity

    @property
    def now(self) -> datetime:
        return self.world.now

    def ago(self, **since: float) -> datetime:
        """Return the moment this long before now: ago(days=2, hours=3)."""
        return self.world.now - timedelta(**since)

    def call(
        self, account_id: str, region: str, operation: str, *, by: str = "", **params: Any
    ) -> dict[str, Any]:
        """Make one ECS call as the given principal."""
        principal = by or f"arn:aws:iam::{account_id}:role/platform/terraform"
        return self.world.call(Caller(account_id, region, principal), operation, params)
