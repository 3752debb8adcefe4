from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.scenarios.acme_catalog import PRODUCTION
from sandbox.scenarios.empty import ACCOUNT_ID
from sandbox.server import SandboxServer
from tests.sandbox.clients import client, code_of
from tests.sandbox.shop import Shop


@pytest.fixture
def shop(sandbox: SandboxServer) -> Shop:
    return Shop(sandbox)


def health(shop: Shop, group: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client(shop.server, "elbv2").describe_target_health(TargetGroupArn=group)[
        "TargetHealthDescriptions"
    ]
    return found


def states(shop: Shop, group: str) -> list[str]:
    return sorted(item["TargetHealth"]["State"] for item in health(shop, group))


def test_targets_are_initial_then_healthy_and_have_the_addresses_of_the_tasks(shop: Shop) -> None:
    group = shop.target_group()
    shop.serve("web", 2, target_group=group)
    shop.until(lambda: len(states(shop, group)) == 2)
    assert states(shop, group) == ["initial", "initial"]
    first = health(shop, group)[0]["TargetHealth"]
    assert first["Reason"] in {"Elb.RegistrationInProgress", "Elb.InitialHealthChecking"}
    shop.until(lambda: states(shop, group) == ["healthy", "healthy"])
    one = health(shop, group)[0]
    assert one["HealthCheckPort"] == "traffic-port"
    assert set(one["TargetHealth"]) == {"State"}
    addresses = {
        detail["value"]
        for task in shop.tasks("web")
        for detail in task["attachments"][0]["details"]
        if detail["name"] == "privateIPv4Address"
    }
    assert {item["Target"]["Id"] for item in health(shop, group)} == addresses
    assert one["Target"]["Port"] == 8080


def test_a_target_that_never_answers_well_is_unhealthy_until_its_task_is_replaced(shop: Shop) -> None:
    group = shop.target_group()
    shop.serve("web", 1, tag="v2-unhealthy", target_group=group, healthCheckGracePeriodSeconds=120)
    shop.until(lambda: states(shop, group) == ["unhealthy"])
    said = health(shop, group)[0]["TargetHealth"]
    assert said["Reason"] == "Target.ResponseCodeMismatch"
    assert said["Description"] == "Health checks failed with these codes: [503]"


def test_targets_drain_as_long_as_their_group_says(shop: Shop) -> None:
    group = shop.target_group()
    elb = client(shop.server, "elbv2")
    elb.modify_target_group_attributes(
        TargetGroupArn=group, Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "60"}]
    )
    shop.steady("web", 2, target_group=group)
    shop.ecs.update_service(cluster="prod", service="web", desiredCount=1)
    shop.until(lambda: states(shop, group) == ["draining", "healthy"], step=1)
    draining = next(item for item in health(shop, group) if item["TargetHealth"]["State"] == "draining")
    assert draining["TargetHealth"]["Reason"] == "Target.DeregistrationInProgress"
    shop.advance(50)
    assert states(shop, group) == ["draining", "healthy"]
    shop.advance(15)
    assert states(shop, group) == ["healthy"]


def test_one_target_may_be_asked_for(shop: Shop) -> None:
    group = shop.target_group()
    shop.steady("web", 2, target_group=group)
    address = health(shop, group)[1]["Target"]["Id"]
    found = client(shop.server, "elbv2").describe_target_health(
        TargetGroupArn=group, Targets=[{"Id": address, "Port": 8080}]
    )
    assert [item["Target"]["Id"] for item in found["TargetHealthDescriptions"]] == [address]


def test_unknown_groups_are_refused(shop: Shop) -> None:
    elb = client(shop.server, "elbv2")
    missing = f"arn:aws:elasticloadbalancing:us-east-1:{ACCOUNT_ID}:targetgroup/none/0123456789abcdef"
    with pytest.raises(ClientError) as health_refused:
        elb.describe_target_health(TargetGroupArn=missing)
    with pytest.raises(ClientError) as groups_refused:
        elb.describe_target_groups(TargetGroupArns=[missing])
    assert code_of(health_refused) == code_of(groups_refused) == "TargetGroupNotFound"


def test_groups_come_in_pages_whose_tokens_expire(shop: Shop) -> None:
    for number in range(3):
        shop.target_group(f"group-{number}")
    elb = client(shop.server, "elbv2")
    first = elb.describe_target_groups(PageSize=2)
    rest = elb.describe_target_groups(PageSize=2, Marker=first["NextMarker"])
    names = [item["TargetGroupName"] for item in first["TargetGroups"] + rest["TargetGroups"]]
    assert names == ["group-0", "group-1", "group-2"]
    assert "NextMarker" not in rest
    shop.advance(25 * 3600)
    for marker in (first["NextMarker"], "made-up"):
        with pytest.raises(ClientError) as caught:
            elb.describe_target_groups(PageSize=2, Marker=marker)
        assert code_of(caught) == "ValidationError"


def test_the_groups_of_acme_are_there_with_a_load_balancer_in_front(acme: SandboxServer) -> None:
    elb = acme.client("elbv2", account_id=PRODUCTION)
    groups = {item["TargetGroupName"]: item for item in elb.describe_target_groups()["TargetGroups"]}
    cart = groups["prod-core-cart-api"]
    balancer = elb.describe_load_balancers(LoadBalancerArns=cart["LoadBalancerArns"])["LoadBalancers"][0]
    assert balancer["State"]["Code"] == "active"
    targets = elb.describe_target_health(TargetGroupArn=cart["TargetGroupArn"])["TargetHealthDescriptions"]
    assert [item["TargetHealth"]["State"] for item in targets] == ["healthy"] * 12
    attributes = elb.describe_target_group_attributes(TargetGroupArn=cart["TargetGroupArn"])["Attributes"]
    assert {"Key": "deregistration_delay.timeout_seconds", "Value": "30"} in attributes


def test_green_comes_up_in_the_other_group_and_the_groups_change_roles(shop: Shop) -> None:
    blue, green = shop.target_group("blue"), shop.target_group("green")
    roles = "arn:aws:iam::123456789012:role/ecs-lb"
    rule = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener-rule/app/web/1/2/3"
    balancers = [
        {
            "targetGroupArn": blue,
            "containerName": "app",
            "containerPort": 8080,
            "advancedConfiguration": {
                "alternateTargetGroupArn": green,
                "productionListenerRule": rule,
                "roleArn": roles,
            },
        }
    ]
    configuration = {"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 2}
    shop.serve("web", 2, loadBalancers=balancers, deploymentConfiguration=configuration)
    shop.until(lambda: shop.service("web")["deployments"][0]["rolloutState"] == "COMPLETED")
    assert (states(shop, blue), states(shop, green)) == (["healthy"] * 2, [])
    shop.ecs.update_service(cluster="prod", service="web", taskDefinition=shop.define("web", "v2"))
    shop.until(lambda: states(shop, green) == ["healthy"] * 2)
    assert states(shop, blue) == ["healthy"] * 2
    shop.until(lambda: states(shop, blue) == [])
    assert states(shop, green) == ["healthy"] * 2


def test_metrics_name_the_load_balancer_that_a_group_was_given(shop: Shop) -> None:
    group = shop.target_group()
    ec2, elb = client(shop.server, "ec2"), client(shop.server, "elbv2")
    vpc = elb.describe_target_groups(TargetGroupArns=[group])["TargetGroups"][0]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{n}.0/24", AvailabilityZone=f"us-east-1{zone}")[
            "Subnet"
        ]["SubnetId"]
        for n, zone in enumerate("ab")
    ]
    balancer = elb.create_load_balancer(Name="public", Subnets=subnets)["LoadBalancers"][0]["LoadBalancerArn"]
    elb.create_listener(
        LoadBalancerArn=balancer,
        Protocol="HTTP",
        Port=80,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": group}],
    )
    shop.steady("web", 1, target_group=group)
    listed = client(shop.server, "cloudwatch").list_metrics(MetricName="RequestCount")["Metrics"]
    names = {item["Name"]: item["Value"] for item in listed[0]["Dimensions"]}
    assert names["LoadBalancer"] == balancer.split(":loadbalancer/")[1]
