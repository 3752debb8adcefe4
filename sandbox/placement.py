"""Make tasks: their ids, containers, network interface and availability zone."""

from __future__ import annotations

import hashlib
import zlib
from typing import TYPE_CHECKING, Any

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


def _plan_interface(world: World, region: Region, task: Task) -> None:
    """Choose subnet, zone and address: tasks go round the subnets of their configuration."""
    network = (task.config.get("networkConfiguration") or {}).get("awsvpcConfiguration") or {}
    subnets = network.get("subnets") or ["subnet-00000000"]
    region.addresses += 1
    index = region.addresses % len(subnets)
    task.subnet = subnets[index]
    task.zone = region.name + "abc"[index % 3]
    # The third octet belongs to the subnet, so that addresses tell subnets apart as they do in a VPC.
    third = zlib.crc32(task.subnet.encode()) % 254 + 1
    task.private_ip = f"10.{region.addresses // 250 % 255}.{third}.{region.addresses % 250 + 4}"
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
    cpu, memory = needs(task.definition)
    taken = _daemon_instances(task.service)
    fitting: list[tuple[int, str, ContainerInstance]] = []
    for instance in task.cluster.instances.values():
        if instance.status != "ACTIVE" or instance.id in taken:
            continue
        free_cpu, free_memory = free_resources(task.cluster, instance)
        if free_cpu >= cpu and free_memory >= memory:
            fitting.append((-free_cpu, instance.id, instance))
    return min(fitting, key=lambda item: item[:2])[2] if fitting else None


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
