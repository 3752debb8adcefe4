"""Load balancers, target groups, and free addresses of subnets."""

from __future__ import annotations

from deployments.plans import OK, REFUSE, WARN
from deployments.preflight import gathering
from tests.deployments.preflight.world import GROUP, check, definition, found
from tests.deployments.rig import Rig


def test_target_group_health_check_and_drain_are_told(balanced: Rig) -> None:
    checks = found(balanced, definition())
    names = ("target-group-shop", "health-check-shop", "grace-shop", "drain-shop", "load-balancer-app")
    assert [checks[name].level for name in names] == [OK] * len(names)
    assert "5 min" in checks["drain-shop"].text


def test_a_port_or_name_that_is_not_kept_is_refused(balanced: Rig) -> None:
    moved = definition(container={"portMappings": [{"containerPort": 9090}]})
    level, text = check(balanced, "load-balancer-app", moved)
    assert (level, "port 8080 of app, and the definition maps 9090" in text) == (REFUSE, True)
    assert check(balanced, "load-balancer-app", definition(container={"name": "web"}))[0] == REFUSE


def test_a_target_group_of_the_wrong_type_is_refused(balanced: Rig) -> None:
    level, text = check(balanced, "target-group-shop", definition(networkMode="bridge"))
    assert (level, "register as instance" in text) == (REFUSE, True)


def test_a_target_group_that_is_gone_is_refused(balanced: Rig) -> None:
    balanced.service.facts["loadBalancers"][0]["targetGroupArn"] = GROUP.replace("/shop/", "/gone/")
    assert check(balanced, "target-group-gone")[0] == REFUSE


def test_a_short_grace_period_is_warned_of(balanced: Rig) -> None:
    balanced.service.facts["healthCheckGracePeriodSeconds"] = 0
    level, text = check(balanced, "grace-shop")
    assert (level, "after 60 s without an answer" in text) == (WARN, True)


def test_blue_green_without_a_second_target_group_is_refused(balanced: Rig) -> None:
    balanced.service.facts["deploymentConfiguration"]["strategy"] = "BLUE_GREEN"
    assert check(balanced, "alternate-app")[0] == REFUSE


def test_free_addresses_are_told(shop: Rig) -> None:
    level, text = check(shop, "subnets")
    assert level == OK
    assert text.startswith("The rollout adds up to 2 tasks; each of 2 subnets has at least 65,5")


def test_a_subnet_without_addresses_for_its_share_is_warned_of(shop: Rig) -> None:
    shop.world.troubles.addresses["subnet-b"] = 1
    level, text = check(shop, "subnets")
    assert level == WARN
    assert "adds up to 2 tasks, about 1 in each subnet: subnet-b in us-east-1b has 0 free." in text
    assert "InsufficientFreeAddressesInSubnet" in text
    # Nothing is added where tasks stop before others start.
    gathering.answers.clear()
    shop.service.facts["deploymentConfiguration"] = {"minimumHealthyPercent": 0, "maximumPercent": 100}
    assert check(shop, "subnets")[0] == OK


def test_a_subnet_that_does_not_exist_is_refused_until_it_does(shop: Rig) -> None:
    network = shop.service.facts["networkConfiguration"]["awsvpcConfiguration"]
    network["subnets"] = ["subnet-a", "subnet-new"]
    level, text = check(shop, "subnets")
    assert (level, "The subnet ID 'subnet-new' does not exist: no task" in text) == (REFUSE, True)
    shop.call(
        "UpdateService",
        cluster="prod",
        service="checkout-api",
        networkConfiguration={"awsvpcConfiguration": network},
    )
    assert check(shop, "subnets")[0] == OK


def test_tasks_on_the_network_of_their_instance_need_no_address(shop: Rig) -> None:
    assert "subnets" not in found(shop, definition(networkMode="bridge"))
