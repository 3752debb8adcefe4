"""Show the state in the members of AWS's outputs; members without a value are None and left out later."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sandbox.around.blue_green import resolved_balancers
from sandbox.counts import count_tasks, revision_count
from sandbox.placement import definition_of, launch_type, needs, on_fargate
from sandbox.state import (
    Cluster,
    Container,
    Deployment,
    Document,
    Hook,
    RevisionCount,
    Service,
    ServiceDeployment,
    ServiceRevision,
    Task,
    TaskDefinition,
)


def tag_list(tags: dict[str, str]) -> list[Document]:
    return [{"key": key, "value": value} for key, value in tags.items()]


def task_definition(definition: TaskDefinition) -> Document:
    """Show a task definition; its tags come beside it, not inside."""
    return {
        "taskDefinitionArn": definition.arn,
        "family": definition.family,
        "revision": definition.revision,
        "status": definition.status,
        **definition.content,
        "registeredAt": definition.registered_at,
        "registeredBy": definition.registered_by or None,
        "deregisteredAt": definition.deregistered_at,
        "deleteRequestedAt": definition.delete_requested_at,
    }


def cluster(item: Cluster, include: Iterable[str] = ()) -> Document:
    """Show a cluster with its counts."""
    wanted = set(include)
    tasks = item.tasks.values()
    return {
        "clusterArn": item.arn,
        "clusterName": item.name,
        "status": item.status,
        "registeredContainerInstancesCount": len(item.instances),
        "runningTasksCount": sum(task.is_running for task in tasks),
        "pendingTasksCount": sum(task.is_pending for task in tasks),
        "activeServicesCount": sum(service.status == "ACTIVE" for service in item.services.values()),
        "statistics": _statistics(item) if "STATISTICS" in wanted else [],
        "tags": tag_list(item.tags) if "TAGS" in wanted else [],
        "settings": item.settings if "SETTINGS" in wanted else [],
        "configuration": item.configuration if "CONFIGURATIONS" in wanted else None,
        "capacityProviders": item.capacity_providers,
        "defaultCapacityProviderStrategy": item.default_strategy,
        "serviceConnectDefaults": item.service_connect_defaults,
    }


def _statistics(item: Cluster) -> list[Document]:
    """Count tasks and services apart for EC2 and Fargate, in AWS's order and with its text values."""
    ec2 = [task for task in item.tasks.values() if launch_type(task) == "EC2"]
    fargate = [task for task in item.tasks.values() if launch_type(task) == "FARGATE"]
    services = item.services.values()
    counts = {
        "runningEC2TasksCount": sum(task.is_running for task in ec2),
        "runningFargateTasksCount": sum(task.is_running for task in fargate),
        "pendingEC2TasksCount": sum(task.is_pending for task in ec2),
        "pendingFargateTasksCount": sum(task.is_pending for task in fargate),
        "activeEC2ServiceCount": sum(
            one.status == "ACTIVE" and not on_fargate(one.config) for one in services
        ),
        "activeFargateServiceCount": sum(
            one.status == "ACTIVE" and on_fargate(one.config) for one in services
        ),
        "drainingEC2ServiceCount": sum(
            one.status == "DRAINING" and not on_fargate(one.config) for one in services
        ),
        "drainingFargateServiceCount": sum(
            one.status == "DRAINING" and on_fargate(one.config) for one in services
        ),
    }
    return [{"name": name, "value": str(number)} for name, number in counts.items()]


def service(item: Service, *, with_tags: bool = False) -> Document:
    """Show a service with its deployments and events."""
    tasks = item.tasks.values()
    inactive = item.status == "INACTIVE"
    shown = [] if inactive else item.deployments
    return {
        "serviceArn": item.arn,
        "serviceName": item.name,
        "clusterArn": item.cluster.arn,
        "status": item.status,
        "desiredCount": item.desired,
        "runningCount": sum(task.is_running for task in tasks),
        "pendingCount": sum(task.is_pending for task in tasks),
        **_service_config(item),
        "taskDefinition": item.primary.revision.task_definition.arn if item.deployments else None,
        "deployments": [deployment(item, one) for one in shown],
        "events": [
            {"id": one.id, "createdAt": one.created_at, "message": one.message} for one in item.events
        ],
        "createdAt": item.created_at,
        "createdBy": item.created_by or None,
        "currentServiceDeployment": item.current.arn if item.current and not inactive else None,
        "currentServiceRevisions": None if inactive else _current_revisions(item),
        "schedulingStrategy": item.scheduling,
        "deploymentController": {"type": item.controller},
        "tags": tag_list(item.tags) if with_tags else None,
    }


def _service_config(item: Service) -> Document:
    """Show what was configured, with the lists that ECS shows even when they are empty."""
    shown = {**item.config, **item.options}
    shown.pop("serviceConnectConfiguration", None)
    shown.pop("volumeConfigurations", None)
    shown.pop("vpcLatticeConfigurations", None)
    shown.pop("monitoring", None)
    for name in ("loadBalancers", "serviceRegistries", "placementConstraints", "placementStrategy"):
        shown[name] = shown.get(name) or []
    return shown


def _current_revisions(item: Service) -> list[Document]:
    counts: list[Document] = []
    for one in item.deployments:
        if one.status == "PRIMARY" or one.tasks:
            count = RevisionCount(one.revision.arn)
            count_tasks(item, count)
            counts.append(revision_count(count))
    return counts


def deployment(owner: Service, item: Deployment) -> Document:
    """Show one of a service's `deployments`."""
    tasks = item.tasks.values()
    primary = item.status == "PRIMARY"
    config = item.revision.config
    names = (
        "launchType",
        "capacityProviderStrategy",
        "platformVersion",
        "platformFamily",
        "networkConfiguration",
    )
    shown: Document = {name: config.get(name) for name in (*names, "serviceConnectConfiguration")}
    rolls = owner.controller == "ECS"
    return {
        "id": item.id,
        "status": item.status,
        "taskDefinition": item.revision.task_definition.arn,
        "desiredCount": owner.desired if primary else sum(task.wanted for task in tasks),
        "pendingCount": sum(task.is_pending for task in tasks),
        "runningCount": sum(task.is_running for task in tasks),
        "failedTasks": item.failed_tasks,
        "createdAt": item.created_at,
        "updatedAt": item.updated_at,
        **shown,
        "volumeConfigurations": config.get("volumeConfigurations"),
        "rolloutState": item.rollout_state if rolls else None,
        "rolloutStateReason": item.rollout_reason if rolls else None,
    }


def service_deployment_brief(owner: Service, item: ServiceDeployment) -> Document:
    """Show an entry of ListServiceDeployments."""
    return {
        "serviceDeploymentArn": item.arn,
        "serviceArn": owner.arn,
        "clusterArn": owner.cluster.arn,
        "startedAt": item.started_at,
        "createdAt": item.created_at,
        "finishedAt": item.finished_at,
        "targetServiceRevisionArn": item.target.arn,
        "status": item.status,
        "statusReason": item.status_reason or None,
    }


def service_deployment(owner: Service, item: ServiceDeployment) -> Document:
    """Show a service deployment; while it is in flight its task counts are those of this moment."""
    if item.in_flight:
        for count in (item.target, *item.sources):
            count_tasks(owner, count)
    alarms = item.configuration.get("alarms") or {}
    brief = service_deployment_brief(owner, item)
    brief.pop("targetServiceRevisionArn")
    return {
        **brief,
        "stoppedAt": item.stopped_at,
        "updatedAt": item.updated_at,
        "sourceServiceRevisions": [revision_count(count) for count in item.sources],
        "targetServiceRevision": revision_count(item.target),
        "deploymentConfiguration": item.configuration,
        "rollback": item.rollback,
        "deploymentCircuitBreaker": {
            "status": item.breaker_status,
            "failureCount": item.failures,
            "threshold": item.threshold,
        },
        "lifecycleStage": item.stage or None,
        "lifecycleHookDetails": [_hook(one) for one in item.hooks] or None,
        "alarms": {
            "status": _alarm_status(item, alarms),
            "alarmNames": alarms.get("alarmNames") or [],
            "triggeredAlarmNames": item.triggered_alarms or None,
        },
    }


def _alarm_status(item: ServiceDeployment, alarms: Document) -> str:
    if not alarms.get("enable"):
        return "DISABLED"
    if item.triggered_alarms:
        return "TRIGGERED"
    return "MONITORING" if item.in_flight else "MONITORING_COMPLETE"


def _hook(item: Hook) -> Document:
    return {
        "hookId": item.id,
        "targetType": item.kind,
        "targetArn": item.target_arn or None,
        "status": item.status,
        "expiresAt": item.expires_at,
        "timeoutAction": item.timeout_action or None,
    }


def service_revision(owner: Service, item: ServiceRevision) -> Document:
    """Show a service revision with the image digests that it is pinned to."""
    images: list[Document] = [
        {
            "containerName": definition["name"],
            "image": definition["image"],
            "imageDigest": item.digests.get(definition["name"]),
        }
        for definition in item.task_definition.containers
    ]
    balancers = resolved_balancers(owner, item.arn)
    return {
        "serviceRevisionArn": item.arn,
        "serviceArn": owner.arn,
        "clusterArn": owner.cluster.arn,
        "taskDefinition": item.task_definition.arn,
        **item.config,
        "containerImages": images,
        "resolvedConfiguration": {"loadBalancers": balancers} if balancers else None,
        "guardDutyEnabled": False,
        "createdAt": item.created_at,
    }


def task(item: Task, *, with_tags: bool = False) -> Document:
    """Show a task with its containers and network interface."""
    content = item.definition.content
    launch = launch_type(item)
    fargate = launch == "FARGATE"
    strategy = item.config.get("capacityProviderStrategy") or []
    cpu, memory = needs(item.definition)
    stopped = item.last_status == "STOPPED"
    instance = item.instance
    return {
        "taskArn": item.arn,
        "clusterArn": item.cluster.arn,
        "taskDefinitionArn": item.definition.arn,
        "containerInstanceArn": instance.arn if instance else None,
        "availabilityZone": item.zone,
        "attachments": [_attachment(item)] if item.attachment_id else [],
        "attributes": [{"name": "ecs.cpu-architecture", "value": _architecture(content)}] if fargate else [],
        "capacityProviderName": strategy[0]["capacityProvider"] if strategy else None,
        "connectivity": "CONNECTED" if item.connectivity_at and not stopped else None,
        "connectivityAt": item.connectivity_at,
        "containers": [container(item, one) for one in item.containers],
        "cpu": str(item.overrides.get("cpu") or cpu),
        "memory": str(item.overrides.get("memory") or memory),
        "createdAt": item.created_at,
        "desiredStatus": item.desired_status,
        "lastStatus": item.last_status,
        "enableExecuteCommand": bool(item.config.get("enableExecuteCommand")),
        "group": item.group,
        "healthStatus": item.health,
        "inferenceAccelerators": [],
        "launchType": launch,
        "overrides": {"containerOverrides": [], "inferenceAcceleratorOverrides": [], **item.overrides},
        "platformVersion": "1.4.0" if fargate else None,
        "platformFamily": _family(content) if fargate else None,
        "ephemeralStorage": {"sizeInGiB": _storage(content)} if fargate else None,
        "fargateEphemeralStorage": {"sizeInGiB": _storage(content)} if fargate else None,
        "startedBy": item.started_by or None,
        "tags": tag_list(item.tags) if with_tags else [],
        "version": item.version,
        **_task_moments(item),
    }


def _task_moments(item: Task) -> Document:
    return {
        "pullStartedAt": item.pull_started_at,
        "pullStoppedAt": item.pull_stopped_at,
        "startedAt": item.started_at,
        "stoppingAt": item.stopping_at,
        "executionStoppedAt": item.execution_stopped_at,
        "stoppedAt": item.stopped_at,
        "stopCode": item.stop_code or None,
        "stoppedReason": item.stopped_reason or None,
    }


def _architecture(content: Document) -> str:
    runtime = content.get("runtimePlatform") or {}
    return "arm64" if runtime.get("cpuArchitecture") == "ARM64" else "x86_64"


def _family(content: Document) -> str:
    name = (content.get("runtimePlatform") or {}).get("operatingSystemFamily", "LINUX")
    return "Linux" if name == "LINUX" else name.replace("_", " ").title()


def _storage(content: Document) -> int:
    return int((content.get("ephemeralStorage") or {}).get("sizeInGiB", 20))


def _attachment(item: Task) -> Document:
    details = [{"name": "subnetId", "value": item.subnet}]
    if item.attachment_status != "PRECREATED":
        host = item.private_ip.replace(".", "-")
        details += [
            {"name": "networkInterfaceId", "value": item.eni_id},
            {"name": "macAddress", "value": item.mac},
            {"name": "privateDnsName", "value": f"ip-{host}.{item.cluster.region.name}.compute.internal"},
            {"name": "privateIPv4Address", "value": item.private_ip},
        ]
    return {
        "id": item.attachment_id,
        "type": "ElasticNetworkInterface",
        "status": item.attachment_status,
        "details": details,
    }


def container(owner: Task, item: Container) -> Document:
    """Show a container of a task."""
    definition = definition_of(owner, item)
    interfaces: list[Document] = []
    if owner.attachment_id and owner.attachment_status != "PRECREATED":
        interfaces = [{"attachmentId": owner.attachment_id, "privateIpv4Address": owner.private_ip}]
    memory = definition.get("memory")
    shown: dict[str, Any] = {
        "containerArn": item.arn,
        "taskArn": owner.arn,
        "name": item.name,
        "image": item.image,
        "imageDigest": item.digest,
        "runtimeId": item.runtime_id,
        "lastStatus": item.last_status,
        "exitCode": item.exit_code,
        "reason": item.reason or None,
        "networkBindings": [],
        "networkInterfaces": interfaces,
        "healthStatus": item.health,
        "cpu": str(definition.get("cpu") or 0),
        "memory": str(memory) if memory else None,
        "memoryReservation": str(definition["memoryReservation"])
        if definition.get("memoryReservation")
        else None,
    }
    if owner.config.get("enableExecuteCommand"):
        status = "RUNNING" if item.last_status == "RUNNING" else item.last_status
        shown["managedAgents"] = [{"name": "ExecuteCommandAgent", "lastStatus": status}]
    return shown
