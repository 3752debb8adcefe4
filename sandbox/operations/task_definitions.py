"""Task definitions: register, describe, list, deregister, delete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox import render, task_sizes
from sandbox.names import RESOURCE_NAME, arn, last_part, parse_arn
from sandbox.operations.registry import Context, failure, operation, read_tags
from sandbox.paging import check_batch, page
from sandbox.ports import ApiError
from sandbox.state import Document, Region, TaskDefinition

if TYPE_CHECKING:
    from sandbox.world import World

# Members that AWS adds to a container definition which does not carry them.
CONTAINER_DEFAULTS: Document = {
    "cpu": 0,
    "portMappings": [],
    "essential": True,
    "environment": [],
    "mountPoints": [],
    "volumesFrom": [],
}
DELETE_BATCH = 10
DELETE_LOOK = 60.0


def refuse(message: str) -> ApiError:
    return ApiError("ClientException", message)


@operation("RegisterTaskDefinition")
def register_task_definition(context: Context, params: Document) -> Document:
    """Register the next revision of a family."""
    region = context.region
    family = params["family"]
    if not RESOURCE_NAME.match(family):
        raise refuse("Family contains invalid characters.")
    tags = read_tags(params.get("tags"), code="ClientException")
    _check(params)
    revision = region.last_revision.get(family, 0) + 1
    region.last_revision[family] = revision
    definition = TaskDefinition(
        arn=arn(region.name, region.account_id, "task-definition", f"{family}:{revision}"),
        family=family,
        revision=revision,
        content=_content(params),
        registered_at=context.world.now,
        registered_by=context.caller.principal_arn,
        tags=tags,
    )
    region.families.setdefault(family, {})[revision] = definition
    return {"taskDefinition": render.task_definition(definition), "tags": render.tag_list(tags)}


def _check(params: Document) -> None:
    containers = params["containerDefinitions"]
    if not containers:
        raise refuse("Container list cannot be empty.")
    names = [item.get("name") for item in containers]
    for item in containers:
        if not item.get("name") or not item.get("image"):
            member = "image" if item.get("name") else "name"
            raise refuse(f"Container.{member} should not be null or empty.")
    if len(set(names)) != len(names):
        raise refuse("Container names should be unique within a task definition.")
    if not any(item.get("essential", True) for item in containers):
        raise refuse("At least one container must be marked as essential.")
    task_sizes.check(params)


def _content(params: Document) -> Document:
    """Return what is shown of a registered task definition, with what AWS fills in."""
    content: dict[str, Any] = {
        name: value
        for name, value in params.items()
        if name not in ("family", "tags", "containerDefinitions")
    }
    fargate = "FARGATE" in params.get("requiresCompatibilities", ())
    network = params.get("networkMode") or ("awsvpc" if fargate else "bridge")
    content["networkMode"] = network
    content["containerDefinitions"] = [_container(item, network) for item in params["containerDefinitions"]]
    content.setdefault("volumes", [])
    content.setdefault("placementConstraints", [])
    content["compatibilities"] = ["EC2", "FARGATE"] if fargate or network == "awsvpc" else ["EXTERNAL", "EC2"]
    content["requiresAttributes"] = _attributes(params, network)
    if fargate or params.get("cpu"):
        content["cpu"], content["memory"] = task_sizes.normal(params)
    return {name: value for name, value in content.items() if value is not None}


def _container(item: Document, network: str) -> Document:
    shown = {**{name: _copy(value) for name, value in CONTAINER_DEFAULTS.items()}, **item}
    for mapping in shown["portMappings"]:
        mapping.setdefault("protocol", "tcp")
        if network in ("awsvpc", "host"):
            mapping.setdefault("hostPort", mapping.get("containerPort"))
        else:
            mapping.setdefault("hostPort", 0)
    return shown


def _copy(value: Any) -> Any:
    return list(value) if isinstance(value, list) else value


def _attributes(params: Document, network: str) -> list[Document]:
    names = ["com.amazonaws.ecs.capability.docker-remote-api.1.18"]
    if params.get("executionRoleArn"):
        names.append("ecs.capability.execution-role-ecr-pull")
    if params.get("taskRoleArn"):
        names.append("com.amazonaws.ecs.capability.task-iam-role")
    if network == "awsvpc":
        names.append("ecs.capability.task-eni")
    drivers = {
        str(item["logConfiguration"].get("logDriver"))
        for item in params["containerDefinitions"]
        if item.get("logConfiguration")
    }
    names += sorted(f"com.amazonaws.ecs.capability.logging-driver.{driver}" for driver in drivers)
    return [{"name": name} for name in names]


def find(region: Region, reference: str) -> TaskDefinition | None:
    """Return a task definition by ARN, `family:revision` or family, which means its latest ACTIVE revision."""
    parsed = parse_arn(reference)
    if parsed and (parsed.account_id, parsed.region) != (region.account_id, region.name):
        return None
    family, _, revision = last_part(reference).partition(":")
    revisions = region.families.get(family, {})
    if revision:
        return revisions.get(int(revision)) if revision.isdigit() else None
    active = [item for item in revisions.values() if item.status == "ACTIVE"]
    return max(active, key=lambda item: item.revision, default=None)


def usable(region: Region, reference: str) -> TaskDefinition:
    """Return a task definition that tasks may be started from."""
    found = find(region, reference)
    if found is None:
        raise refuse("Unable to describe task definition.")
    if found.status != "ACTIVE":
        raise refuse("TaskDefinition is inactive")
    return found


@operation("DescribeTaskDefinition")
def describe_task_definition(context: Context, params: Document) -> Document:
    """Describe one task definition, INACTIVE ones included when their revision is named."""
    found = find(context.region, params["taskDefinition"])
    if found is None:
        raise refuse("Unable to describe task definition.")
    tags = render.tag_list(found.tags) if "TAGS" in (params.get("include") or ()) else None
    return {"taskDefinition": render.task_definition(found), "tags": tags}


@operation("ListTaskDefinitions")
def list_task_definitions(context: Context, params: Document) -> Document:
    """List ARNs by family and revision; unlike for families the prefix must be the family's whole name."""
    prefix, status = params.get("familyPrefix"), params.get("status", "ACTIVE")
    chosen = [
        item
        for family, revisions in sorted(context.region.families.items())
        if prefix is None or family == prefix
        for item in revisions.values()
        if item.status == status
    ]
    chosen.sort(key=lambda item: (item.family, item.revision), reverse=params.get("sort") == "DESC")
    arns, token = page([item.arn for item in chosen], params, "taskDefinitions", salt=f"{prefix}{status}")
    return {"taskDefinitionArns": arns, **token}


@operation("ListTaskDefinitionFamilies")
def list_task_definition_families(context: Context, params: Document) -> Document:
    """List families; one is ACTIVE while any of its revisions is."""
    prefix, status = params.get("familyPrefix", ""), params.get("status", "ACTIVE")
    chosen = [
        family
        for family, revisions in sorted(context.region.families.items())
        if family.startswith(prefix) and revisions and status in ("ALL", _family_status(revisions))
    ]
    families, token = page(chosen, params, "families", salt=f"{prefix}{status}")
    return {"families": families, **token}


def _family_status(revisions: dict[int, TaskDefinition]) -> str:
    return "ACTIVE" if any(item.status == "ACTIVE" for item in revisions.values()) else "INACTIVE"


@operation("DeregisterTaskDefinition")
def deregister_task_definition(context: Context, params: Document) -> Document:
    """Make a revision INACTIVE; what runs from it keeps running."""
    reference = params["taskDefinition"]
    if ":" not in last_part(reference):
        raise refuse("The specified task definition must include a revision.")
    found = find(context.region, reference)
    if found is None:
        raise refuse("The specified task definition does not exist.")
    if found.status == "DELETE_IN_PROGRESS":
        raise refuse("The specified task definition is in the process of being deleted.")
    if found.status == "ACTIVE":
        found.status, found.deregistered_at = "INACTIVE", context.world.now
    return {"taskDefinition": render.task_definition(found)}


@operation("DeleteTaskDefinitions")
def delete_task_definitions(context: Context, params: Document) -> Document:
    """Begin to delete up to ten INACTIVE revisions; they are gone once nothing runs from them."""
    references = params["taskDefinitions"]
    check_batch(references, "task definitions", DELETE_BATCH)
    deleted: list[Document] = []
    failures: list[Document] = []
    for reference in references:
        found = find(context.region, reference) if ":" in last_part(reference) else None
        if found is None:
            failures.append({**failure(reference), "detail": "The specified task definition does not exist."})
        elif found.status == "ACTIVE":
            detail = "The specified task definition is still in ACTIVE status. Please deregister the target."
            failures.append({"arn": found.arn, "reason": "TASK_DEFINITION_STILL_ACTIVE", "detail": detail})
        else:
            found.status = "DELETE_IN_PROGRESS"
            if found.delete_requested_at is None:
                found.delete_requested_at = context.world.now
                _delete_when_unused(context.world, context.region, found)
            deleted.append(render.task_definition(found))
    return {"taskDefinitions": deleted, "failures": failures}


def _delete_when_unused(world: World, region: Region, found: TaskDefinition) -> None:
    """Look every minute whether anything still runs from a revision, and drop it once nothing does."""

    def run() -> None:
        if _in_use(region, found):
            _delete_when_unused(world, region, found)
        else:
            region.families[found.family].pop(found.revision, None)

    world.clock.after(DELETE_LOOK, run)


def _in_use(region: Region, found: TaskDefinition) -> bool:
    return any(
        task.definition is found and task.last_status != "STOPPED"
        for cluster in region.clusters.values()
        for task in cluster.tasks.values()
    ) or any(
        item.revision.task_definition is found
        for cluster in region.clusters.values()
        for service in cluster.services.values()
        if service.status != "INACTIVE"
        for item in service.deployments
    )
