"""Service deployments and service revisions."""

from __future__ import annotations

from collections.abc import Iterator

from sandbox import render, rollout, stages
from sandbox.names import parse_arn
from sandbox.operations.registry import Context, failure, operation
from sandbox.paging import check_batch, page
from sandbox.ports import ApiError
from sandbox.state import Document, Service, ServiceDeployment

LIST_DEFAULT = 20
BATCH = 20
STOPPABLE = frozenset(
    {"PENDING", "IN_PROGRESS", "STOP_REQUESTED", "ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS"}
)


def visible(context: Context, service: Service) -> Iterator[ServiceDeployment]:
    """Yield a service's deployments of the last 90 days, newest first."""
    oldest = context.world.now - rollout.HISTORY_DAYS
    for item in reversed(service.history):
        if item.created_at >= oldest:
            yield item


@operation("ListServiceDeployments")
def list_service_deployments(context: Context, params: Document) -> Document:
    """List a service's deployments, newest first, 20 a page unless asked for more."""
    reference = params["service"]
    parsed = parse_arn(reference)
    named = parsed.path[0] if parsed and len(parsed.path) == 2 else None
    cluster = context.cluster(params.get("cluster") or named)
    service = context.service(cluster, reference)
    statuses, created = params.get("status"), params.get("createdAt") or {}
    entries = [
        render.service_deployment_brief(service, item)
        for item in visible(context, service)
        if (not statuses or item.status in statuses)
        and ("after" not in created or item.created_at > created["after"])
        and ("before" not in created or item.created_at < created["before"])
    ]
    chosen, token = page(entries, params, "serviceDeployments", default=LIST_DEFAULT, salt=service.arn)
    return {"serviceDeployments": chosen, **token}


def _service_of(context: Context, arn: str, kind: str) -> Service | None:
    """Return the service that a service deployment's or revision's ARN names."""
    parsed = parse_arn(arn)
    if parsed is None or parsed.kind != kind or len(parsed.path) != 3 or not context.is_here(arn):
        return None
    cluster = context.region.clusters.get(parsed.path[0])
    return cluster.services.get(parsed.path[1]) if cluster else None


def _find(context: Context, arn: str) -> tuple[Service, ServiceDeployment] | None:
    service = _service_of(context, arn, "service-deployment")
    if service is None:
        return None
    entry = next((item for item in visible(context, service) if item.arn == arn), None)
    return (service, entry) if entry else None


@operation("DescribeServiceDeployments")
def describe_service_deployments(context: Context, params: Document) -> Document:
    """Describe up to 20 service deployments."""
    arns = params["serviceDeploymentArns"]
    check_batch(arns, "service deployments", BATCH)
    found: list[Document] = []
    failures: list[Document] = []
    for arn in arns:
        match = _find(context, arn)
        if match:
            found.append(render.service_deployment(*match))
        else:
            failures.append(failure(arn))
    return {"serviceDeployments": found, "failures": failures}


@operation("DescribeServiceRevisions")
def describe_service_revisions(context: Context, params: Document) -> Document:
    """Describe up to 20 service revisions."""
    arns = params["serviceRevisionArns"]
    check_batch(arns, "service revisions", BATCH)
    found: list[Document] = []
    failures: list[Document] = []
    for arn in arns:
        service = _service_of(context, arn, "service-revision")
        revision = service.revisions.get(arn) if service else None
        if service and revision:
            found.append(render.service_revision(service, revision))
        else:
            failures.append(failure(arn))
    return {"serviceRevisions": found, "failures": failures}


@operation("StopServiceDeployment")
def stop_service_deployment(context: Context, params: Document) -> Document:
    """Stop a deployment in flight and roll it back."""
    arn = params["serviceDeploymentArn"]
    match = _find(context, arn)
    if match is None:
        raise ApiError("ServiceDeploymentNotFoundException", "Service deployment not found.")
    if params.get("stopType", "ROLLBACK") != "ROLLBACK":
        raise ApiError(
            "UnsupportedFeatureException", "The stop type ABORT is not supported for rolling deployments."
        )
    service, entry = match
    if entry.status not in STOPPABLE:
        raise ApiError(
            "ConflictException",
            f"The service deployment cannot be stopped because it is in the {entry.status} state.",
        )
    rollout.stop(context.world, service, entry)
    return {"serviceDeploymentArn": arn}


@operation("ContinueServiceDeployment")
def continue_service_deployment(context: Context, params: Document) -> Document:
    """Let a deployment that waits at a pause hook go on, or roll it back."""
    match = _find(context, params["serviceDeploymentArn"])
    if match is None:
        raise ApiError("ServiceDeploymentNotFoundException", "Service deployment not found.")
    service, entry = match
    stages.proceed(context.world, service, entry, params["hookId"], params.get("action", "CONTINUE"))
    return {"serviceDeploymentArn": entry.arn}
