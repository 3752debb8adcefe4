"""Container instances: register stand-ins for EC2 hosts, list, describe, drain, deregister."""

from __future__ import annotations

import json

from sandbox import announce, lifecycle, scheduler
from sandbox.instance_query import compile_query
from sandbox.names import arn, last_part
from sandbox.operations.registry import Context, failure, operation
from sandbox.paging import check_batch, page
from sandbox.placement import on_fargate
from sandbox.ports import ApiError
from sandbox.render_instances import container_instance
from sandbox.state import Cluster, ContainerInstance, Document

BATCH = 100
STATE_BATCH = 10
# What an instance has when it is registered without `totalResources`: an m5.large.
DEFAULT_CPU, DEFAULT_MEMORY = 2048, 7680


@operation("RegisterContainerInstance")
def register_container_instance(context: Context, params: Document) -> Document:
    """Register an instance; the identity document names it, as the agent's call does."""
    cluster = context.cluster(params.get("cluster"))
    world, region = context.world, context.region
    totals = {item["name"]: item.get("integerValue", 0) for item in params.get("totalResources") or []}
    instance_id = world.ids.hex32()
    ec2_id = _identity(params).get("instanceId") or f"i-{instance_id[:17]}"
    zone = region.name + "abc"[len(cluster.instances) % 3]
    item = ContainerInstance(
        id=instance_id,
        arn=arn(region.name, region.account_id, "container-instance", cluster.name, instance_id),
        ec2_instance_id=ec2_id,
        registered_at=world.now,
        cpu=totals.get("CPU", DEFAULT_CPU),
        memory=totals.get("MEMORY", DEFAULT_MEMORY),
        attributes=[{"name": "ecs.availability-zone", "value": zone}, *(params.get("attributes") or [])],
        tags={tag["key"]: tag.get("value", "") for tag in params.get("tags") or []},
        version_info=params.get("versionInfo") or {},
        zone=zone,
    )
    cluster.instances[item.id] = item
    announce.container_instance(world, cluster, item)
    _wake_services(context, cluster)
    return {"containerInstance": container_instance(cluster, item)}


def _identity(params: Document) -> Document:
    text = params.get("instanceIdentityDocument")
    if not text:
        return {}
    try:
        document = json.loads(text)
    except ValueError:
        raise ApiError("ClientException", "The instance identity document is not valid JSON.") from None
    return document if isinstance(document, dict) else {}


def _wake_services(context: Context, cluster: Cluster) -> None:
    """Let services look for room again, and daemons grow to the new number of instances."""
    active = sum(item.status == "ACTIVE" for item in cluster.instances.values())
    for service in cluster.services.values():
        if service.status != "ACTIVE" or on_fargate(service.config):
            continue
        if service.scheduling == "DAEMON":
            service.desired = active
        scheduler.look_soon(context.world, service)


@operation("ListContainerInstances")
def list_container_instances(context: Context, params: Document) -> Document:
    """List ARNs of container instances, a page of 100 at most."""
    cluster = context.cluster(params.get("cluster"))
    status = params.get("status")
    query = params.get("filter")
    means = compile_query(query) if query else lambda *_: True
    arns = [
        item.arn
        for item in cluster.instances.values()
        if status in (None, item.status) and means(cluster, item)
    ]
    chosen, token = page(arns, params, "containerInstances", salt=f"{cluster.name}{status}{query}")
    return {"containerInstanceArns": chosen, **token}


def _select(cluster: Cluster, references: list[str]) -> tuple[list[ContainerInstance], list[Document]]:
    found: list[ContainerInstance] = []
    failures: list[Document] = []
    for reference in references:
        item = cluster.instances.get(last_part(reference))
        if item:
            found.append(item)
        else:
            failures.append(failure(reference))
    return found, failures


@operation("DescribeContainerInstances")
def describe_container_instances(context: Context, params: Document) -> Document:
    """Describe up to a hundred container instances of one cluster."""
    cluster = context.cluster(params.get("cluster"))
    check_batch(params["containerInstances"], "container instances", BATCH)
    found, failures = _select(cluster, params["containerInstances"])
    return {
        "containerInstances": [container_instance(cluster, item) for item in found],
        "failures": failures,
    }


@operation("UpdateContainerInstancesState")
def update_container_instances_state(context: Context, params: Document) -> Document:
    """Drain up to ten container instances, or make them ACTIVE again."""
    cluster = context.cluster(params.get("cluster"))
    if params["status"] not in ("ACTIVE", "DRAINING"):
        raise ApiError(
            "InvalidParameterException", "Container instance status must be one of [ACTIVE, DRAINING]."
        )
    check_batch(params["containerInstances"], "container instances", STATE_BATCH)
    found, failures = _select(cluster, params["containerInstances"])
    for item in found:
        item.status = params["status"]
        item.version += 1
        announce.container_instance(context.world, cluster, item)
        if item.status == "DRAINING":
            _stop_service_tasks(context, cluster, item)
    _wake_services(context, cluster)
    return {
        "containerInstances": [container_instance(cluster, item) for item in found],
        "failures": failures,
    }


def _stop_service_tasks(context: Context, cluster: Cluster, item: ContainerInstance) -> None:
    """Stop what services run on a draining instance; tasks of RunTask stay, as on AWS."""
    for task in list(cluster.tasks.values()):
        if task.instance is item and task.service:
            lifecycle.stop(
                context.world,
                task,
                code="ServiceSchedulerInitiated",
                reason=f"Scaling activity initiated by (deployment {task.started_by})",
            )


@operation("DeregisterContainerInstance")
def deregister_container_instance(context: Context, params: Document) -> Document:
    """Take an instance out of its cluster; with tasks on it only by force."""
    cluster = context.cluster(params.get("cluster"))
    found, _ = _select(cluster, [params["containerInstance"]])
    if not found:
        raise ApiError("InvalidParameterException", "The specified container instance was not found.")
    item = found[0]
    tasks = [task for task in cluster.tasks.values() if task.instance is item and task.wanted]
    if tasks and not params.get("force"):
        raise ApiError("InvalidParameterException", "Found running tasks on the instance.")
    item.status = "INACTIVE"
    for task in tasks:
        lifecycle.stop(
            context.world,
            task,
            code="ServiceSchedulerInitiated",
            reason="Container instance deregistration forced by user",
        )
    item.version += 1
    announce.container_instance(context.world, cluster, item)
    shown = container_instance(cluster, item)
    del cluster.instances[item.id]
    _wake_services(context, cluster)
    return {"containerInstance": shown}
