"""Roll back: stop the service deployment in flight, or return to one that succeeded."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from aws.errors import AwsError
from clusters.diff import diff_definitions
from clusters.models import Service, ServiceDeployment
from clusters.service_view import primary_of
from deployments import attempts, observe
from deployments.definitions import is_still_active, masked_definition
from deployments.errors import InvalidSpec
from deployments.fingerprint import Base, service_base
from deployments.models import Change
from deployments.plans import Check, Outline, planned
from deployments.preflight import churn_of, image_check, rollout_checks
from deployments.running import RARELY, Next, Run
from deployments.states import State
from deployments.verbs import rollout
from deployments.verbs.base import Spec


class Rollback:
    """Returns to what is known to have worked, never to the revision with the next lower number."""

    permission = "service.rollback"
    deadline = timedelta(minutes=30)
    takes_slot = True
    goes_first = True

    def clean(self, service: Service, spec: Mapping[str, Any]) -> Spec:
        if spec.get("in_flight"):
            return {"in_flight": True}
        try:
            target = service.service_deployments.get(pk=int(str(spec.get("service_deployment_id"))))
        except (ValueError, ServiceDeployment.DoesNotExist) as error:
            raise InvalidSpec(
                {"service_deployment_id": "Choose a service deployment of this service."}
            ) from error
        return {"service_deployment_id": target.pk}

    def title(self, service: Service, spec: Spec) -> str:
        if spec.get("in_flight"):
            return f"Roll back the deployment of {service.name} in flight"
        return f"Roll back {service.name} to {observe.short(self.target(service, spec).task_definition_arn)}"

    def base(self, facts: Mapping[str, Any], spec: Spec) -> Base:
        if spec.get("in_flight"):
            arn = facts.get("currentServiceDeployment", "")
            return {"service": facts.get("serviceArn", ""), "service_deployment": arn}
        return service_base(facts)

    def plan(self, service: Service, spec: Spec) -> Outline:
        region = service.cluster.region
        if spec.get("in_flight"):
            params = {
                "serviceDeploymentArn": service.facts.get("currentServiceDeployment", ""),
                "stopType": "ROLLBACK",
            }
            note = "ECS returns to the service revision that completed last; works without a circuit breaker."
            return Outline([planned("ecs:StopServiceDeployment", params, region=region, note=note)])
        target = self.target(service, spec)
        params = {
            "cluster": service.cluster.name,
            "service": service.name,
            "taskDefinition": target.task_definition_arn,
        }
        note = f"The task definition of the service deployment that began at {target.created_at:%d %b %H:%M} UTC."
        old = masked_definition(service, service.task_definition_arn)
        new = masked_definition(service, target.task_definition_arn)
        call = planned("ecs:UpdateService", params, region=region, note=note)
        return Outline([call], diff_definitions(old, new), churn_of(service))

    def preflight(self, service: Service, spec: Spec) -> list[Check]:
        if spec.get("in_flight"):
            return [in_flight_check(service)]
        target = self.target(service, spec)
        images = [image_check(service, item["container"], pinned(item)) for item in target.images]
        return [*rollout_checks(service), *self.target_checks(service, target), *images]

    def target_checks(self, service: Service, target: ServiceDeployment) -> list[Check]:
        """Check that what is returned to has succeeded, differs, and can still be deployed."""
        name = observe.short(target.task_definition_arn)
        checks = []
        if target.status != "SUCCESSFUL":
            text = f"That service deployment ended {target.status}; only one that was SUCCESSFUL can be returned to."
            checks.append(Check("target-succeeded", "Target", "refuse", text))
        if not target.task_definition_arn:
            text = "The console does not know which task definition that service deployment ran."
            return [*checks, Check("target-known", "Target", "refuse", text)]
        if target.task_definition_arn == service.task_definition_arn:
            checks.append(
                Check("nothing-changes", "Nothing changes", "refuse", f"PRIMARY runs {name} already.")
            )
        checks.append(active_check(service, target.task_definition_arn))
        return checks

    def step(self, run: Run) -> Next:
        if run.change.spec.get("in_flight"):
            return self.stop(run)
        definition = self.target(run.service, run.change.spec).task_definition_arn
        call = rollout.update_call(
            run,
            {"taskDefinition": definition},
            lambda item: item.get("taskDefinition") == definition,
            repeatable=True,
        )
        return (
            rollout.undo(run, call) if run.change.state == State.ROLLING_BACK else rollout.roll_out(run, call)
        )

    def can_be_rolled_back(self, change: Change) -> bool:
        return not change.spec.get("in_flight")

    def target(self, service: Service, spec: Spec) -> ServiceDeployment:
        return service.service_deployments.get(pk=spec["service_deployment_id"])

    def stop(self, run: Run) -> Next:
        """Stop the service deployment that was in flight when this was asked, and watch it roll back."""
        arn = run.change.base["service_deployment"]
        attempt = attempts.once(run, rollout.stop_call(run, arn))
        if isinstance(attempt, Next):
            return attempt
        entry, service = run.gateway.service_deployment(arn), run.gateway.service()
        status, reason = entry.get("status", ""), entry.get("statusReason") or ""
        quote = f": “{reason}”" if reason else "."
        now_runs = f"PRIMARY runs {observe.short(primary_of(service).get('taskDefinition', ''))}."
        if status == "ROLLBACK_SUCCESSFUL":
            return Next(State.SUCCEEDED, f"ECS rolled back{quote} {now_runs}")
        if status and status not in observe.IN_FLIGHT:
            return Next(State.FAILED, f"The service deployment ended {status}{quote} {now_runs}")
        waiting = {
            "id": "rolling_back",
            "sentence": f"ECS says {status or 'nothing'} of the service deployment.",
        }
        standing = {"status": status, "waiting_for": waiting}
        wake_in = Next().wake_in if run.may_act else RARELY
        return Next(step=rollout.WATCH, progress={"rollout": standing}, wake_in=wake_in)


def active_check(service: Service, arn: str) -> Check:
    """Check that ECS still deploys a task definition; INACTIVE is for good, so only what was ACTIVE is asked about."""
    name = observe.short(arn)
    status = masked_definition(service, arn).get("status", "")
    try:
        if status == "ACTIVE" and not is_still_active(service, arn):
            status = "INACTIVE"
    except AwsError as error:
        # A rollback is the way out of trouble, and this may be the trouble: ECS has the last word anyway.
        text = f"{name} was ACTIVE when it was read; whether it still is cannot be checked: {error}"
        return Check("target-active", "Task definition", "warn", text)
    if status != "ACTIVE":
        text = f"{name} is {status or 'unknown to ECS'}: ECS deploys ACTIVE task definitions only."
        return Check("target-active", "Task definition", "refuse", text)
    return Check("target-active", "Task definition", "ok", f"{name} is ACTIVE.")


def in_flight_check(service: Service) -> Check:
    """Check that there is a deployment to stop."""
    is_rolling = primary_of(service.facts).get("rolloutState") == "IN_PROGRESS"
    if is_rolling and service.facts.get("currentServiceDeployment"):
        return Check("in-flight", "Deployment in flight", "ok", "A service deployment is in progress.")
    text = "No service deployment is in flight; choose one that succeeded to return to."
    return Check("in-flight", "Deployment in flight", "refuse", text)


def pinned(item: Mapping[str, Any]) -> str:
    """Return an image by the digest that ran, where ECS recorded one."""
    image, digest = str(item.get("image", "")), str(item.get("digest") or "")
    if not digest or "@" in image:
        return image
    head, _, last = image.rpartition("/")
    return f"{head}/{last.partition(':')[0]}@{digest}" if head else f"{last.partition(':')[0]}@{digest}"
