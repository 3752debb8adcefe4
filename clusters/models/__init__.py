"""Inventory: what ECS said and when. Rows are marked gone, never deleted."""

from __future__ import annotations

from clusters.models.history import DeploymentIdentity, DeploymentMoment, ServiceRevision
from clusters.models.inventory import (
    Account,
    Cluster,
    Environment,
    Observed,
    PollTarget,
    RolloutSample,
    Service,
    ServiceDeployment,
    ServiceEvent,
    Task,
    TaskDefinition,
)

__all__ = [
    "Account",
    "Cluster",
    "DeploymentIdentity",
    "DeploymentMoment",
    "Environment",
    "Observed",
    "PollTarget",
    "RolloutSample",
    "Service",
    "ServiceDeployment",
    "ServiceEvent",
    "ServiceRevision",
    "Task",
    "TaskDefinition",
]
