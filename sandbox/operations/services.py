"""Services: create, update, describe, list, delete."""

from __future__ import annotations

import json
from typing import Any

from sandbox import render, rollout, scheduler, stages, wording
from sandbox.names import RESOURCE_NAME, arn
from sandbox.operations.capacity_providers import check_attached
from sandbox.operations.registry import Context, failure, find_service, operation, read_tags
from sandbox.operations.task_definitions import usable
from sandbox.paging import check_batch, page
from sandbox.placement import on_fargate
from sandbox.ports import ApiError
from sandbox.state import Cluster, Document, Service, TaskDefinition

LIST_DEFAULT = 10
DESCRIBE_BATCH = 10
# Members that a deployment copies into its revision, as callers name them.
CONFIG = frozenset(rollout.REVISION_MEMBERS) - {"platformFamily"}
OPTIONS = frozenset(
    {
        "deploymentConfiguration",
        "placementConstraints",
        "placementStrategy",
        "healthCheckGracePeriodSeconds",
        "enableECSManagedTags",
        "propagateTags",
        "enableExecuteCommand",
        "availabilityZoneRebalancing",
        "monitoring",
    }
)
# What of UpdateService starts a deployment; the rest changes the service alone.
DEPLOYING = frozenset(
    {
        "taskDefinition",
        "networkConfiguration",
        "platformVersion",
        "loadBalancers",
        "serviceRegistries",
        "serviceConnectConfiguration",
        "volumeConfigurations",
        "vpcLatticeConfigurations",
    }
)


def invalid(message: str) -> ApiError:
    return ApiError("InvalidParameterException", message)


@operation("CreateService")
def create_service(context: Context, params: Document) -> Document:
    """Create a service and begin its first deployment; the same client token returns the same service."""
    cluster = context.cluster(params.get("cluster"))
    repeated = _repeated(context, params)
    if repeated is not None:
        return {"service": render.service(repeated, with_tags=True)}
    name = params["serviceName"]
    if not RESOURCE_NAME.match(name):
        raise invalid("Service name contains invalid characters.")
    known = cluster.services.get(name)
    if known and known.status == "ACTIVE":
        raise invalid("Creation of service was not idempotent.")
    if known and known.status == "DRAINING":
        raise invalid("Unable to Start a service that is still Draining.")
    definition = usable(context.region, _required(params, "taskDefinition"))
    service = _new_service(context, cluster, params, definition)
    cluster.services[name] = service
    _remember(context, params, service)
    rollout.begin(context.world, service, definition, context.caller.principal_arn)
    return {"service": render.service(service, with_tags=True)}


def _required(params: Document, member: str) -> Any:
    if params.get(member) is None:
        raise invalid(f"{member[:1].upper()}{member[1:]} can not be blank.")
    return params[member]


def _fingerprint(params: Document) -> str:
    return json.dumps(params, sort_keys=True, default=str)


def _repeated(context: Context, params: Document) -> Service | None:
    """Return the service that an earlier call with this client token created."""
    token = params.get("clientToken")
    known = context.region.tokens.get(("CreateService", token)) if token else None
    if known is None:
        return None
    fingerprint, where = known
    cluster = context.region.clusters.get(where["cluster"])
    service = cluster.services.get(where["service"]) if cluster else None
    if service is None or service.status == "INACTIVE":
        return None
    if fingerprint != _fingerprint(params):
        raise invalid("Creation of service was not idempotent.")
    return service


def _remember(context: Context, params: Document, service: Service) -> None:
    token = params.get("clientToken")
    if token:
        where = {"cluster": service.cluster.name, "service": service.name}
        context.region.tokens["CreateService", token] = (_fingerprint(params), where)


def _new_service(context: Context, cluster: Cluster, params: Document, definition: TaskDefinition) -> Service:
    scheduling = params.get("schedulingStrategy", "REPLICA")
    if scheduling == "REPLICA" and params.get("desiredCount") is None:
        raise invalid("Desired count can not be blank when scheduling strategy is REPLICA.")
    config = {name: params[name] for name in CONFIG if name in params}
    check_attached(params.get("capacityProviderStrategy"), cluster.capacity_providers)
    _choose_launch(cluster, config)
    options = {name: params[name] for name in OPTIONS if name in params}
    options["deploymentConfiguration"] = _deployment_configuration(
        options.get("deploymentConfiguration"), scheduling
    )
    options.setdefault("enableECSManagedTags", False)
    options.setdefault("propagateTags", "NONE")
    options.setdefault("enableExecuteCommand", False)
    options.setdefault("availabilityZoneRebalancing", "ENABLED" if scheduling == "REPLICA" else "DISABLED")
    _check(config, params, definition)
    return Service(
        name=params["serviceName"],
        arn=arn(
            context.region.name, context.region.account_id, "service", cluster.name, params["serviceName"]
        ),
        cluster=cluster,
        created_at=context.world.now,
        created_by=context.caller.principal_arn,
        desired=_desired(cluster, scheduling, params),
        config=config,
        options=options,
        scheduling=scheduling,
        controller=_controller(params),
        tags=read_tags(params["tags"]) if params.get("tags") else {},
    )


def _controller(params: Document) -> str:
    kind = (params.get("deploymentController") or {}).get("type", "ECS")
    if kind != "ECS":
        raise ApiError(
            "UnsupportedFeatureException",
            f"The deployment controller {kind} is not implemented in this sandbox.",
        )
    return str(kind)


def _desired(cluster: Cluster, scheduling: str, params: Document) -> int:
    if scheduling == "DAEMON":
        if params.get("desiredCount") is not None:
            raise invalid("The daemon scheduling strategy does not support a desired count for a service.")
        return sum(instance.status == "ACTIVE" for instance in cluster.instances.values())
    return _count(params["desiredCount"])


def _count(desired: int) -> int:
    if desired < 0 or desired > 5000:
        raise invalid("Desired count must be between 0 and 5000.")
    return desired


def _choose_launch(cluster: Cluster, config: Document) -> None:
    """Settle launch type or capacity provider strategy, the cluster's default when neither is named."""
    if config.get("capacityProviderStrategy") and config.get("launchType"):
        raise invalid("Specifying both a launch type and capacity provider strategy is not supported.")
    if config.get("capacityProviderStrategy"):
        config["capacityProviderStrategy"] = _completed(config["capacityProviderStrategy"])
    elif not config.get("launchType"):
        config.pop("capacityProviderStrategy", None)
        if cluster.default_strategy:
            config["capacityProviderStrategy"] = cluster.default_strategy
        else:
            config["launchType"] = "EC2"
    if on_fargate(config):
        config.setdefault("platformVersion", "LATEST")
        config.setdefault("platformFamily", "Linux")


def _check(config: Document, params: Document, definition: TaskDefinition) -> None:
    """Refuse what does not fit the task definition, in ECS's words."""
    awsvpc = definition.content.get("networkMode") == "awsvpc"
    network = (config.get("networkConfiguration") or {}).get("awsvpcConfiguration")
    if awsvpc and not network:
        raise invalid("Network Configuration must be provided when networkMode 'awsvpc' is specified.")
    if network and not awsvpc:
        raise invalid("Network Configuration is not valid for the given networkMode of this task definition.")
    if network and not network.get("subnets"):
        raise invalid("subnets can not be empty.")
    if on_fargate(config) and "FARGATE" not in definition.content.get("compatibilities", ()):
        raise invalid("Task definition does not support launch_type FARGATE.")
    containers = {item["name"]: item for item in definition.containers}
    for item in config.get("loadBalancers") or []:
        container = containers.get(item.get("containerName", ""))
        if container is None:
            raise invalid(f"The container {item.get('containerName')} does not exist in the task definition.")
        ports = {mapping.get("containerPort") for mapping in container.get("portMappings") or []}
        if item.get("containerPort") not in ports:
            raise invalid(
                f"The container {item['containerName']} did not have a container port"
                f" {item.get('containerPort')} defined."
            )
    if params.get("healthCheckGracePeriodSeconds") is not None and not config.get("loadBalancers"):
        raise invalid("Health check grace period is only valid for services configured to use load balancers")


def _deployment_configuration(given: Document | None, scheduling: str) -> Document:
    """Complete a deployment configuration with AWS's defaults."""
    daemon = scheduling == "DAEMON"
    chosen: Document = {
        "deploymentCircuitBreaker": {"enable": False, "rollback": False},
        "maximumPercent": 100 if daemon else 200,
        "minimumHealthyPercent": 0 if daemon else 100,
        "strategy": "ROLLING",
        **(given or {}),
    }
    rolls = chosen["strategy"] == "ROLLING"
    chosen.setdefault("bakeTimeInMinutes", 0 if rolls else stages.DEFAULT_BAKE_MINUTES)
    if chosen["strategy"] == "ROLLING" and chosen.get("lifecycleHooks"):
        raise invalid("Lifecycle hooks are not supported with the ROLLING deployment strategy.")
    stages.check(chosen)
    if chosen["maximumPercent"] <= 0 or chosen["minimumHealthyPercent"] < 0:
        raise invalid("Deployment percentages must not be negative, and maximumPercent must be above 0.")
    if chosen["maximumPercent"] <= 100 and chosen["minimumHealthyPercent"] >= 100 and not daemon:
        raise invalid(
            "Both maximumPercent and minimumHealthyPercent cannot be 100 as this will block deployments."
        )
    return chosen


@operation("UpdateService")
def update_service(context: Context, params: Document) -> Document:
    """Change a service; what a task is made of starts a deployment, the rest takes effect at once."""
    cluster = context.cluster(params.get("cluster"))
    service = context.active_service(cluster, params["service"])
    _controller(params)
    given = params.get("taskDefinition")
    definition = usable(context.region, given) if given else service.primary.revision.task_definition
    changes = {name: params[name] for name in (CONFIG | OPTIONS) if name in params}
    _check_forced(service, params)
    check_attached(params.get("capacityProviderStrategy"), cluster.capacity_providers)
    config = {**service.config, **{name: changes[name] for name in CONFIG if name in changes}}
    if changes.get("capacityProviderStrategy"):
        config.pop("launchType", None)
    _choose_launch(cluster, config)
    _check(config, params, definition)
    options = {**service.options, **{name: changes[name] for name in OPTIONS if name in changes}}
    if "deploymentConfiguration" in changes:
        merged = {**service.options["deploymentConfiguration"], **changes["deploymentConfiguration"]}
        options["deploymentConfiguration"] = _deployment_configuration(merged, service.scheduling)
    _check_desired(service, params)
    starts = params.get("forceNewDeployment") or _deploys(service, params, definition)
    if starts and not given and definition.status != "ACTIVE":
        raise ApiError("ClientException", "TaskDefinition is inactive")
    service.config, service.options = config, options
    if params.get("desiredCount") is not None:
        rollout.change_desired(context.world, service, params["desiredCount"])
    if starts:
        rollout.begin(context.world, service, definition, context.caller.principal_arn)
    else:
        scheduler.look_soon(context.world, service)
    return {"service": render.service(service, with_tags=True)}


def _check_forced(service: Service, params: Document) -> None:
    """Refuse another capacity provider strategy that comes without a forced deployment."""
    given = params.get("capacityProviderStrategy")
    if given is None or params.get("forceNewDeployment"):
        return
    if _completed(given) != _completed(service.config.get("capacityProviderStrategy") or []):
        raise invalid(
            "When switching from launch type to capacity provider strategy on an existing service, or making a"
            " change to a capacity provider strategy on a service that is already using one, you must force a new"
            " deployment."
        )


def _completed(strategy: list[Document]) -> list[Document]:
    return [{"weight": 0, "base": 0, **item} for item in strategy]


def _check_desired(service: Service, params: Document) -> None:
    if params.get("desiredCount") is None:
        return
    if service.scheduling == "DAEMON":
        raise invalid("The daemon scheduling strategy does not support a desired count for a service.")
    _count(params["desiredCount"])


def _deploys(service: Service, params: Document, definition: TaskDefinition) -> bool:
    """Whether an update changes what a revision copies; naming what is there already starts nothing."""
    if definition is not service.primary.revision.task_definition:
        return True
    return any(
        name in params and params[name] != service.config.get(name) for name in DEPLOYING - {"taskDefinition"}
    )


@operation("DescribeServices")
def describe_services(context: Context, params: Document) -> Document:
    """Describe up to ten services of one cluster."""
    cluster = context.cluster(params.get("cluster"))
    references = params["services"]
    check_batch(references, "services", DESCRIBE_BATCH)
    with_tags = "TAGS" in (params.get("include") or ())
    found: list[Document] = []
    failures: list[Document] = []
    region = context.region
    for reference in dict.fromkeys(references):
        service = find_service(cluster, reference) if context.is_here(reference) else None
        if service:
            found.append(render.service(service, with_tags=with_tags))
        else:
            missing = reference
            if not reference.startswith("arn:"):
                missing = arn(region.name, region.account_id, "service", cluster.name, reference)
            failures.append(failure(missing))
    return {"services": found, "failures": failures}


@operation("ListServices")
def list_services(context: Context, params: Document) -> Document:
    """List service ARNs: ten a page unless asked for more, INACTIVE ones left out."""
    cluster = context.cluster(params.get("cluster"))
    launch, strategy = params.get("launchType"), params.get("schedulingStrategy")
    arns = [
        item.arn
        for _, item in sorted(cluster.services.items())
        if item.status != "INACTIVE"
        and (
            launch is None
            or launch == ("FARGATE" if on_fargate(item.config) else item.config.get("launchType"))
        )
        and (strategy is None or strategy == item.scheduling)
        and params.get("resourceManagementType") != "ECS"
    ]
    chosen, token = page(
        arns, params, "services", default=LIST_DEFAULT, salt=f"{cluster.name}{launch}{strategy}"
    )
    return {"serviceArns": chosen, **token}


@operation("DeleteService")
def delete_service(context: Context, params: Document) -> Document:
    """Begin to delete a service: it drains, then becomes INACTIVE; `force` also with tasks wanted."""
    cluster = context.cluster(params.get("cluster"))
    service = context.service(cluster, params["service"])
    if service.status == "INACTIVE":
        raise ApiError("ServiceNotFoundException", "Service not found.")
    if service.status == "DRAINING":
        return {"service": render.service(service, with_tags=True)}
    force = params.get("force") or service.scheduling == "DAEMON"
    if service.desired > 0 and not force:
        raise invalid("The service cannot be stopped while it is scaled above 0.")
    if not force and len(service.deployments) > 1:
        raise invalid("The service cannot be stopped while deployments are active.")
    service.status, service.desired, service.is_steady = "DRAINING", 0, False
    if service.current and service.current.in_flight:
        rollout.end(context.world, service, service.current, "STOPPED", wording.SERVICE_DELETED)
    scheduler.look_soon(context.world, service)
    return {"service": render.service(service, with_tags=True)}
