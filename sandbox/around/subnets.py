"""EC2's subnets, as far as tasks are placed in them: in which zone, and how many addresses are left."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from sandbox.around.registry import Ask, Document, answers
from sandbox.names import partition
from sandbox.placement import second_octet
from sandbox.ports import ApiError
from sandbox.state import Region
from sandbox.troubles import subnets_of, zone_of


@answers("ec2", "DescribeSubnets")
def describe_subnets(ask: Ask, params: Document) -> Document | None:
    """Describe the subnets that services and tasks name; moto answers for others, and for other filters."""
    known = dict(named(ask.region))
    asked = params.get("SubnetIds") or []
    for item in params.get("Filters") or []:
        if item.get("Name") != "subnet-id":
            return None
        asked = [*asked, *(one for one in item.get("Values") or [] if one in known)]
    if not known.keys() & set(asked or known):
        return None
    if absent := [one for one in asked if one not in known]:
        word, does = ("ID", "does") if len(absent) == 1 else ("IDs", "do")
        text = f"The subnet {word} '{', '.join(absent)}' {does} not exist"
        raise ApiError("InvalidSubnetID.NotFound", text)
    return {"Subnets": [shown(ask, one, known[one]) for one in asked or known]}


def named(region: Region) -> Iterator[tuple[str, str]]:
    """Yield the subnets of a region with their zones, the zone of a subnet being that of the last who names it."""
    for cluster in region.clusters.values():
        for service in cluster.services.values():
            for index, subnet in enumerate(subnets_of(service.config)):
                yield subnet, zone_of(region, index)
        for task in cluster.tasks.values():
            if task.subnet:
                yield task.subnet, task.zone


def shown(ask: Ask, subnet: str, zone: str) -> Document:
    account_id, region = ask.place
    return {
        "SubnetId": subnet,
        "SubnetArn": f"arn:{partition(region)}:ec2:{region}:{account_id}:subnet/{subnet}",
        "OwnerId": account_id,
        "VpcId": "vpc-" + hashlib.sha256(f"{account_id} {region}".encode()).hexdigest()[:17],
        "State": "available",
        "CidrBlock": f"10.{second_octet(subnet)}.0.0/16",
        "AvailabilityZone": zone,
        "AvailableIpAddressCount": ask.world.troubles.free_addresses(ask.region, subnet),
        "DefaultForAz": False,
        "MapPublicIpOnLaunch": False,
        "AssignIpv6AddressOnCreation": False,
    }
