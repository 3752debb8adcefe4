"""Capacity providers: the two that AWS keeps for Fargate, and those of Auto Scaling groups."""

from __future__ import annotations

import re

from sandbox.names import arn, last_part
from sandbox.operations.registry import Context, failure, operation, read_tags
from sandbox.paging import page
from sandbox.ports import ApiError
from sandbox.render import tag_list
from sandbox.state import CapacityProvider, Document

FARGATE = ("FARGATE", "FARGATE_SPOT")
_NAME = re.compile(r"^[A-Za-z0-9_-]{1,255}$")
_RESERVED = re.compile(r"^(aws|ecs|fargate)", re.IGNORECASE)
_SCALING = {
    "status": "DISABLED",
    "targetCapacity": 100,
    "minimumScalingStepSize": 1,
    "maximumScalingStepSize": 10000,
    "instanceWarmupPeriod": 300,
}


def invalid(message: str) -> ApiError:
    return ApiError("InvalidParameterException", message)


def check_attached(strategy: list[Document] | None, attached: list[str]) -> None:
    """Refuse a strategy that names a provider which the cluster does not have."""
    known = {last_part(name) for name in attached}
    if any(last_part(item["capacityProvider"]) not in known for item in strategy or []):
        raise invalid(
            "The specified capacity provider strategy cannot contain a capacity provider that is not associated with"
            " the cluster. Associate the capacity provider with the cluster and try again."
        )


def _arn(context: Context, name: str) -> str:
    return arn(context.region.name, context.region.account_id, "capacity-provider", name)


def _fargate(context: Context, name: str) -> Document:
    return {
        "capacityProviderArn": _arn(context, name),
        "name": name,
        "status": "ACTIVE",
        "type": name,
        "tags": [],
    }


def _shown(item: CapacityProvider, *, with_tags: bool = True) -> Document:
    return {
        "capacityProviderArn": item.arn,
        "name": item.name,
        "status": item.status,
        "autoScalingGroupProvider": item.group,
        "updateStatus": item.update_status or None,
        "tags": tag_list(item.tags) if with_tags else [],
        "type": "EC2_AUTOSCALING",
    }


def _group(given: Document, known: Document | None = None) -> Document:
    """Complete an Auto Scaling group provider with AWS's defaults."""
    before = known or {"managedTerminationProtection": "DISABLED", "managedDraining": "ENABLED"}
    scaling = {**_SCALING, **before.get("managedScaling", {}), **given.get("managedScaling", {})}
    if not 1 <= scaling["targetCapacity"] <= 100:
        raise invalid("Target capacity must be between 1 and 100.")
    chosen = {**before, **given, "managedScaling": scaling}
    if chosen["managedTerminationProtection"] == "ENABLED" and scaling["status"] != "ENABLED":
        raise invalid(
            "To enable managed termination protection for a capacity provider, managed scaling must be enabled."
        )
    return chosen


def _own(context: Context, reference: str) -> CapacityProvider:
    found = context.region.capacity_providers.get(last_part(reference))
    if found is None:
        raise invalid(
            "The specified capacity provider does not exist. Specify a valid name or ARN and try again."
        )
    return found


@operation("CreateCapacityProvider")
def create_capacity_provider(context: Context, params: Document) -> Document:
    """Create a capacity provider for an Auto Scaling group; its instances are registered by hand."""
    name, group = params["name"], params.get("autoScalingGroupProvider")
    if not _NAME.match(name) or _RESERVED.match(name):
        raise invalid("The specified capacity provider name is invalid. Up to 255 characters are allowed.")
    if group is None:
        raise ApiError(
            "UnsupportedFeatureException",
            "Capacity providers of managed instances are not implemented in this sandbox.",
        )
    known = context.region.capacity_providers.get(name)
    if known is not None and known.group["autoScalingGroupArn"] != group["autoScalingGroupArn"]:
        raise invalid("A capacity provider with the specified name already exists.")
    if known is None:
        tags = read_tags(params["tags"]) if params.get("tags") else {}
        known = CapacityProvider(name, _arn(context, name), _group(group), tags)
        context.region.capacity_providers[name] = known
    return {"capacityProvider": _shown(known)}


@operation("UpdateCapacityProvider")
def update_capacity_provider(context: Context, params: Document) -> Document:
    """Change how a capacity provider scales its group."""
    item = _own(context, params["name"])
    item.group = _group(params.get("autoScalingGroupProvider") or {}, item.group)
    item.update_status = "UPDATE_COMPLETE"
    return {"capacityProvider": _shown(item)}


@operation("DeleteCapacityProvider")
def delete_capacity_provider(context: Context, params: Document) -> Document:
    """Delete a capacity provider that no cluster uses; Fargate's are AWS's own."""
    name = last_part(params["capacityProvider"])
    if name in FARGATE:
        raise invalid("The specified capacity provider is reserved and cannot be deleted.")
    item = _own(context, name)
    if any(
        name in cluster.capacity_providers
        for cluster in context.region.clusters.values()
        if cluster.status == "ACTIVE"
    ):
        raise invalid(
            "The specified capacity provider is in use and cannot be removed. Disassociate it from its clusters"
            " and try again."
        )
    del context.region.capacity_providers[name]
    item.status, item.update_status = "INACTIVE", "DELETE_COMPLETE"
    return {"capacityProvider": _shown(item)}


@operation("DescribeCapacityProviders")
def describe_capacity_providers(context: Context, params: Document) -> Document:
    """Describe capacity providers, all of the account's when none is named."""
    own = context.region.capacity_providers
    references = params.get("capacityProviders") or [*FARGATE, *own]
    with_tags = "TAGS" in (params.get("include") or ())
    found: list[Document] = []
    failures: list[Document] = []
    for reference in references:
        name = last_part(reference)
        if name in FARGATE:
            found.append(_fargate(context, name))
        elif name in own:
            found.append(_shown(own[name], with_tags=with_tags))
        else:
            failures.append(failure(_arn(context, name)))
    chosen, token = page(found, params, "capacityProviders", salt=",".join(references))
    return {"capacityProviders": chosen, "failures": failures, **token}
