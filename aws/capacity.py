"""Reads of where tasks may be placed: capacity providers, container instances, subnets, quotas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aws.calls import in_batches, read
from aws.scope import Scope

INSTANCES_PER_CALL = 100
# So many are weighed; a cluster with more has room, or a person who knows it well.
MOST_INSTANCES = 300


@dataclass(frozen=True, slots=True)
class Room:
    """What is left on a container instance: CPU units, MiB, and the TCP ports that are taken."""

    arn: str
    cpu: int
    memory: int
    ports: frozenset[int]


@dataclass(frozen=True, slots=True)
class Subnet:
    """A subnet, its availability zone, and how many addresses it has left."""

    id: str
    zone: str
    free: int


def provider_states(scope: Scope, names: Sequence[str]) -> dict[str, str]:
    """Return the states of those capacity providers that are there. IAM: ecs:DescribeCapacityProviders."""
    answer = read(scope, "ecs", "describe_capacity_providers", capacityProviders=list(names))
    return {str(item["name"]): str(item.get("status", "")) for item in answer.get("capacityProviders") or []}


def attached_providers(scope: Scope, cluster: str) -> list[str]:
    """Return the names of the capacity providers that a cluster may use. IAM: ecs:DescribeClusters."""
    found = read(scope, "ecs", "describe_clusters", clusters=[cluster]).get("clusters") or [{}]
    return [name_of(str(name)) for name in found[0].get("capacityProviders") or []]


def name_of(provider: str) -> str:
    """Return the name of a capacity provider, which strategies may also name by its ARN."""
    return provider.rsplit("/", 1)[-1]


def rooms(scope: Scope, cluster: str) -> list[Room]:
    """Return what is left on the cluster's ACTIVE instances whose agent is connected, up to 300; two to six calls.

    IAM: ecs:ListContainerInstances, ecs:DescribeContainerInstances.
    """
    arns: list[str] = []
    token = ""
    while len(arns) < MOST_INSTANCES:
        paging = {"nextToken": token} if token else {}
        page = read(
            scope,
            "ecs",
            "list_container_instances",
            cluster=cluster,
            status="ACTIVE",
            maxResults=INSTANCES_PER_CALL,
            **paging,
        )
        arns += page.get("containerInstanceArns") or []
        token = page.get("nextToken") or ""
        if not token:
            break
    found: list[Room] = []
    for batch in in_batches(arns[:MOST_INSTANCES], INSTANCES_PER_CALL):
        answer = read(scope, "ecs", "describe_container_instances", cluster=cluster, containerInstances=batch)
        items = answer.get("containerInstances") or []
        found += [room_of(item) for item in items if item.get("agentConnected")]
    return found


def room_of(instance: dict[str, Any]) -> Room:
    left = {item.get("name"): item for item in instance.get("remainingResources") or []}
    ports = (left.get("PORTS") or {}).get("stringSetValue") or []
    return Room(
        str(instance.get("containerInstanceArn", "")),
        int((left.get("CPU") or {}).get("integerValue") or 0),
        int((left.get("MEMORY") or {}).get("integerValue") or 0),
        frozenset(int(port) for port in ports if str(port).isdecimal()),
    )


def subnets(scope: Scope, ids: Sequence[str]) -> list[Subnet]:
    """Describe subnets; raises AwsNotFound, which names those that do not exist. IAM: ec2:DescribeSubnets."""
    answer = read(scope, "ec2", "describe_subnets", SubnetIds=list(ids))
    return [
        Subnet(
            str(item["SubnetId"]),
            str(item.get("AvailabilityZone") or ""),
            int(item.get("AvailableIpAddressCount") or 0),
        )
        for item in answer.get("Subnets") or []
    ]


def quota(scope: Scope, service: str, code: str) -> float:
    """Return the value of a quota. IAM: servicequotas:GetServiceQuota."""
    answer = read(scope, "service-quotas", "get_service_quota", ServiceCode=service, QuotaCode=code)
    return float(answer["Quota"]["Value"])
