"""Show container instances in the members of AWS's outputs."""

from __future__ import annotations

from sandbox.placement import free_resources
from sandbox.render import tag_list
from sandbox.state import Cluster, ContainerInstance, Document


def container_instance(owner: Cluster, item: ContainerInstance) -> Document:
    """Show a container instance with what it has and what is left."""
    tasks = [task for task in owner.tasks.values() if task.instance is item]
    free_cpu, free_memory = free_resources(owner, item)
    return {
        "containerInstanceArn": item.arn,
        "ec2InstanceId": item.ec2_instance_id,
        "version": item.version,
        "versionInfo": item.version_info,
        "registeredResources": _resources(item.cpu, item.memory),
        "remainingResources": _resources(free_cpu, free_memory),
        "status": item.status,
        "agentConnected": item.connected,
        "runningTasksCount": sum(task.is_running for task in tasks),
        "pendingTasksCount": sum(task.is_pending for task in tasks),
        "attributes": item.attributes,
        "registeredAt": item.registered_at,
        "attachments": [],
        "tags": tag_list(item.tags),
    }


def _resources(cpu: int, memory: int) -> list[Document]:
    zero = {"doubleValue": 0.0, "longValue": 0}
    return [
        {"name": "CPU", "type": "INTEGER", **zero, "integerValue": cpu},
        {"name": "MEMORY", "type": "INTEGER", **zero, "integerValue": memory},
    ]
