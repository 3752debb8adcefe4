"""The calls that changes make to AWS, each bound to one service, so that tests can put a world of their own here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Protocol

from aws import autoscaling, ecs, elb
from aws.autoscaling import Autoscaling
from aws.errors import AwsNotFound
from aws.operator import Answer, Operator
from clusters.models import Service
from clusters.queries import scope_of
from deployments.models import Change

Document = dict[str, Any]
# How many of the newest revisions are looked through for our tag after an unknown outcome.
NEWEST = 10


class Gateway(Protocol):
    """One service in AWS: reads of its present facts, and the mutations."""

    def service(self) -> Document: ...
    def service_deployments(self) -> list[Document]: ...
    def service_deployment(self, arn: str) -> Document: ...
    def service_revision(self, arn: str) -> Document: ...
    def task_definition(self, arn: str) -> Document: ...
    def newest_definitions(self, family: str) -> list[Document]: ...
    def task(self, arn: str) -> Document | None: ...
    def tasks_of(self, deployment_id: str) -> list[Document]: ...
    def tasks_started_by(self, started_by: str) -> list[Document]: ...
    def drain_delay(self) -> int | None: ...
    def autoscaling(self, *, in_full: bool = False) -> Autoscaling | None: ...
    def mutate(self, action: str, params: Mapping[str, Any]) -> tuple[Document, str]: ...


class AwsGateway:
    """The gateway to AWS: reads by the role that reads, mutations by the role that deploys.

    Needs ecs:Describe* and ecs:List*; for mutations ecs:RegisterTaskDefinition, ecs:TagResource,
    ecs:UpdateService, ecs:StopServiceDeployment, ecs:ContinueServiceDeployment, ecs:StopTask, ecs:RunTask,
    application-autoscaling:RegisterScalableTarget and iam:PassRole on the tasks' roles.
    """

    def __init__(self, service: Service, change: Change) -> None:
        self.scope = scope_of(service)
        self.cluster = service.cluster.name
        self.name = service.name
        self.arn = service.arn
        self.change = change

    def service(self) -> Document:
        found = ecs.describe_services(self.scope, self.cluster, [self.name]).items
        if not found:
            raise AwsNotFound(
                f"{self.name} is not in cluster {self.cluster}.",
                action="ecs:DescribeServices",
                code="ServiceNotFoundException",
            )
        return found[0]

    def service_deployments(self) -> list[Document]:
        """Return the newest service deployments in full, newest first."""
        brief = ecs.list_service_deployments(self.scope, self.cluster, self.name, limit=NEWEST)
        arns = [item["serviceDeploymentArn"] for item in brief]
        found = ecs.describe_service_deployments(self.scope, arns).items
        return sorted(found, key=created_at, reverse=True)

    def service_deployment(self, arn: str) -> Document:
        """Return a service deployment, empty when ECS no longer knows it."""
        found = ecs.describe_service_deployments(self.scope, [arn]).items
        return found[0] if found else {}

    def service_revision(self, arn: str) -> Document:
        found = ecs.describe_service_revisions(self.scope, [arn]).items
        return found[0] if found else {}

    def task_definition(self, arn: str) -> Document:
        return ecs.describe_task_definition(self.scope, arn)

    def newest_definitions(self, family: str) -> list[Document]:
        """Return the newest revisions of a family with their tags, newest first."""
        arns = ecs.list_task_definition_arns(self.scope, family, limit=NEWEST)
        return [self.task_definition(arn) for arn in arns]

    def task(self, arn: str) -> Document | None:
        """Return a task, None when ECS no longer knows it."""
        found = ecs.describe_tasks(self.scope, self.cluster, [arn]).items
        return found[0] if found else None

    def tasks_of(self, deployment_id: str) -> list[Document]:
        """Return the current tasks that one deployment of the service started."""
        arns = ecs.list_task_arns(self.scope, self.cluster, service=self.name)
        tasks = ecs.describe_tasks(self.scope, self.cluster, arns).items
        return [task for task in tasks if task.get("startedBy") == deployment_id]

    def drain_delay(self) -> int | None:
        """Return the longest deregistration delay of the service's target groups, None where it has none."""
        groups = [item.get("targetGroupArn") for item in self.service().get("loadBalancers") or []]
        delays = [elb.deregistration_delay(self.scope, arn) for arn in groups if arn]
        return max(delays, default=None)

    def tasks_started_by(self, started_by: str) -> list[Document]:
        """Return the tasks of the cluster that one caller started, also those that have stopped lately."""
        arns = [
            arn
            for status in ("RUNNING", "STOPPED")
            for arn in ecs.list_task_arns(
                self.scope, self.cluster, desired_status=status, started_by=started_by
            )
        ]
        return ecs.describe_tasks(self.scope, self.cluster, arns).items if arns else []

    def autoscaling(self, *, in_full: bool = False) -> Autoscaling | None:
        """Return the autoscaler's bounds, in full with what moves the count; None where nobody scales."""
        ask = autoscaling.describe if in_full else autoscaling.bounds
        return ask(self.scope, self.cluster, self.name)

    def mutate(self, action: str, params: Mapping[str, Any]) -> tuple[Document, str]:
        """Make one mutating call, never retried, signed by the requester's identity; return answer and request id."""
        operator = Operator(
            self.scope, source_identity=f"u-{self.change.requester_id}", change_id=self.change.pk
        )
        calls: dict[str, Callable[..., Answer]] = {
            "ecs:RegisterTaskDefinition": operator.register_task_definition,
            "ecs:UpdateService": operator.update_service,
            "ecs:StopServiceDeployment": lambda serviceDeploymentArn, stopType: (
                operator.stop_service_deployment(serviceDeploymentArn, stop_type=stopType)
            ),
            "ecs:ContinueServiceDeployment": operator.continue_service_deployment,
            "ecs:StopTask": operator.stop_task,
            "ecs:RunTask": operator.run_task,
            "application-autoscaling:RegisterScalableTarget": operator.register_scalable_target,
        }
        answer = calls[action](**params)
        return answer.data, answer.request_id


def created_at(item: Mapping[str, Any]) -> datetime:
    moment: datetime = item["createdAt"]
    return moment
