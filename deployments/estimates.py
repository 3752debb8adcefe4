"""How long a rollout of a service usually takes, for plans and for changes that run."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from clusters.estimates import MOST, Estimate, estimate
from clusters.models import Service
from deployments.models import Change, Kind

ROLLS_OUT = (Kind.DEPLOY, Kind.RESTART, Kind.ROLLBACK)


def estimate_for(service: Service) -> Estimate:
    """Estimate a rollout with the strategy that the service is set to; one query."""
    strategy = str((service.facts.get("deploymentConfiguration") or {}).get("strategy") or "")
    past = service.service_deployments.filter(status="SUCCESSFUL").order_by("-created_at")
    # Twice as many, because some may be of another strategy or without an end.
    narrow = past.only("status", "strategy", "created_at", "started_at", "finished_at", "service_id")
    return estimate(narrow[: MOST * 2], strategy)


def as_churn(found: Estimate) -> dict[str, Any]:
    """Return an estimate as a plan keeps it, so that its words stay what its readers saw."""
    return {
        "usual": found.words,
        "usual_seconds": round(found.usual.total_seconds()) if found.usual else None,
        "at_most_seconds": round(found.at_most.total_seconds()) if found.at_most else None,
    }


def pace_of(change: Change, now: datetime) -> str:
    """Say how long a rollout has taken beside what is usual, empty for what is none or has not begun."""
    if change.kind == Kind.DEPLOY and change.finished_at and "deployment_id" not in change.progress:
        # Settings for which ECS begins no deployment take no time that could be compared.
        return ""
    if change.dispatched_at is None or change.kind not in ROLLS_OUT or change.spec.get("in_flight"):
        return ""
    taken = (change.finished_at or now) - change.dispatched_at
    return estimate_for(change.service).beside(taken, is_over=change.finished_at is not None)
