"""What keeps tasks from a place: shortages, lost zones, subnets without addresses, quotas."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox import lifecycle, scheduler, wording
from sandbox.placement import launch_type, needs
from sandbox.state import Cluster, ContainerInstance, Document, Region, Service

if TYPE_CHECKING:
    from sandbox.world import World

# A subnet of /16 without the five addresses that AWS keeps: the fleets put twenty thousand tasks into one.
ADDRESSES = 65_531


@dataclass(slots=True)
class Troubles:
    """Troubles of the whole world; each is there from the moment at which it is added until it is taken away."""

    # (account, region, zone) in which nothing runs.
    lost_zones: set[tuple[str, str, str]] = field(default_factory=set)
    # Subnets that have no address left.
    full_subnets: set[str] = field(default_factory=set)
    # How many tasks may have an address in a subnet; the others have room for 65,531.
    addresses: dict[str, int] = field(default_factory=dict)
    # How many vCPUs may run on Fargate, by (account, region).
    vcpu_limits: dict[tuple[str, str], float] = field(default_factory=dict)

    def free_addresses(self, region: Region, subnet: str) -> int:
        """Return how many addresses a subnet has left."""
        if subnet in self.full_subnets:
            return 0
        return max(0, self.addresses.get(subnet, ADDRESSES) - addresses_taken(region, subnet))

    def is_full(self, region: Region, subnet: str) -> bool:
        """Whether a subnet has no address left; tasks are counted only where something limits them."""
        is_limited = subnet in self.full_subnets or subnet in self.addresses
        return is_limited and not self.free_addresses(region, subnet)


def addresses_taken(region: Region, subnet: str) -> int:
    """Return how many tasks have an address in a subnet now."""
    return sum(
        task.subnet == subnet and task.attachment_status == "ATTACHED"
        for cluster in region.clusters.values()
        for task in cluster.tasks.values()
    )


def subnets_of(config: Document) -> list[str]:
    network = (config.get("networkConfiguration") or {}).get("awsvpcConfiguration") or {}
    subnets: list[str] = network.get("subnets") or []
    return subnets


def refusal(world: World, region: Region, config: Document, cpu: int) -> str:
    """Return why Fargate cannot take one more task of so many CPU units, empty when it can."""
    place = (region.account_id, region.name)
    if place in world.capacity_shortage:
        return wording.CAPACITY_UNAVAILABLE
    lost = {zone for *where, zone in world.troubles.lost_zones if tuple(where) == place}
    subnets = subnets_of(config)
    if lost and subnets and len({zone_of(region, index) for index in range(len(subnets))} - lost) == 0:
        return wording.CAPACITY_UNAVAILABLE
    limit = world.troubles.vcpu_limits.get(place)
    if limit is not None and _vcpus(region) + cpu / 1024 > limit:
        return wording.VCPU_LIMIT
    return ""


def zone_of(region: Region, index: int) -> str:
    """Return the zone of the subnet at a place in a network configuration."""
    return region.name + "abc"[index % 3]


def _vcpus(region: Region) -> float:
    return sum(
        needs(task.definition)[0] / 1024
        for cluster in region.clusters.values()
        for task in cluster.tasks.values()
        if task.last_status != "STOPPED" and launch_type(task) == "FARGATE"
    )


def lose_zone(world: World, account_id: str, region: str, zone: str) -> int:
    """Take a zone away with all that runs in it; return how many tasks that stops."""
    world.troubles.lost_zones.add((account_id, region, zone))
    stopped = 0
    for cluster in world.region(account_id, region).clusters.values():
        for instance in list(cluster.instances.values()):
            if instance.zone == zone:
                stopped += terminate(world, cluster, instance)
        for task in list(cluster.tasks.values()):
            if task.zone == zone and task.wanted:
                lifecycle.stop(world, task, code="InfrastructureHealth", reason=wording.INFRASTRUCTURE_LOST)
                stopped += 1
    return stopped


def regain_zone(world: World, account_id: str, region: str, zone: str) -> None:
    """Give a zone back; services look for room again."""
    world.troubles.lost_zones.discard((account_id, region, zone))
    wake(world, account_id, region)


def wake(world: World, account_id: str, region: str) -> None:
    """Let services that lack tasks look for room again."""
    for cluster in world.region(account_id, region).clusters.values():
        for service in cluster.services.values():
            if service.status == "ACTIVE" and _lacks(service):
                scheduler.look_soon(world, service)


def _lacks(service: Service) -> bool:
    return sum(task.wanted for task in service.tasks.values()) < service.desired


def terminate(world: World, cluster: Cluster, instance: ContainerInstance) -> int:
    """Let an EC2 host end with its tasks; return how many those were."""
    instance.status, instance.connected = "INACTIVE", False
    stopped = 0
    for task in list(cluster.tasks.values()):
        if task.instance is instance and task.wanted:
            reason = wording.host_terminated(instance.ec2_instance_id)
            lifecycle.stop(world, task, code="TerminationNotice", reason=reason)
            stopped += 1
    cluster.instances.pop(instance.id, None)
    return stopped
