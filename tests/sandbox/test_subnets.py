from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.server import SandboxServer
from tests.sandbox.clients import client, code_of
from tests.sandbox.shop import Shop


@pytest.fixture
def shop(sandbox: SandboxServer) -> Shop:
    return Shop(sandbox)


def subnets(shop: Shop, **params: Any) -> dict[str, tuple[str, int]]:
    """Return zones and free addresses by subnet."""
    found = client(shop.server, "ec2").describe_subnets(**params)["Subnets"]
    return {item["SubnetId"]: (item["AvailabilityZone"], item["AvailableIpAddressCount"]) for item in found}


def free(shop: Shop) -> int:
    return sum(count for _, count in subnets(shop).values())


def test_subnets_that_services_name_are_there_and_their_tasks_take_addresses(shop: Shop) -> None:
    shop.serve("web", 0)
    known = subnets(shop, SubnetIds=["subnet-a", "subnet-b"])
    assert known == {"subnet-a": ("us-east-1a", 65_531), "subnet-b": ("us-east-1b", 65_531)}
    by_filter = subnets(shop, Filters=[{"Name": "subnet-id", "Values": ["subnet-b", "subnet-none"]}])
    assert by_filter == {"subnet-b": ("us-east-1b", 65_531)}
    shop.ecs.update_service(cluster="prod", service="web", desiredCount=3)
    shop.server.world.advance(120)
    assert free(shop) == 2 * 65_531 - 3
    shop.ecs.update_service(cluster="prod", service="web", desiredCount=0)
    shop.server.world.advance(600)
    assert free(shop) == 2 * 65_531


def test_a_subnet_takes_as_many_tasks_as_it_has_addresses(shop: Shop) -> None:
    shop.server.world.troubles.addresses.update({"subnet-a": 1, "subnet-b": 1})
    shop.serve("web", 4)
    shop.server.world.advance(90)
    assert free(shop) == 0
    service = shop.ecs.describe_services(cluster="prod", services=["web"])["services"][0]
    assert service["runningCount"] == 2
    stopped = shop.ecs.list_tasks(cluster="prod", desiredStatus="STOPPED")["taskArns"]
    reasons = {
        task["stoppedReason"] for task in shop.ecs.describe_tasks(cluster="prod", tasks=stopped)["tasks"]
    }
    assert all(reason.endswith("InsufficientFreeAddressesInSubnet") for reason in reasons)
    assert reasons


def test_addresses_of_a_subnet_are_in_its_range(shop: Shop) -> None:
    shop.steady("web", 2)
    ranges = {
        item["SubnetId"]: item["CidrBlock"]
        for item in client(shop.server, "ec2").describe_subnets()["Subnets"]
    }
    tasks = shop.server.world.region("123456789012", "us-east-1").clusters["prod"].tasks.values()
    for task in tasks:
        assert ranges[task.subnet].split(".")[:2] == task.private_ip.split(".")[:2]


@pytest.mark.parametrize(
    ("ids", "told"),
    [
        (["subnet-a", "subnet-none"], "The subnet ID 'subnet-none' does not exist"),
        (["subnet-none"], "The subnet ID 'subnet-none' does not exist"),
        (["subnet-a", "subnet-x", "subnet-y"], "The subnet IDs 'subnet-x, subnet-y' do not exist"),
    ],
)
def test_subnets_that_nobody_named_are_not_there(shop: Shop, ids: list[str], told: str) -> None:
    shop.serve("web", 1)
    with pytest.raises(ClientError, match=told) as caught:
        subnets(shop, SubnetIds=ids)
    assert code_of(caught) == "InvalidSubnetID.NotFound"


def test_subnets_that_were_made_in_moto_are_described_by_it(shop: Shop) -> None:
    ec2 = client(shop.server, "ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    made = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
    shop.serve("web", 1)
    assert subnets(shop, SubnetIds=[made])[made][1] == 251
