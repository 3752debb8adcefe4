"""Restart: one forced deployment of what runs already, at most once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clusters.models import Service
from deployments.fingerprint import Base, service_base
from deployments.models import Change
from deployments.plans import Check, Outline, planned
from deployments.preflight import churn_of, rollout_checks
from deployments.returning import active_check
from deployments.running import Next, Run
from deployments.states import State
from deployments.verbs import rollout
from deployments.verbs.base import Spec


class Restart:
    """Replaces all tasks; each forced call would begin another deployment, so it is never made twice."""

    permission = "service.restart"
    deadline = rollout.DEADLINE
    takes_slot = True
    goes_first = False

    def clean(self, service: Service, spec: Mapping[str, Any]) -> Spec:
        return {}

    def title(self, service: Service, spec: Spec) -> str:
        return f"Restart {service.name}"

    def base(self, facts: Mapping[str, Any], spec: Spec) -> Base:
        return service_base(facts)

    def plan(self, service: Service, spec: Spec) -> Outline:
        params = {"cluster": service.cluster.name, "service": service.name, "forceNewDeployment": True}
        note = "Starts every task anew from the same task definition; ECS resolves image tags again."
        call = planned("ecs:UpdateService", params, region=service.cluster.region, note=note)
        return Outline([call], [], churn_of(service))

    def preflight(self, service: Service, spec: Spec) -> list[Check]:
        return [active_check(service, service.task_definition_arn), *rollout_checks(service)]

    def step(self, run: Run) -> Next:
        definition = run.progress["previous_task_definition_arn"]
        call = rollout.update_call(
            run,
            {"forceNewDeployment": True},
            lambda item: item.get("taskDefinition") == definition,
            repeatable=False,
        )
        return (
            rollout.undo(run, call) if run.change.state == State.ROLLING_BACK else rollout.roll_out(run, call)
        )

    def can_be_rolled_back(self, change: Change) -> bool:
        return True
