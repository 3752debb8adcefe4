"""The calls that changes make to AWS, each bound to one service, so that tests can put a world of their own here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from aws import autoscaling, ecs, elb
from aws.autoscaling import Autoscaling
from aws.errors import AwsAccessDenied, AwsError, AwsNotFound
from aws.operator import Answer, Operator
from aws.scope import Scope
from clusters.models import Service
from clusters.queries import scope_of
from deployments.models import Change

Document = dict[str, Any]
# How many of the newest revisions are looked through for our tag after an unknown outcome.
NEWEST = 10


@dataclass(frozen=True, slots=True)
class Reading:
    """What one look at several services of a cluster said; what is not in it was not asked for.

    A deployment that ECS no longer knows is empty. An error in place of the facts is raised to each who asks.
    """

    services: Mapping[str, Document] | AwsError
    deployments: Mapping[str, Document] | AwsError

    def service(self, name: str) -> Document | None:
        return found(self.services, name)

    def service_deployment(self, arn: str) -> Document | None:
        return found(self.deployments, arn)


def found(facts: Mapping[str, Document] | AwsError, key: str) -> Document | None:
    if isinstance(facts, AwsError):
        raise facts
    return facts.get(key)


def read_together(scope: Scope, cluster: str, names: Iterable[str], arns: Iterable[str]) -> Reading:
    """Describe up to ten services and twenty of their deployments in one call each."""

    def services() -> dict[str, Document]:
        items = ecs.describe_services(scope, cluster, sorted(set(names))).items
        return {item["serviceName"]: item for item in items}

    def deployments() -> dict[str, Document]:
        asked = sorted(set(arns))
        items = ecs.describe_service_deployments(scope, asked).items
        return {**{arn: {} for arn in asked}, **{item["serviceDeploymentArn"]: item for item in items}}

    return Reading(facts_or_error(services), facts_or_error(deployments))


def facts_or_error(read: Callable[[], dict[str, Document]]) -> dict[str, Document] | AwsError:
    try:
        return read()
    except AwsAccessDenied:
        # IAM refuses the whole call for the sake of one of them: each is read by itself then.
        return {}
    except AwsError as error:
        return error


class Gateway(Protocol):
    """One service in AWS: reads of its present facts, and the mutations."""

    # A look that was shared with other changes; it answers until the first mutation.
    reading: Reading | None

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
        self.reading: Reading | None = None

    def service(self) -> Document:
        if self.reading is not None and (shared := self.reading.service(self.name)) is not None:
            return shared
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
        if self.reading is not None and (shared := self.reading.service_deployment(arn)) is not None:
            return shared
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
        self.reading = None
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
