"""Clusters: create, list, describe, update, delete."""

from __future__ import annotations

from sandbox import render
from sandbox.names import RESOURCE_NAME, arn, last_part
from sandbox.operations.capacity_providers import FARGATE, check_attached
from sandbox.operations.registry import Context, failure, operation, read_tags
from sandbox.paging import check_batch, page
from sandbox.ports import ApiError
from sandbox.state import Cluster, Document

ALL_PARTS = ("ATTACHMENTS", "CONFIGURATIONS", "SETTINGS", "STATISTICS", "TAGS")


@operation("CreateCluster")
def create_cluster(context: Context, params: Document) -> Document:
    """Create a cluster; an active one of that name is returned as it is."""
    name = params.get("clusterName", "default")
    if not RESOURCE_NAME.match(name):
        raise ApiError("InvalidParameterException", "Invalid identifier: Identifier is for cluster name.")
    region = context.region
    _check_providers(context, params.get("capacityProviders") or [])
    known = region.clusters.get(name)
    if known and known.status == "ACTIVE":
        return {"cluster": render.cluster(known, ALL_PARTS)}
    settings = params.get("settings") or [{"name": "containerInsights", "value": _insights(context)}]
    item = Cluster(
        name=name,
        arn=arn(region.name, region.account_id, "cluster", name),
        region=region,
        settings=settings,
        configuration=params.get("configuration"),
        capacity_providers=params.get("capacityProviders") or [],
        default_strategy=_strategy(params.get("defaultCapacityProviderStrategy")),
        service_connect_defaults=params.get("serviceConnectDefaults"),
        tags=read_tags(params["tags"]) if params.get("tags") else {},
    )
    region.clusters[name] = item
    return {"cluster": render.cluster(item, ALL_PARTS)}


def _check_providers(context: Context, names: list[str]) -> None:
    for name in names:
        if last_part(name) not in (*FARGATE, *context.region.capacity_providers):
            raise ApiError(
                "InvalidParameterException",
                f"The specified capacity provider '{name}' is not in an ACTIVE state. Specify a valid capacity"
                " provider and try again.",
            )


def _insights(context: Context) -> str:
    return context.region.account_settings.get(("containerInsights", ""), "disabled")


def _strategy(given: list[Document] | None) -> list[Document]:
    return [{"base": 0, "weight": 0, **item} for item in given or []]


@operation("ListClusters")
def list_clusters(context: Context, params: Document) -> Document:
    """List the ARNs of active clusters, a page of 100 at most."""
    arns = sorted(item.arn for item in context.region.clusters.values() if item.status == "ACTIVE")
    chosen, token = page(arns, params, "clusters")
    return {"clusterArns": chosen, **token}


@operation("DescribeClusters")
def describe_clusters(context: Context, params: Document) -> Document:
    """Describe up to 100 clusters; `default` when none is named."""
    references = params.get("clusters") or ["default"]
    check_batch(references, "clusters", 100)
    found: list[Document] = []
    failures: list[Document] = []
    region = context.region
    for reference in references:
        item = region.clusters.get(last_part(reference))
        if item is None or not context.is_here(reference):
            name = last_part(reference)
            failures.append(failure(arn(region.name, region.account_id, "cluster", name)))
        else:
            found.append(render.cluster(item, params.get("include") or ()))
    return {"clusters": found, "failures": failures}


@operation("DeleteCluster")
def delete_cluster(context: Context, params: Document) -> Document:
    """Make a cluster INACTIVE; refused while anything in it is alive."""
    item = context.cluster(params["cluster"])
    if any(one.status == "ACTIVE" for one in item.services.values()):
        raise ApiError(
            "ClusterContainsServicesException", "The Cluster cannot be deleted while Services are active."
        )
    if item.instances:
        raise ApiError(
            "ClusterContainsContainerInstancesException",
            "The Cluster cannot be deleted while Container Instances are active or draining.",
        )
    if any(task.last_status != "STOPPED" for task in item.tasks.values()):
        raise ApiError(
            "ClusterContainsTasksException", "The Cluster cannot be deleted while Tasks are active."
        )
    item.status = "INACTIVE"
    return {"cluster": render.cluster(item, ALL_PARTS)}


@operation("PutClusterCapacityProviders")
def put_cluster_capacity_providers(context: Context, params: Document) -> Document:
    """Set the capacity providers and the default strategy of a cluster."""
    item = context.cluster(params["cluster"])
    providers = params["capacityProviders"]
    _check_providers(context, providers)
    check_attached(params["defaultCapacityProviderStrategy"], providers)
    item.capacity_providers = providers
    item.default_strategy = _strategy(params["defaultCapacityProviderStrategy"])
    return {"cluster": render.cluster(item, ALL_PARTS)}


@operation("UpdateCluster")
def update_cluster(context: Context, params: Document) -> Document:
    """Change a cluster's settings, configuration or Service Connect defaults."""
    item = context.cluster(params["cluster"])
    _change_settings(item, params.get("settings"))
    item.configuration = params.get("configuration", item.configuration)
    item.service_connect_defaults = params.get("serviceConnectDefaults", item.service_connect_defaults)
    return {"cluster": render.cluster(item, ALL_PARTS)}


@operation("UpdateClusterSettings")
def update_cluster_settings(context: Context, params: Document) -> Document:
    """Change a cluster's settings."""
    item = context.cluster(params["cluster"])
    _change_settings(item, params["settings"])
    return {"cluster": render.cluster(item, ALL_PARTS)}


def _change_settings(item: Cluster, given: list[Document] | None) -> None:
    values = {one["name"]: one["value"] for one in item.settings} | {
        one["name"]: one.get("value") for one in given or []
    }
    item.settings = [{"name": name, "value": value} for name, value in values.items()]
