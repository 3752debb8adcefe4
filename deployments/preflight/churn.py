"""What a rollout costs in tasks: how many start and stop, between which counts, and how long it takes."""

from __future__ import annotations

import math
from typing import Any

from clusters.models import Service
from deployments.estimates import as_churn, estimate_for


def bounds_of(service: Service) -> tuple[int, int]:
    """Return the fewest healthy and the most tasks during a rollout, as ECS rounds them."""
    configuration = service.facts.get("deploymentConfiguration") or {}
    is_daemon = service.scheduling_strategy == "DAEMON"
    low = configuration.get("minimumHealthyPercent", 0 if is_daemon else 100)
    high = configuration.get("maximumPercent", 100 if is_daemon else 200)
    desired = service.desired_count
    return math.ceil(desired * low / 100), math.floor(desired * high / 100)


def churn_of(service: Service) -> dict[str, Any]:
    """Estimate how many tasks a rollout starts and stops, between which counts it moves, and how long it takes."""
    least, most = bounds_of(service)
    desired = service.desired_count
    return {
        "tasks_started": desired,
        "tasks_stopped": service.running_count,
        "peak": max(most, desired),
        "lowest": min(least, service.running_count),
        **as_churn(estimate_for(service)),
    }
