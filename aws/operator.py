"""The changing calls. Only workers make them, each at most once, as the person who asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aws.calls import call
from aws.scope import Scope
from aws.sessions import Identity


@dataclass(frozen=True, slots=True)
class Answer:
    """What a changing call answered, with the id by which AWS Support and CloudTrail know it."""

    data: dict[str, Any]
    request_id: str


class Operator:
    """Acts in a scope for one change of one person.

    CloudTrail shows `source_identity` on each call. AwsOutcomeUnknown means that a call may have happened; every other
    error means that it did not.
    """

    def __init__(self, scope: Scope, *, source_identity: str, change_id: int) -> None:
        role = scope.changing_role_arn
        self.scope = scope
        self.identity = Identity(
            role, scope.external_id, f"ecsconsole-change-{change_id}", source_identity if role else ""
        )

    def register_task_definition(self, **params: Any) -> Answer:
        """Register a revision. IAM: ecs:RegisterTaskDefinition, ecs:TagResource, iam:PassRole."""
        return self._call("register_task_definition", params)

    def update_service(self, **params: Any) -> Answer:
        """Update a service. IAM: ecs:UpdateService."""
        return self._call("update_service", params)

    def stop_service_deployment(self, arn: str, stop_type: str = "ROLLBACK") -> Answer:
        """Stop a service deployment. IAM: ecs:StopServiceDeployment."""
        params = {"serviceDeploymentArn": arn, "stopType": stop_type}
        return self._call("stop_service_deployment", params)

    def continue_service_deployment(self, **params: Any) -> Answer:
        """Answer a PAUSE hook. IAM: ecs:ContinueServiceDeployment."""
        return self._call("continue_service_deployment", params)

    def register_scalable_target(self, **params: Any) -> Answer:
        """Set the bounds within which a service is scaled. IAM: application-autoscaling:RegisterScalableTarget."""
        return self._call("register_scalable_target", params, service="application-autoscaling")

    def run_task(self, **params: Any) -> Answer:
        """Run tasks; the same clientToken returns the same tasks. IAM: ecs:RunTask, ecs:TagResource, iam:PassRole."""
        return self._call("run_task", params)

    def stop_task(self, cluster: str, task: str, reason: str) -> Answer:
        """Stop a task. IAM: ecs:StopTask."""
        return self._call("stop_task", {"cluster": cluster, "task": task, "reason": reason})

    def _call(self, operation: str, params: dict[str, Any], *, service: str = "ecs") -> Answer:
        answer = call(self.identity, self.scope, service, operation, params, is_write=True)
        metadata = answer.pop("ResponseMetadata", {})
        return Answer(answer, str(metadata.get("RequestId", "")))
