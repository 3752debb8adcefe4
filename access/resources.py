"""What a decision is about: a place in the fleet, from a whole environment down to one service."""

from __future__ import annotations

from dataclasses import dataclass

# How much care a place needs, the most careful first.
ENVIRONMENTS = ("production", "staging", "development")


@dataclass(frozen=True, slots=True)
class Resource:
    """A place: empty parts stand for 'any', so `Resource()` is the console as a whole."""

    environment: str = ""
    account_id: str = ""
    region: str = ""
    cluster: str = ""
    service: str = ""

    def __str__(self) -> str:
        parts = [self.environment, self.account_id, self.region, self.cluster, self.service]
        return "/".join(part for part in parts if part) or "the console"


ANYWHERE = Resource()
