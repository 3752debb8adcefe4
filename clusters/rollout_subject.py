"""Which rollout the page of a service is about: the running one, else the last; a rolled back one under its own name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from clusters.models import ServiceDeployment
from clusters.service_view import deployments_of, outgoing_of, primary_of
from clusters.spans import parse_time
from clusters.strip import incoming_deployment

# ECS writes the two records of one rollout within seconds; a minute more is for slow reads.
SAME_START = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Subject:
    """A rollout as both of ECS's records tell it: `deployments[]` and the service deployment."""

    primary: Mapping[str, Any]
    deployment: ServiceDeployment | None
    is_rollback: bool
    incoming_id: str
    incoming_arn: str
    outgoing_arn: str
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def primary_id(self) -> str:
        return str(self.primary.get("id") or "")


def subject_of(facts: Mapping[str, Any], past: Sequence[ServiceDeployment]) -> Subject:
    """Return the rollout to show; `past` are the known service deployments, the newest first."""
    primary = primary_of(facts)
    latest = past[0] if past else None
    if latest is not None and is_rolled_back(latest, primary):
        return rolled_back(facts, primary, latest)
    deployment = deployment_of(primary, past)
    return Subject(
        primary=primary,
        deployment=deployment,
        is_rollback=False,
        incoming_id=str(primary.get("id") or ""),
        incoming_arn=str(primary.get("taskDefinition") or ""),
        outgoing_arn=str(outgoing_of(facts).get("taskDefinition") or "") or before(deployment, past),
        started_at=parse_time(primary.get("createdAt")),
        finished_at=ended(primary, deployment),
    )


def is_rolled_back(latest: ServiceDeployment, primary: Mapping[str, Any]) -> bool:
    """Whether the newest service deployment ended, or ends, where it began.

    A PRIMARY deployment that began after it is the next attempt, whose service deployment was not read yet.
    """
    if not latest.status.startswith("ROLLBACK"):
        return False
    began = parse_time(primary.get("createdAt"))
    return began is None or began <= (latest.finished_at or began)


def rolled_back(facts: Mapping[str, Any], primary: Mapping[str, Any], latest: ServiceDeployment) -> Subject:
    """Return a rollout that was rolled back: what came in is what failed, what went out is PRIMARY again."""
    incoming = incoming_deployment([dict(item) for item in deployments_of(facts)]) or {}
    return Subject(
        primary=primary,
        deployment=latest,
        is_rollback=True,
        incoming_id=str(incoming.get("id") or ""),
        incoming_arn=latest.task_definition_arn,
        outgoing_arn=str(primary.get("taskDefinition") or ""),
        started_at=latest.created_at,
        finished_at=latest.finished_at,
    )


def deployment_of(primary: Mapping[str, Any], past: Sequence[ServiceDeployment]) -> ServiceDeployment | None:
    """Return the service deployment of the PRIMARY deployment.

    ECS names no link between the two: it is the one of the same task definition that began at the same time.
    """
    created = parse_time(primary.get("createdAt"))
    if created is None:
        return None
    for candidate in past:
        is_near = abs(candidate.created_at - created) < SAME_START
        if is_near and candidate.task_definition_arn in ("", primary.get("taskDefinition")):
            return candidate
    return None


def before(deployment: ServiceDeployment | None, past: Sequence[ServiceDeployment]) -> str:
    """Return the task definition of the last success before a service deployment."""
    if deployment is None:
        return ""
    older = [row for row in past if row.created_at < deployment.created_at and row.status == "SUCCESSFUL"]
    return older[0].task_definition_arn if older else ""


def ended(primary: Mapping[str, Any], deployment: ServiceDeployment | None) -> datetime | None:
    """Return when ECS ended the rollout, None while it runs."""
    if deployment is not None and deployment.finished_at:
        return deployment.finished_at
    if primary.get("rolloutState") in ("COMPLETED", "FAILED"):
        return parse_time(primary.get("updatedAt"))
    return None
