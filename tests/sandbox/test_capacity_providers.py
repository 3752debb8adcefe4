from __future__ import annotations

from typing import Any

import pytest

from sandbox.ports import ApiError
from tests.sandbox.ecs import ACCOUNT, NETWORK, REGION, Ecs

GROUP = f"arn:aws:autoscaling:{REGION}:{ACCOUNT}:autoScalingGroup:1f2e:autoScalingGroupName/hosts"


def create(ecs: Ecs, name: str = "hosts", **more: Any) -> dict[str, Any]:
    answer = ecs.call(
        "CreateCapacityProvider", name=name, autoScalingGroupProvider={"autoScalingGroupArn": GROUP, **more}
    )
    provider: dict[str, Any] = answer["capacityProvider"]
    return provider


def test_a_provider_is_created_with_defaults_described_and_updated() -> None:
    ecs = Ecs()
    made = create(ecs)
    assert (made["status"], made["type"]) == ("ACTIVE", "EC2_AUTOSCALING")
    assert made["autoScalingGroupProvider"]["managedScaling"]["targetCapacity"] == 100
    described = ecs.call("DescribeCapacityProviders")["capacityProviders"]
    assert [item["name"] for item in described] == ["FARGATE", "FARGATE_SPOT", "hosts"]
    scaling = {"managedScaling": {"status": "ENABLED", "targetCapacity": 80}}
    ecs.call("UpdateCapacityProvider", name="hosts", autoScalingGroupProvider=scaling)
    changed = ecs.call("DescribeCapacityProviders", capacityProviders=["hosts"])["capacityProviders"][0]
    assert changed["autoScalingGroupProvider"]["managedScaling"]["targetCapacity"] == 80
    assert changed["updateStatus"] == "UPDATE_COMPLETE"


def test_clusters_take_only_providers_that_exist_and_keep_them_from_deletion() -> None:
    ecs = Ecs()
    with pytest.raises(ApiError, match="'hosts' is not in an ACTIVE state"):
        ecs.call("CreateCluster", clusterName="ec2", capacityProviders=["hosts"])
    create(ecs)
    ecs.call("CreateCluster", clusterName="ec2", capacityProviders=["hosts"])
    with pytest.raises(ApiError, match="in use"):
        ecs.call("DeleteCapacityProvider", capacityProvider="hosts")
    ecs.call(
        "PutClusterCapacityProviders",
        cluster="ec2",
        capacityProviders=["FARGATE"],
        defaultCapacityProviderStrategy=[],
    )
    gone = ecs.call("DeleteCapacityProvider", capacityProvider="hosts")["capacityProvider"]
    assert gone["status"] == "INACTIVE"
    assert ecs.call("DescribeCapacityProviders", capacityProviders=["hosts"])["failures"]


def test_a_strategy_takes_only_providers_of_its_cluster() -> None:
    ecs = Ecs()
    strategy: dict[str, Any] = {"capacityProviderStrategy": [{"capacityProvider": "FARGATE", "weight": 1}]}
    network = {"networkConfiguration": NETWORK}
    ecs.serve(1)
    calls: list[tuple[str, dict[str, Any]]] = [
        (
            "CreateService",
            {"serviceName": "other", "taskDefinition": "web", "desiredCount": 1, **network},
        ),
        ("UpdateService", {"service": "web", "forceNewDeployment": True}),
        ("RunTask", {"taskDefinition": "web", **network}),
    ]
    for operation, params in calls:
        with pytest.raises(ApiError, match="not associated with the cluster"):
            ecs.call(operation, cluster="prod", **strategy, **params)
    attached = {"capacityProviders": ["FARGATE"], "defaultCapacityProviderStrategy": []}
    ecs.call("PutClusterCapacityProviders", cluster="prod", **attached)
    for operation, params in calls:
        ecs.call(operation, cluster="prod", **strategy, **params)


@pytest.mark.parametrize(
    ("operation", "params", "code"),
    [
        ("CreateCapacityProvider", {"name": "fargate-2"}, "InvalidParameterException"),
        ("CreateCapacityProvider", {"name": "managed"}, "UnsupportedFeatureException"),
        ("DeleteCapacityProvider", {"capacityProvider": "FARGATE"}, "InvalidParameterException"),
        ("UpdateCapacityProvider", {"name": "ghost"}, "InvalidParameterException"),
    ],
)
def test_what_aws_refuses_is_refused(operation: str, params: dict[str, Any], code: str) -> None:
    with pytest.raises(ApiError) as refused:
        Ecs().call(operation, **params)
    assert refused.value.code == code


def test_termination_protection_asks_for_managed_scaling() -> None:
    with pytest.raises(ApiError, match="managed scaling must be enabled"):
        create(Ecs(), managedTerminationProtection="ENABLED")
