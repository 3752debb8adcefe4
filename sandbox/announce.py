"""Announce changes as ECS does to EventBridge; whoever listens delivers them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sandbox import render, render_instances
from sandbox.model import without_nulls
from sandbox.state import (
    Cluster,
    ContainerInstance,
    Deployment,
    Document,
    Hook,
    Region,
    Service,
    ServiceDeployment,
    Task,
)

if TYPE_CHECKING:
    from sandbox.world import World


@dataclass(frozen=True, slots=True)
class Announcement:
    """An EventBridge event; `detail` is ready for JSON."""

    account_id: str
    region: str
    detail_type: str
    time: datetime
    resources: tuple[str, ...]
    detail: Document
    source: str = "aws.ecs"


Listener = Callable[[Announcement], None]


def _send(world: World, region: Region, detail_type: str, resource: str, detail: Document) -> None:
    plain = _plain(without_nulls(detail))
    announcement = Announcement(region.account_id, region.name, detail_type, world.now, (resource,), plain)
    for listener in world.listeners:
        listener(announcement)


def _plain(value: Any) -> Any:
    """Write moments as text, with milliseconds and a Z, as EventBridge carries them."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def task(world: World, item: Task) -> None:
    """Announce that a task has changed; its `version` orders the announcements."""
    if not world.listeners:
        return
    detail = {**render.task(item), "updatedAt": world.now, "tags": None}
    _send(world, item.cluster.region, "ECS Task State Change", item.arn, detail)


def deployment(world: World, service: Service, item: Deployment) -> None:
    """Announce the rollout state of a deployment."""
    if not world.listeners:
        return
    failed = item.rollout_state == "FAILED"
    detail = {
        "eventType": "ERROR" if failed else "INFO",
        "eventName": f"SERVICE_DEPLOYMENT_{item.rollout_state}",
        "clusterArn": service.cluster.arn,
        "deploymentId": item.id,
        "updatedAt": world.now,
        "reason": item.rollout_reason,
    }
    _send(world, service.cluster.region, "ECS Deployment State Change", service.arn, detail)


def action(world: World, service: Service, name: str, kind: str, reason: str | None = None) -> None:
    """Announce what the scheduler did, or could not do, for a service."""
    if not world.listeners:
        return
    detail = {
        "eventType": kind,
        "eventName": name,
        "clusterArn": service.cluster.arn,
        "reason": reason,
        "createdAt": world.now,
    }
    _send(world, service.cluster.region, "ECS Service Action", service.arn, detail)


def hook(world: World, service: Service, entry: ServiceDeployment, item: Hook) -> None:
    """Announce that a pause hook waits for somebody."""
    if not world.listeners:
        return
    detail = {
        "eventType": "INFO",
        "eventName": "HOOK_AWAITING_ACTION",
        "hookId": item.id,
        "hookType": item.kind,
        "expiresAt": item.expires_at,
        "lifecycleStage": entry.stage,
        "clusterArn": service.cluster.arn,
        "serviceArn": service.arn,
        "serviceDeploymentArn": entry.arn,
        "updatedAt": world.now,
    }
    _send(world, service.cluster.region, "ECS Hook State Change", service.arn, detail)


def container_instance(world: World, cluster: Cluster, item: ContainerInstance) -> None:
    """Announce that an instance came, left or drains; its `version` orders the announcements."""
    if not world.listeners:
        return
    shown = render_instances.container_instance(cluster, item)
    detail = {**shown, "clusterArn": cluster.arn, "updatedAt": world.now, "tags": None}
    _send(world, cluster.region, "ECS Container Instance State Change", item.arn, detail)
