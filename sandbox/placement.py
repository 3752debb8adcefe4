"""Make tasks: their ids, containers, network interface and availability zone."""

from __future__ import annotations

import hashlib
import zlib
from typing import TYPE_CHECKING, Any

from sandbox.instance_query import compile_query
from sandbox.names import arn
from sandbox.state import (
    Cluster,
    Container,
    ContainerInstance,
    Document,
    Region,
    Service,
    Task,
    TaskDefinition,
)

if TYPE_CHECKING:
    from sandbox.world import World

# Members of a service or of RunTask that decide how a task runs.
TASK_CONFIG = (
    "launchType",
    "platformVersion",
    "networkConfiguration",
    "capacityProviderStrategy",
    "enableExecuteCommand",
    "placementConstraints",
)


def make_task(
    world: World,
    cluster: Cluster,
    definition: TaskDefinition,
    *,
    group: str,
    config: Document,
    overrides: Document,
) -> Task:
    """Create a task in PROVISIONING and put it into its cluster; the caller sets it going."""
    task_id = world.ids.hex32()
    region = cluster.region
    task = Task(
        id=task_id,
        arn=arn(region.name, region.account_id, "task", cluster.name, task_id),
        cluster=cluster,
        definition=definition,
        group=group,
        created_at=world.now,
        config={name: config[name] for name in TASK_CONFIG if config.get(name) is not None},
        containers=[],
        overrides=overrides,
    )
    task.containers = [_container(world, task, item) for item in definition.containers]
    if definition.content.get("networkMode") == "awsvpc":
        _plan_interface(world, region, task)
    else:
        task.zone = f"{region.name}a"
    cluster.tasks[task_id] = task
    return task


def _container(world: World, task: Task, definition: Document) -> Container:
    region = task.cluster.region
    return Container(
        arn=arn(region.name, region.account_id, "container", task.cluster.name, task.id, world.ids.uuid()),
        name=definition["name"],
        image=definition["image"],
        essential=definition.get("essential", True),
    )


def second_octet(subnet: str) -> int:
    """Return what is a subnet's own in its addresses, so that they tell subnets apart as they do in a VPC."""
    return zlib.crc32(subnet.encode()) % 254 + 1


def _plan_interface(world: World, region: Region, task: Task) -> None:
    """Choose subnet, zone and address: tasks go round the subnets of their configuration."""
    network = (task.config.get("networkConfiguration") or {}).get("awsvpcConfiguration") or {}
    subnets = network.get("subnets") or ["subnet-00000000"]
    region.addresses += 1
    lost = world.troubles.lost_zones
    for _ in subnets:
        index = region.addresses % len(subnets)
        if (region.account_id, region.name, region.name + "abc"[index % 3]) not in lost:
            break
        region.addresses += 1
    index = region.addresses % len(subnets)
    task.subnet = subnets[index]
    task.zone = region.name + "abc"[index % 3]
    host = region.addresses
    task.private_ip = f"10.{second_octet(task.subnet)}.{host // 250 % 255}.{host % 250 + 4}"
    task.attachment_id = world.ids.uuid()
    task.eni_id = f"eni-{task.id[:17]}"
    mac = hashlib.sha256(task.id.encode()).hexdigest()
    task.mac = "0e:" + ":".join(mac[index : index + 2] for index in range(0, 10, 2))


def definition_of(task: Task, container: Container) -> Document:
    """Return the container definition behind a container."""
    return next(item for item in task.definition.containers if item["name"] == container.name)


def launch_type(task: Task) -> str:
    """Return where a task runs: FARGATE also behind the two Fargate capacity providers."""
    if any(is_fargate_provider(item) for item in task.config.get("capacityProviderStrategy") or []):
        return "FARGATE"
    return str(task.config.get("launchType") or "EC2")


def is_fargate_provider(item: Document) -> bool:
    return item.get("capacityProvider") in ("FARGATE", "FARGATE_SPOT")


def choose_instance(task: Task) -> ContainerInstance | None:
    """Return the active container instance with the most free CPU that a task fits on, None without one.

    A daemon's task only goes where none of its service is.
    """
    taken = _daemon_instances(task.service)
    fitting = [
        (-free_resources(task.cluster, instance)[0], instance.id, instance)
        for instance in task.cluster.instances.values()
        if instance.id not in taken and not misfit(task, instance)
    ]
    return min(fitting, key=lambda item: item[:2])[2] if fitting else None


def misfit(task: Task, instance: ContainerInstance) -> str:
    """Return what keeps a task from an instance, as `failures` of RunTask say it; empty when it fits."""
    if instance.status != "ACTIVE" or not instance.connected:
        return "AGENT"
    cluster = task.cluster
    for constraint in _constraints(task):
        if constraint["type"] == "distinctInstance":
            if any(
                one.instance is instance and one.group == task.group and one.wanted for one in _others(task)
            ):
                return "DistinctInstance placement constraint unsatisfied."
        elif not compile_query(constraint.get("expression") or "")(cluster, instance):
            return "MemberOf placement constraint unsatisfied."
    cpu, memory = needs(task.definition)
    free_cpu, free_memory = free_resources(cluster, instance)
    if free_cpu < cpu:
        return "RESOURCE:CPU"
    if free_memory < memory:
        return "RESOURCE:MEMORY"
    ports = host_ports(task.definition)
    if ports and any(
        one.instance is instance and ports & host_ports(one.definition) for one in _others(task)
    ):
        return "RESOURCE:PORTS"
    return ""


def _others(task: Task) -> list[Task]:
    return [one for one in task.cluster.tasks.values() if one is not task and one.last_status != "STOPPED"]


def _constraints(task: Task) -> list[Document]:
    own: list[Document] = task.definition.content.get("placementConstraints") or []
    return [*own, *(task.config.get("placementConstraints") or [])]


def host_ports(definition: TaskDefinition) -> set[int]:
    """Return the ports of the host that a task takes for itself."""
    mappings = [one for item in definition.containers for one in item.get("portMappings") or []]
    host = definition.content.get("networkMode") == "host"
    return {
        port for one in mappings if (port := one.get("hostPort") or (one["containerPort"] if host else 0))
    }


def closest(task: Task) -> tuple[ContainerInstance, str] | None:
    """Return the instance that comes nearest to fitting and what it lacks, None in an empty cluster."""
    taken = _daemon_instances(task.service)
    instances = [item for item in task.cluster.instances.values() if item.id not in taken]
    if not instances:
        return None
    nearest = max(instances, key=lambda item: (item.connected, free_resources(task.cluster, item), item.id))
    return nearest, misfit(task, nearest)


def _daemon_instances(service: Service | None) -> set[str]:
    if service is None or service.scheduling != "DAEMON":
        return set()
    return {task.instance.id for task in service.tasks.values() if task.instance and task.wanted}


def needs(definition: TaskDefinition) -> tuple[int, int]:
    """Return the CPU units and MiB that a task reserves."""
    content: dict[str, Any] = definition.content
    cpu = int(content.get("cpu") or sum(item.get("cpu", 0) for item in definition.containers))
    memory = content.get("memory") or sum(
        item.get("memoryReservation") or item.get("memory") or 0 for item in definition.containers
    )
    return cpu, int(memory)


def free_resources(cluster: Cluster, instance: ContainerInstance) -> tuple[int, int]:
    """Return the CPU units and MiB that an instance has left."""
    cpu, memory = instance.cpu, instance.memory
    for task in cluster.tasks.values():
        if task.instance is instance and task.last_status != "STOPPED":
            used_cpu, used_memory = needs(task.definition)
            cpu, memory = cpu - used_cpu, memory - used_memory
    return cpu, memory


def on_fargate(config: Document) -> bool:
    """Whether a service's configuration runs on Fargate."""
    strategy = config.get("capacityProviderStrategy") or []
    return config.get("launchType") == "FARGATE" or any(is_fargate_provider(item) for item in strategy)
