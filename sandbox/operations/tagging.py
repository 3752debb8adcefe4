"""Tags of clusters, services, tasks, task definitions and container instances."""

from __future__ import annotations

from sandbox import render
from sandbox.names import Arn, parse_arn
from sandbox.operations.registry import Context, operation, read_tags
from sandbox.operations.task_definitions import find
from sandbox.ports import ApiError
from sandbox.state import ContainerInstance, Document, Service, Task

MOST_TAGS = 50


def _tags_of(context: Context, reference: str) -> dict[str, str]:
    """Return the tags of a resource, to be changed in place."""
    parsed = parse_arn(reference)
    if parsed is None or not context.is_here(reference):
        raise ApiError("InvalidParameterException", f"Invalid ARN: {reference}")
    tags = _find(context, parsed, reference)
    if tags is None:
        raise ApiError("ResourceNotFoundException", "The specified resource was not found.")
    return tags


def _find(context: Context, parsed: Arn, reference: str) -> dict[str, str] | None:
    if parsed.kind == "task-definition":
        definition = find(context.region, reference)
        return definition.tags if definition else None
    cluster = context.region.clusters.get(parsed.path[0])
    if cluster is None:
        return None
    if parsed.kind == "cluster":
        return cluster.tags
    name = parsed.path[-1]
    item: Service | Task | ContainerInstance | None = None
    if parsed.kind == "service":
        item = cluster.services.get(name)
    elif parsed.kind == "task":
        item = cluster.tasks.get(name)
    elif parsed.kind == "container-instance":
        item = cluster.instances.get(name)
    return item.tags if item else None


@operation("ListTagsForResource")
def list_tags_for_resource(context: Context, params: Document) -> Document:
    """List the tags of a resource."""
    return {"tags": render.tag_list(_tags_of(context, params["resourceArn"]))}


@operation("TagResource")
def tag_resource(context: Context, params: Document) -> Document:
    """Add tags to a resource, overwriting those of the same key."""
    tags = _tags_of(context, params["resourceArn"])
    added = read_tags(params["tags"])
    if len(tags | added) > MOST_TAGS:
        raise ApiError("InvalidParameterException", "The number of tags exceeds the limit of 50.")
    tags.update(added)
    return {}


@operation("UntagResource")
def untag_resource(context: Context, params: Document) -> Document:
    """Remove tags from a resource; keys that it does not carry are passed over."""
    tags = _tags_of(context, params["resourceArn"])
    for key in params["tagKeys"]:
        tags.pop(key, None)
    return {}
