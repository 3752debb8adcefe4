"""What a rollout costs in tasks: how many start and stop, between which counts, and how long it takes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from clusters.models import Service
from deployments.estimates import as_churn, estimate_for

# Strategies that start a whole second set of tasks beside the first.
TWO_SIDED = frozenset({"BLUE_GREEN", "LINEAR", "CANARY"})
Configuration = Mapping[str, Any]


def configuration_of(service: Service, asked: Configuration | None = None) -> dict[str, Any]:
    """Return the deployment configuration as it would be with what a change asks for."""
    return {**(service.facts.get("deploymentConfiguration") or {}), **(asked or {})}


def strategy_of(configuration: Configuration) -> str:
    return str(configuration.get("strategy") or "ROLLING")


def bounds_of(service: Service, asked: Configuration | None = None) -> tuple[int, int]:
    """Return the fewest healthy and the most tasks during a rolling one, as ECS rounds them: up and down."""
    configuration = configuration_of(service, asked)
    is_daemon = service.scheduling_strategy == "DAEMON"
    low = configuration.get("minimumHealthyPercent", 0 if is_daemon else 100)
    high = configuration.get("maximumPercent", 100 if is_daemon else 200)
    desired = service.desired_count
    return math.ceil(desired * low / 100), math.floor(desired * high / 100)


def deadlocks(service: Service, asked: Configuration | None = None) -> bool:
    """Whether rounding leaves ECS no task that it may stop and none that it may start."""
    if strategy_of(configuration_of(service, asked)) in TWO_SIDED:
        return False
    least, most = bounds_of(service, asked)
    desired = service.desired_count
    return bool(desired) and least >= desired and most <= desired


def churn_of(service: Service, asked: Configuration | None = None) -> dict[str, Any]:
    """Estimate how many tasks a rollout starts and stops, between which counts it moves, and how long it takes.

    `asked` is what the change sets of the deployment configuration. Blue/green, linear and canary rollouts start all
    tasks anew before any old one stops; a rolling one moves between its bounds.
    """
    strategy = strategy_of(configuration_of(service, asked))
    desired, running = service.desired_count, service.running_count
    least, most = bounds_of(service, asked)
    if strategy in TWO_SIDED:
        peak, lowest = running + desired, running
    else:
        peak, lowest = max(most, desired), min(least, running)
    return {
        "tasks_started": desired,
        "tasks_stopped": running,
        "peak": peak,
        "lowest": lowest,
        "extra": max(0, peak - desired),
        "strategy": strategy,
        "can_deadlock": deadlocks(service, asked),
        **as_churn(estimate_for(service)),
    }
