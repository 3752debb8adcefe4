"""Tasks: run, list, describe, stop."""

from __future__ import annotations

import json

from sandbox import lifecycle, render, troubles, wording
from sandbox.names import arn, last_part, parse_arn
from sandbox.operations.capacity_providers import check_attached
from sandbox.operations.registry import Context, failure, find_service, operation, read_tags
from sandbox.operations.task_definitions import usable
from sandbox.paging import check_batch, page
from sandbox.placement import choose_instance, closest, launch_type, make_task, needs, on_fargate
from sandbox.ports import ApiError
from sandbox.state import Cluster, Document, Task, TaskDefinition

DESCRIBE_BATCH = 100
RUN_BATCH = 10


def invalid(message: str) -> ApiError:
    return ApiError("InvalidParameterException", message)


@operation("RunTask")
def run_task(context: Context, params: Document) -> Document:
    """Start up to ten tasks; the same client token returns the same tasks."""
    cluster = context.cluster(params.get("cluster"))
    count = params.get("count", 1)
    if not 1 <= count <= RUN_BATCH:
        raise invalid(f"count must be between 1 and {RUN_BATCH}.")
    repeated = _repeated(context, cluster, params)
    if repeated is not None:
        return {"tasks": [render.task(task, with_tags=True) for task in repeated], "failures": []}
    definition = usable(context.region, params["taskDefinition"])
    config = _config(cluster, params, definition)
    group = params.get("group") or f"family:{definition.family}"
    if group.startswith("service:"):
        raise invalid("Task group name cannot start with 'service:'.")
    tags = read_tags(params["tags"]) if params.get("tags") else {}
    if params.get("propagateTags") == "TASK_DEFINITION":
        tags = definition.tags | tags
    if not on_fargate(config) and not cluster.instances:
        raise invalid(wording.NO_INSTANCES)
    tasks: list[Task] = []
    failures: list[Document] = []
    for _ in range(count):
        task = _start(context, cluster, definition, config, group, params)
        if isinstance(task, dict):
            failures.append(task)
        else:
            task.tags = dict(tags)
            tasks.append(task)
    _remember(context, params, tasks)
    return {"tasks": [render.task(task, with_tags=True) for task in tasks], "failures": failures}


def _config(cluster: Cluster, params: Document, definition: TaskDefinition) -> Document:
    config = dict(params)
    check_attached(params.get("capacityProviderStrategy"), cluster.capacity_providers)
    if not config.get("launchType") and not config.get("capacityProviderStrategy"):
        if cluster.default_strategy:
            config["capacityProviderStrategy"] = cluster.default_strategy
        else:
            config["launchType"] = "EC2"
    network = (config.get("networkConfiguration") or {}).get("awsvpcConfiguration")
    if definition.content.get("networkMode") == "awsvpc" and not network:
        raise invalid("Network Configuration must be provided when networkMode 'awsvpc' is specified.")
    if config.get("launchType") == "FARGATE" and "FARGATE" not in definition.content["compatibilities"]:
        raise invalid("Task definition does not support launch_type FARGATE.")
    names = {item["name"] for item in definition.containers}
    for item in (params.get("overrides") or {}).get("containerOverrides") or []:
        if item.get("name") not in names:
            raise invalid(
                f"Override for container named {item.get('name')} is not a container in the TaskDefinition."
            )
    return config


def _start(
    context: Context,
    cluster: Cluster,
    definition: TaskDefinition,
    config: Document,
    group: str,
    params: Document,
) -> Task | Document:
    """Start one task and return it, or the entry of `failures` that says why it has no place."""
    world = context.world
    task = make_task(
        world, cluster, definition, group=group, config=config, overrides=params.get("overrides") or {}
    )
    refused: Document | None = None
    if launch_type(task) == "FARGATE":
        reason = troubles.refusal(world, context.region, config, needs(definition)[0])
        refused = {"reason": f"{reason}."} if reason else None
    else:
        task.instance = choose_instance(task)
        nearest = None if task.instance else closest(task)
        refused = {"arn": nearest[0].arn, "reason": nearest[1]} if nearest else None
    if refused:
        cluster.tasks.pop(task.id)
        return refused
    if task.instance:
        task.zone = task.instance.zone
    task.started_by = params.get("startedBy", "")
    lifecycle.begin(world, task)
    return task


def _fingerprint(params: Document) -> str:
    return json.dumps(params, sort_keys=True, default=str)


def _repeated(context: Context, cluster: Cluster, params: Document) -> list[Task] | None:
    token = params.get("clientToken")
    known = context.region.tokens.get(("RunTask", token)) if token else None
    if known is None:
        return None
    fingerprint, where = known
    if fingerprint != _fingerprint(params):
        raise ApiError("ConflictException", "The clientToken was used with other parameters before.")
    return [cluster.tasks[task_id] for task_id in where["tasks"] if task_id in cluster.tasks]


def _remember(context: Context, params: Document, tasks: list[Task]) -> None:
    token = params.get("clientToken")
    if token:
        where = {"tasks": [task.id for task in tasks]}
        context.region.tokens["RunTask", token] = (_fingerprint(params), where)


@operation("ListTasks")
def list_tasks(context: Context, params: Document) -> Document:
    """List task ARNs by all of ECS's filters; tasks wanted RUNNING unless another status is asked for."""
    cluster = context.cluster(params.get("cluster"))
    tasks = cluster.tasks
    name = params.get("serviceName")
    if name:
        service = find_service(cluster, name)
        if service is None:
            raise ApiError("ServiceNotFoundException", "Service not found.")
        tasks = service.tasks
    status = params.get("desiredStatus", "RUNNING")
    family, started_by, launch = params.get("family"), params.get("startedBy"), params.get("launchType")
    instance = params.get("containerInstance")
    arns = [
        task.arn
        for task in tasks.values()
        if task.desired_status == status
        and (family is None or task.definition.family == family)
        and (started_by is None or task.started_by == started_by)
        and (launch is None or launch_type(task) == launch)
        and (instance is None or (task.instance is not None and task.instance.id == last_part(instance)))
    ]
    salt = f"{cluster.name}{name}{status}{family}{started_by}{launch}{instance}"
    chosen, token = page(arns, params, "tasks", salt=salt)
    return {"taskArns": chosen, **token}


def find_task(context: Context, cluster: Cluster, reference: str) -> Task | None:
    """Return a task of a cluster by id or ARN."""
    parsed = parse_arn(reference)
    if parsed and (not context.is_here(reference) or parsed.path[:-1] not in ((), (cluster.name,))):
        return None
    return cluster.tasks.get(last_part(reference))


def missing_task(context: Context, cluster: Cluster, reference: str) -> Document:
    region = context.region
    full = arn(region.name, region.account_id, "task", cluster.name, last_part(reference))
    return failure(reference if reference.startswith("arn:") else full)


@operation("DescribeTasks")
def describe_tasks(context: Context, params: Document) -> Document:
    """Describe up to a hundred tasks of one cluster; stopped ones for an hour."""
    cluster = context.cluster(params.get("cluster"))
    references = params["tasks"]
    check_batch(references, "tasks", DESCRIBE_BATCH)
    with_tags = "TAGS" in (params.get("include") or ())
    found: list[Document] = []
    failures: list[Document] = []
    for reference in references:
        task = find_task(context, cluster, reference)
        if task:
            found.append(render.task(task, with_tags=with_tags))
        else:
            failures.append(missing_task(context, cluster, reference))
    return {"tasks": found, "failures": failures}


@operation("StopTask")
def stop_task(context: Context, params: Document) -> Document:
    """Stop a task for the reason that its user gives."""
    cluster = context.cluster(params.get("cluster"))
    task = find_task(context, cluster, params["task"])
    if task is None:
        raise invalid("The referenced task was not found.")
    reason = params.get("reason") or "Task stopped by user"
    if len(reason) > 255:
        raise invalid("The reason can have at most 255 characters.")
    lifecycle.stop(context.world, task, code="UserInitiated", reason=reason)
    return {"task": render.task(task, with_tags=True)}
