"""Services that something else than ECS rolls out: what ECS still tells of their rollouts. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from clusters.service_view import deployments_of
from clusters.spans import parse_time

# Why there is no history of service deployments, by controller.
WHY = {
    "CODE_DEPLOY": "AWS CodeDeploy shifts this service between task sets. ECS keeps no service deployments of it; who "
    "deployed what, and when, is in CodeDeploy.",
    "EXTERNAL": "Something outside AWS makes and scales the task sets of this service. ECS keeps no service deployments "
    "of it.",
}
REFUSED = (
    "The console changes only services that ECS rolls out itself, because here ECS has no outcome to watch."
)


@dataclass(frozen=True, slots=True)
class Side:
    """A task set, or an entry of `deployments` where there are no task sets, in ECS's own words."""

    kind: str
    id: str
    status: str
    stability: str
    definition_arn: str
    running: int
    pending: int
    desired: int
    scale: str
    started_by: str
    external_id: str
    updated_at: datetime | None

    @property
    def tone(self) -> str:
        """Return the look: what serves, what comes up, what goes."""
        if self.stability == "STABILIZING" or self.running < self.desired:
            return "deploying"
        return {"PRIMARY": "steady", "ACTIVE": "steady", "DRAINING": "zero"}.get(self.status, "stale")


def why_no_history(controller: str) -> str:
    """Say why ECS keeps no deployments of a service, empty for one that ECS rolls out."""
    if controller == "ECS":
        return ""
    reason = WHY.get(
        controller, f"The deployment controller is {controller}, of which ECS keeps no service deployments."
    )
    return f"{reason} {REFUSED}"


def sides_of(facts: Mapping[str, Any]) -> list[Side]:
    """Return the task sets of a service, else its deployments, PRIMARY first."""
    sets = facts.get("taskSets") or []
    sides = [task_set(item) for item in sets] if sets else [entry(item) for item in deployments_of(facts)]
    return sorted(sides, key=lambda side: side.status != "PRIMARY")


def task_set(item: Mapping[str, Any]) -> Side:
    scale = item.get("scale") or {}
    value = scale.get("value")
    return Side(
        kind="Task set",
        id=str(item.get("id") or item.get("taskSetArn") or "").rsplit("/", 1)[-1],
        status=str(item.get("status") or ""),
        stability=str(item.get("stabilityStatus") or ""),
        definition_arn=str(item.get("taskDefinition") or ""),
        running=int(item.get("runningCount") or 0),
        pending=int(item.get("pendingCount") or 0),
        desired=int(item.get("computedDesiredCount") or 0),
        scale=f"{value:g}%" if isinstance(value, int | float) else "",
        started_by=str(item.get("startedBy") or ""),
        external_id=str(item.get("externalId") or ""),
        updated_at=parse_time(item.get("updatedAt") or item.get("createdAt")),
    )


def entry(item: Mapping[str, Any]) -> Side:
    return Side(
        kind="Deployment",
        id=str(item.get("id") or ""),
        status=str(item.get("status") or ""),
        stability=str(item.get("rolloutState") or ""),
        definition_arn=str(item.get("taskDefinition") or ""),
        running=int(item.get("runningCount") or 0),
        pending=int(item.get("pendingCount") or 0),
        desired=int(item.get("desiredCount") or 0),
        scale="",
        started_by="",
        external_id="",
        updated_at=parse_time(item.get("updatedAt") or item.get("createdAt")),
    )
