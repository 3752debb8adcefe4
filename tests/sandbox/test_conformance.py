"""Every operation that is implemented is called in a lived-in world, and its answer held against botocore's model."""

from __future__ import annotations

import re
from typing import Any

import pytest

from sandbox.model import operation_model, service_model
from sandbox.operations import implemented
from sandbox.ports import ApiError
from tests.sandbox.ecs import BREAKER, NETWORK, TARGET_GROUP, Ecs


def lived_in() -> tuple[Ecs, dict[str, str]]:
    """Build a world with every kind of resource and return the ARNs that calls need."""
    ecs = Ecs()
    check = {"healthCheck": {"command": ["CMD", "true"]}, "memoryReservation": 128, "memory": 256}
    ecs.steady(
        2,
        taskDefinition=ecs.define("v1-arm64", container=check, runtimePlatform={"cpuArchitecture": "ARM64"}),
        deploymentConfiguration={
            **BREAKER,
            "alarms": {"enable": True, "rollback": True, "alarmNames": ["high-5xx"]},
        },
        loadBalancers=[{"targetGroupArn": TARGET_GROUP, "containerName": "app", "containerPort": 8080}],
        enableExecuteCommand=True,
        enableECSManagedTags=True,
        propagateTags="SERVICE",
        tags=[{"key": "team", "value": "a"}],
    )
    ecs.update(taskDefinition=ecs.define("v2-crash"))
    ecs.advance(20)
    ecs.call("DeregisterTaskDefinition", taskDefinition=ecs.define("v9"))
    instance = ecs.call("RegisterContainerInstance", cluster="prod")["containerInstance"][
        "containerInstanceArn"
    ]
    ecs.define(family="job")
    ecs.serve(1, name="other", taskDefinition="job")
    ecs.advance(30)
    pause = {"targetType": "PAUSE", "lifecycleStages": ["PRE_SCALE_UP"]}
    ecs.serve(1, name="staged", deploymentConfiguration={"strategy": "CANARY", "lifecycleHooks": [pause]})
    ecs.advance(5)
    staged = ecs.history("staged")[0]
    return ecs, {
        "staged": staged["serviceDeploymentArn"],
        "hook": staged["lifecycleHookDetails"][0]["hookId"],
        "service": ecs.service()["serviceArn"],
        "task": ecs.tasks(serviceName="web")[0]["taskArn"],
        "instance": instance,
        "deployment": ecs.history()[0]["serviceDeploymentArn"],
        "revision": ecs.history()[1]["targetServiceRevision"]["arn"],
    }


def calls(arns: dict[str, str]) -> dict[str, dict[str, Any]]:
    prod = {"cluster": "prod"}
    instances = {**prod, "containerInstances": [arns["instance"]]}
    everything = ["ATTACHMENTS", "CONFIGURATIONS", "SETTINGS", "STATISTICS", "TAGS"]
    run = {**prod, "taskDefinition": "job", "launchType": "FARGATE", "networkConfiguration": NETWORK}
    return {
        "CreateCluster": {
            "clusterName": "new",
            "settings": [{"name": "containerInsights", "value": "enabled"}],
        },
        "ListClusters": {},
        "DescribeClusters": {"clusters": ["prod", "ghost"], "include": everything},
        "PutClusterCapacityProviders": {
            **prod,
            "capacityProviders": ["FARGATE"],
            "defaultCapacityProviderStrategy": [{"capacityProvider": "FARGATE", "weight": 1}],
        },
        "UpdateCluster": {**prod, "settings": [{"name": "containerInsights", "value": "enabled"}]},
        "UpdateClusterSettings": {**prod, "settings": [{"name": "containerInsights", "value": "disabled"}]},
        "CreateCapacityProvider": {
            "name": "hosts",
            "autoScalingGroupProvider": {"autoScalingGroupArn": "asg"},
        },
        "UpdateCapacityProvider": {"name": "hosts"},
        "DeleteCapacityProvider": {"capacityProvider": "hosts"},
        "PutAttributes": {**prod, "attributes": [{"name": "stack", "targetId": arns["instance"]}]},
        "ListAttributes": {**prod, "targetType": "container-instance"},
        "DeleteAttributes": {**prod, "attributes": [{"name": "stack", "targetId": arns["instance"]}]},
        "DescribeCapacityProviders": {"capacityProviders": ["FARGATE", "ghost"]},
        "RegisterTaskDefinition": {
            "family": "small",
            "containerDefinitions": [{"name": "a", "image": "nginx", "memory": 64}],
        },
        "DescribeTaskDefinition": {"taskDefinition": "web:1", "include": ["TAGS"]},
        "ListTaskDefinitions": {"maxResults": 1},
        "ListTaskDefinitionFamilies": {"status": "ALL"},
        "DeregisterTaskDefinition": {"taskDefinition": "small:1"},
        "DeleteTaskDefinitions": {"taskDefinitions": ["web:3", "web:99"]},
        "CreateService": {**run, "serviceName": "third", "desiredCount": 1},
        "UpdateService": {**prod, "service": "third", "desiredCount": 2, "forceNewDeployment": True},
        "DescribeServices": {**prod, "services": ["web", "other", "ghost"], "include": ["TAGS"]},
        "ListServices": {**prod, "maxResults": 1},
        "ListServiceDeployments": {**prod, "service": "web", "maxResults": 1},
        "DescribeServiceDeployments": {
            "serviceDeploymentArns": [arns["deployment"], arns["deployment"] + "x"]
        },
        "DescribeServiceRevisions": {"serviceRevisionArns": [arns["revision"]]},
        "StopServiceDeployment": {"serviceDeploymentArn": arns["deployment"]},
        "ContinueServiceDeployment": {"serviceDeploymentArn": arns["staged"], "hookId": arns["hook"]},
        "RunTask": {**run, "count": 2, "tags": [{"key": "a", "value": "b"}]},
        "ListTasks": {**prod, "maxResults": 1},
        "DescribeTasks": {**prod, "tasks": [arns["task"], "0" * 32], "include": ["TAGS"]},
        "GetTaskProtection": {**prod, "tasks": [arns["task"]]},
        "UpdateTaskProtection": {**prod, "tasks": [arns["task"]], "protectionEnabled": True},
        "ExecuteCommand": {**prod, "task": arns["task"], "command": "sh", "interactive": True},
        "StopTask": {**prod, "task": arns["task"], "reason": "tour"},
        "TagResource": {"resourceArn": arns["service"], "tags": [{"key": "x", "value": "y"}]},
        "ListTagsForResource": {"resourceArn": arns["service"]},
        "UntagResource": {"resourceArn": arns["service"], "tagKeys": ["x"]},
        "RegisterContainerInstance": prod,
        "ListContainerInstances": prod,
        "DescribeContainerInstances": instances,
        "UpdateContainerInstancesState": {**instances, "status": "DRAINING"},
        "DeregisterContainerInstance": {**prod, "containerInstance": arns["instance"]},
        "ListAccountSettings": {"effectiveSettings": True},
        "PutAccountSetting": {"name": "awsvpcTrunking", "value": "enabled"},
        "PutAccountSettingDefault": {"name": "containerInsights", "value": "enhanced"},
        "DeleteAccountSetting": {"name": "awsvpcTrunking"},
        "DeleteService": {**prod, "service": "other", "force": True},
        "DeleteCluster": {"cluster": "new"},
    }


def test_every_operation_answers_in_the_members_of_the_model() -> None:
    ecs, arns = lived_in()
    tour = calls(arns)
    assert set(tour) == implemented()
    for operation, params in tour.items():
        answer = ecs.call(operation, **params)
        shape: Any = operation_model(operation).output_shape
        assert set(answer) <= set(shape.members), operation


# What ECS can do and this sandbox cannot: daemons and express services, gateways, task sets of external deployment
# controllers, and the agent's own calls.
REFUSED = re.compile(
    r"Daemon|ExpressGateway|Gateway|TaskSet|^Submit|^DiscoverPollEndpoint$|^UpdateContainerAgent$|^StartTask$"
    r"|^ListServicesByNamespace$"
)


@pytest.mark.parametrize("operation", service_model().operation_names)
def test_every_operation_of_the_model_is_implemented_or_refused_by_name(operation: str) -> None:
    if operation in implemented():
        assert not REFUSED.search(operation)
        return
    assert REFUSED.search(operation), f"{operation} is new: implement it, or refuse it on purpose"
    shape: Any = operation_model(operation).input_shape
    params = {name: filler(shape.members[name]) for name in shape.required_members}
    with pytest.raises(ApiError) as refused:
        Ecs().call(operation, **params)
    assert refused.value.code == "UnsupportedOperationException"
    assert operation in refused.value.message


def filler(shape: Any) -> Any:
    """Return the least that a member of the model takes."""
    if shape.type_name == "structure":
        return {name: filler(shape.members[name]) for name in shape.required_members}
    if shape.type_name == "list":
        return [filler(shape.member)]
    enum = getattr(shape, "enum", None)
    return enum[0] if enum else {"string": "x", "boolean": True}.get(shape.type_name, 1)


@pytest.mark.parametrize("operation", sorted(implemented()))
def test_every_operation_is_one_of_amazon_s(operation: str) -> None:
    assert operation in service_model().operation_names


def test_stopped_and_failed_resources_conform_too() -> None:
    ecs, _ = lived_in()
    ecs.advance(900)
    assert ecs.tasks("STOPPED")
    assert ecs.history()[0]["status"] == "ROLLBACK_SUCCESSFUL"
    ecs.call("DeleteService", cluster="prod", service="web", force=True)
    ecs.advance(600)
    assert ecs.service()["status"] == "INACTIVE"
