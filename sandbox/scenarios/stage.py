"""What a scenario builds with."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sandbox.around.trail import Origin
from sandbox.identity import Identity
from sandbox.ports import Caller
from sandbox.surroundings import MotoSurroundings

if TYPE_CHECKING:
    from sandbox.around.hub import Around
    from sandbox.world import World

# What a read-only role may do: everything that changes nothing.
READ_ONLY = (
    "*:Describe*",
    "*:List*",
    "*:Get*",
    "*:BatchGet*",
    "*:Lookup*",
    "iam:SimulatePrincipalPolicy",
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
    around: Around

    @property
    def now(self) -> datetime:
        return self.world.now

    def ago(self, **since: float) -> datetime:
        """Return the moment this long before now: ago(days=2, hours=3)."""
        return self.world.now - timedelta(**since)

    def call(
        self,
        account_id: str,
        region: str,
        operation: str,
        *,
        by: str = "",
        at: datetime | None = None,
        **params: Any,
    ) -> dict[str, Any]:
        """Make one ECS call as the given principal; CloudTrail tells of it, as of `at` when that is given."""
        principal = by or f"arn:aws:iam::{account_id}:role/platform/terraform"
        caller = Caller(account_id, region, principal)
        output = self.world.call(caller, operation, params)
        if by:
            self.tell(caller, operation, params, at or self.now)
        return output

    def tell(self, caller: Caller, operation: str, params: dict[str, Any], at: datetime) -> None:
        """Leave a call of the past in CloudTrail."""
        digest = hashlib.sha256(caller.principal_arn.encode()).digest()
        machine = "/ci-deploy/" in caller.principal_arn
        origin = Origin(
            access_key="ASIA" + digest.hex().upper()[:16],
            principal_id=f"AROA{digest.hex().upper()[16:33]}:{caller.principal_arn.rsplit('/', 1)[-1]}",
            # Networks that are kept for documentation.
            address=f"{'198.51.100' if machine else '203.0.113'}.{digest[0]}",
            agent="Boto3/1.40.61" if machine else "AWS Internal",
        )
        self.around.trail.note(caller, "ecs", operation, params, origin=origin, at=at)
