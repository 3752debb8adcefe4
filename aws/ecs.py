"""Reads of ECS. Items are dicts in ECS's own field names with aware datetimes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from aws import shapes
from aws.calls import in_batches, read, read_pages, side_by_side
from aws.scope import Scope

T = TypeVar("T")
Item = dict[str, Any]
# The largest batches that ECS accepts.
CLUSTERS_PER_CALL = 100
SERVICES_PER_CALL = 10
TASKS_PER_CALL = 100
DEPLOYMENTS_PER_CALL = 20
REVISIONS_PER_CALL = 20


@dataclass(frozen=True, slots=True)
class Failure:
    """Something that was asked for and not described; the reason MISSING means that it is not there."""

    arn: str
    reason: str


@dataclass(frozen=True, slots=True)
class Described(Generic[T]):
    """What was described, and what was not."""

    items: list[T] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


def list_cluster_arns(scope: Scope) -> list[str]:
    """List all clusters. IAM: ecs:ListClusters."""
    return read_pages(scope, "ecs", "list_clusters", "clusterArns")


def describe_clusters(scope: Scope, arns: Iterable[str]) -> Described[Item]:
    """Describe clusters with their tags. IAM: ecs:DescribeClusters."""
    batches = in_batches(arns, CLUSTERS_PER_CALL)
    return describe(scope, "describe_clusters", "clusters", "clusters", batches, include=["TAGS", "SETTINGS"])


def list_service_arns(scope: Scope, cluster: str) -> list[str]:
    """List the services of a cluster. IAM: ecs:ListServices."""
    return read_pages(scope, "ecs", "list_services", "serviceArns", cluster=cluster)


def describe_services(scope: Scope, cluster: str, names_or_arns: Iterable[str]) -> Described[Item]:
    """Describe services of one cluster with tags and events. IAM: ecs:DescribeServices."""
    batches = in_batches(names_or_arns, SERVICES_PER_CALL)
    return describe(
        scope, "describe_services", "services", "services", batches, cluster=cluster, include=["TAGS"]
    )


def list_task_arns(
    scope: Scope,
    cluster: str,
    service: str | None = None,
    desired_status: str = "RUNNING",
    *,
    started_by: str = "",
) -> list[str]:
    """List tasks; desired status RUNNING includes those that start, STOPPED those that end. IAM: ecs:ListTasks."""
    wanted = {"serviceName": service} if service else {}
    wanted |= {"startedBy": started_by} if started_by else {}
    return read_pages(
        scope, "ecs", "list_tasks", "taskArns", cluster=cluster, desiredStatus=desired_status, **wanted
    )


def describe_tasks(scope: Scope, cluster: str, arns: Iterable[str]) -> Described[Item]:
    """Describe tasks of one cluster. IAM: ecs:DescribeTasks."""
    batches = in_batches(arns, TASKS_PER_CALL)
    return describe(scope, "describe_tasks", "tasks", "tasks", batches, cluster=cluster)


def task_protection(scope: Scope, cluster: str, arns: Sequence[str]) -> list[Item]:
    """Return the scale-in protection of tasks of services. IAM: ecs:GetTaskProtection."""
    answer = read(scope, "ecs", "get_task_protection", cluster=cluster, tasks=list(arns))
    return list(answer.get("protectedTasks") or [])


def describe_task_definition(scope: Scope, arn: str) -> Item:
    """Describe a task definition; its tags, which ECS gives beside it, are its `tags`."""
    answer = read(scope, "ecs", "describe_task_definition", taskDefinition=arn, include=["TAGS"])
    return {**answer["taskDefinition"], "tags": answer.get("tags", [])}


def list_task_definition_arns(
    scope: Scope, family: str, *, status: str = "ACTIVE", limit: int | None = None
) -> list[str]:
    """List the revisions of a family, newest first. IAM: ecs:ListTaskDefinitions."""
    wanted = {"familyPrefix": family, "status": status, "sort": "DESC"}
    if limit is None:
        arns = read_pages(scope, "ecs", "list_task_definitions", "taskDefinitionArns", **wanted)
    else:
        answer = read(scope, "ecs", "list_task_definitions", maxResults=min(limit, 100), **wanted)
        arns = answer["taskDefinitionArns"]
    # ECS takes the family as a prefix, so other families may come along.
    return [arn for arn in arns if arn.rsplit("/", 1)[-1].rpartition(":")[0] == family]


def list_service_deployments(
    scope: Scope,
    cluster: str,
    service: str,
    statuses: Sequence[str] | None = None,
    *,
    limit: int | None = None,
) -> list[Item]:
    """List service deployments in brief, newest first; with a limit only one page. IAM: ecs:ListServiceDeployments."""
    wanted: dict[str, Any] = {"cluster": cluster, "service": service}
    if statuses:
        wanted["status"] = list(statuses)
    if limit is None:
        return read_pages(scope, "ecs", "list_service_deployments", "serviceDeployments", **wanted)
    answer = read(scope, "ecs", "list_service_deployments", maxResults=min(limit, 100), **wanted)
    return list(answer["serviceDeployments"])


def describe_service_deployments(scope: Scope, arns: Iterable[str]) -> Described[Item]:
    """Describe service deployments. IAM: ecs:DescribeServiceDeployments."""
    batches = in_batches(arns, DEPLOYMENTS_PER_CALL)
    return describe(
        scope, "describe_service_deployments", "serviceDeploymentArns", "serviceDeployments", batches
    )


def describe_service_revisions(scope: Scope, arns: Iterable[str]) -> Described[Item]:
    """Describe service revisions, which name the image digests that ran. IAM: ecs:DescribeServiceRevisions."""
    batches = in_batches(arns, REVISIONS_PER_CALL)
    return describe(scope, "describe_service_revisions", "serviceRevisionArns", "serviceRevisions", batches)


def describe(
    scope: Scope, operation: str, asked: str, member: str, batches: list[list[str]], **params: Any
) -> Described[Item]:
    """Describe all batches side by side and join the answers."""

    def one(batch: list[str]) -> dict[str, Any]:
        return read(scope, "ecs", operation, **{asked: batch}, **params)

    answers = side_by_side(one, batches)
    return Described(
        items=[item for answer in answers for item in answer.get(member, [])],
        failures=[
            Failure(str(failure.get("arn", "")), str(failure.get("reason", "")))
            for answer in answers
            for failure in answer.get("failures", [])
        ],
    )


def register_input_members() -> frozenset[str]:
    """Return the members that RegisterTaskDefinition takes, as the SDK's own model knows them."""
    return shapes.input_members("RegisterTaskDefinition")
