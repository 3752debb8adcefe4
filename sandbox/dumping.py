"""The whole world as plain data, for people who look into it and for tests that compare worlds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox import render
from sandbox.model import without_nulls
from sandbox.render_instances import container_instance
from sandbox.state import Cluster, Document, Region

if TYPE_CHECKING:
    from sandbox.world import World


def dump(world: World) -> dict[str, Any]:
    """Describe every account and region in the members of AWS's outputs."""
    regions = [_region(item) for _, item in sorted(world.regions.items())]
    shown: dict[str, Any] = without_nulls({"now": world.now, "waiting": len(world.clock), "regions": regions})
    return shown


def _region(item: Region) -> Document:
    definitions = [
        render.task_definition(definition)
        for revisions in item.families.values()
        for definition in revisions.values()
    ]
    return {
        "accountId": item.account_id,
        "region": item.name,
        "clusters": [_cluster(cluster) for cluster in item.clusters.values()],
        "taskDefinitions": definitions,
    }


def _cluster(item: Cluster) -> Document:
    services: list[Document] = []
    for service in item.services.values():
        history = [
            {**render.service_deployment(service, entry), "createdBy": entry.created_by or None}
            for entry in service.history
        ]
        services.append({**render.service(service, with_tags=True), "serviceDeployments": history})
    return {
        **render.cluster(item, ("SETTINGS", "STATISTICS", "TAGS", "CONFIGURATIONS")),
        "services": services,
        "tasks": [render.task(task, with_tags=True) for task in item.tasks.values()],
        "containerInstances": [container_instance(item, one) for one in item.instances.values()],
    }
