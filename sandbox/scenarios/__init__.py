"""Worlds to start with. Each module has `load(stage)`; `NAMES` lists those that the command offers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sandbox.scenarios import acme, empty, fleet, game_days
from sandbox.scenarios.stage import Stage

__all__ = ["NAMES", "Stage", "accounts_of", "lead_of", "load"]

_SCENARIOS: dict[str, Callable[[Stage], None]] = {
    "acme": acme.load,
    "empty": empty.load,
    "fleet-1000": fleet.load_1000,
    "fleet-5000": fleet.load_5000,
    "bad-friday": game_days.load_bad_friday,
    "zone-down": game_days.load_zone_down,
}
# How many seconds of its own past a scenario lives through while it loads.
_LEADS = {
    "acme": acme.LEAD_SECONDS,
    "bad-friday": acme.LEAD_SECONDS + game_days.FRIDAY_SECONDS,
    "zone-down": acme.LEAD_SECONDS + game_days.ZONE_SECONDS,
}
NAMES = tuple(_SCENARIOS)


def lead_of(name: str) -> timedelta:
    """Return how much earlier than now a scenario's world must start."""
    return timedelta(seconds=_LEADS.get(name, 0.0))


def load(stage: Stage, name: str) -> None:
    """Build the named scenario on a fresh stage."""
    if name not in _SCENARIOS:
        raise ValueError(f"no scenario {name!r}; known: {', '.join(NAMES)}")
    _SCENARIOS[name](stage)


def accounts_of(name: str) -> list[dict[str, Any]]:
    """Return the accounts of a scenario: id, name, environment, regions, roles to assume and their external id."""
    if name in _LEADS:
        return acme.ACCOUNTS
    return [empty.ACCOUNT] if name == "empty" else [fleet.ACCOUNT]
