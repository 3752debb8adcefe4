"""The operations of the ECS API, one module for each kind of resource."""

from __future__ import annotations

from sandbox.operations import (
    account_settings,
    attributes,
    capacity_providers,
    clusters,
    container_instances,
    service_deployments,
    services,
    tagging,
    task_definitions,
    task_sessions,
    tasks,
)
from sandbox.operations.registry import Context, handler_of, implemented

__all__ = [
    "Context",
    "account_settings",
    "attributes",
    "capacity_providers",
    "clusters",
    "container_instances",
    "handler_of",
    "implemented",
    "service_deployments",
    "services",
    "tagging",
    "task_definitions",
    "task_sessions",
    "tasks",
]
