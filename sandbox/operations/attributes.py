"""Attributes of container instances: put, list, delete."""

from __future__ import annotations

import re

from sandbox.names import last_part, parse_arn
from sandbox.operations.registry import Context, operation
from sandbox.paging import page
from sandbox.ports import ApiError
from sandbox.state import Cluster, ContainerInstance, Document

MOST_OF_ONE = 10
MOST_AT_ONCE = 10
_NAME = re.compile(r"^[A-Za-z0-9_./\\-]{1,128}$")
_VALUE = re.compile(r"^[A-Za-z0-9_./\\:@ -]{1,128}$")


def _target(cluster: Cluster, asked: Document) -> ContainerInstance:
    """Return the instance that an attribute is for; by its short id only with the target type."""
    reference = asked.get("targetId") or ""
    if parse_arn(reference) is None and not asked.get("targetType"):
        raise ApiError("InvalidParameterException", "Target type must be specified with a short target ID.")
    found = cluster.instances.get(last_part(reference))
    if found is None:
        raise ApiError("TargetNotFoundException", f"The specified target {reference} could not be found.")
    return found


def _shown(instance: ContainerInstance, attribute: Document) -> Document:
    return {"name": attribute["name"], "value": attribute.get("value"), "targetId": instance.arn}


def _check(asked: list[Document]) -> None:
    if not 1 <= len(asked) <= MOST_AT_ONCE:
        raise ApiError(
            "InvalidParameterException", f"attributes must have between 1 and {MOST_AT_ONCE} items."
        )
    for item in asked:
        if not _NAME.match(item["name"]) or item["name"].startswith("ecs."):
            raise ApiError("InvalidParameterException", f"Attribute name {item['name']} is not valid.")
        if item.get("value") is not None and not _VALUE.match(item["value"]):
            raise ApiError("InvalidParameterException", f"Attribute value {item['value']} is not valid.")


@operation("PutAttributes")
def put_attributes(context: Context, params: Document) -> Document:
    """Create or change custom attributes of container instances."""
    cluster = context.cluster(params.get("cluster"))
    asked = params["attributes"]
    _check(asked)
    pairs = [(_target(cluster, item), item) for item in asked]
    for instance, item in pairs:
        kept = [one for one in instance.attributes if one["name"] != item["name"]]
        if sum(not one["name"].startswith("ecs.") for one in kept) >= MOST_OF_ONE:
            raise ApiError(
                "AttributeLimitExceededException", f"A resource can have at most {MOST_OF_ONE} attributes."
            )
        value = {"value": item["value"]} if item.get("value") is not None else {}
        instance.attributes = [*kept, {"name": item["name"], **value}]
        instance.version += 1
    return {"attributes": [_shown(instance, item) for instance, item in pairs]}


@operation("DeleteAttributes")
def delete_attributes(context: Context, params: Document) -> Document:
    """Delete custom attributes by name."""
    cluster = context.cluster(params.get("cluster"))
    asked = params["attributes"]
    _check(asked)
    pairs = [(_target(cluster, item), item) for item in asked]
    for instance, item in pairs:
        instance.attributes = [one for one in instance.attributes if one["name"] != item["name"]]
        instance.version += 1
    return {"attributes": [_shown(instance, item) for instance, item in pairs]}


@operation("ListAttributes")
def list_attributes(context: Context, params: Document) -> Document:
    """List the attributes of a cluster's container instances, by name and value when they are given."""
    cluster = context.cluster(params.get("cluster"))
    name, value = params.get("attributeName"), params.get("attributeValue")
    if value is not None and name is None:
        raise ApiError("InvalidParameterException", "An attribute name must be specified with a value.")
    found = [
        _shown(instance, item)
        for instance in cluster.instances.values()
        for item in instance.attributes
        if name in (None, item["name"]) and value in (None, item.get("value"))
    ]
    chosen, token = page(found, params, "attributes", salt=f"{cluster.name}{name}{value}")
    return {"attributes": chosen, **token}
