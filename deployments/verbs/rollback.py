"""Roll back: stop the service deployment in flight, or return to a service revision that succeeded."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from aws import ecs
from clusters.diff import diff_definitions
from clusters.masking import mask
from clusters.models import Service, ServiceDeployment
from clusters.service_view import primary_of
from deployments import attempts, observe, returning, task_definitions
from deployments.attempts import Call
from deployments.definitions import masked_definition
from deployments.errors import InvalidSpec
from deployments.fingerprint import Base, service_base
from deployments.leaves import masked_texts
from deployments.models import Change
from deployments.plans import Check, Outline, PlannedCall, planned
from deployments.preflight import churn_of, rollout_checks
from deployments.returning import ImageThen, by_digest
from deployments.revisions import begins_nothing, changes_to, service_group
from deployments.running import RARELY, Next, Run
from deployments.states import State
from deployments.verbs import registering, rollout
from deployments.verbs.base import Spec

Document = dict[str, Any]
SAME_DEFINITION = (
    "Both deployments have the same task definition, and its tags meant other images then. A copy pinned to the"
    " digests of that time is the only way back: deploying the definition again runs what its tags name now."
)


class Rollback:
    """Returns to what is known to have worked, never to the revision with the next lower number."""

    permission = "service.rollback"
    deadline = timedelta(minutes=30)
    takes_slot = True
    goes_first = True

    def clean(self, service: Service, spec: Mapping[str, Any]) -> Spec:
        """Return the target, and whether the images are pinned to the digests that ran; by default where tags moved."""
        if spec.get("in_flight"):
            return {"in_flight": True}
        try:
            target = service.service_deployments.get(pk=int(str(spec.get("service_deployment_id"))))
        except (ValueError, ServiceDeployment.DoesNotExist) as error:
            raise InvalidSpec(
                {"service_deployment_id": "Choose a service deployment of this service."}
            ) from error
        pin = spec.get("pin")
        if pin is None:
            pin = any(found.has_moved for found in returning.images_then(service, target))
        return {"service_deployment_id": target.pk, "pin": bool(pin)}

    def title(self, service: Service, spec: Spec) -> str:
        if spec.get("in_flight"):
            return f"Roll back the deployment of {service.name} in flight"
        target = self.target(service, spec)
        name = observe.short(target.task_definition_arn)
        if target.task_definition_arn == service.task_definition_arn:
            # The way back from a forced deployment: the number alone would not tell where it leads.
            return f"Roll back {service.name} to {name} as it ran on {target.created_at:%d %b %H:%M} UTC"
        return f"Roll back {service.name} to {name}"

    def base(self, facts: Mapping[str, Any], spec: Spec) -> Base:
        if spec.get("in_flight"):
            arn = facts.get("currentServiceDeployment", "")
            return {"service": facts.get("serviceArn", ""), "service_deployment": arn}
        return service_base(facts)

    def plan(self, service: Service, spec: Spec) -> Outline:
        if spec.get("in_flight"):
            return Outline([self.planned_stop(service)])
        target = self.target(service, spec)
        revision = returning.revision_of(service, target)
        old = masked_definition(service, service.task_definition_arn)
        new = masked_definition(service, target.task_definition_arn)
        if spec.get("pin"):
            new = pinned_definition(new, target)
        calls = [self.planned_copy(service, target)] if spec.get("pin") else []
        calls.append(self.planned_update(service, spec, target, revision))
        groups = diff_definitions(old, new)
        if revision:
            groups = [service_group(service.facts, revision), *groups]
        return Outline(calls, groups, churn_of(service))

    def planned_stop(self, service: Service) -> PlannedCall:
        params = {
            "serviceDeploymentArn": service.facts.get("currentServiceDeployment", ""),
            "stopType": "ROLLBACK",
        }
        note = "ECS returns to the service revision that completed last; works without a circuit breaker."
        return planned("ecs:StopServiceDeployment", params, region=service.cluster.region, note=note)

    def planned_copy(self, service: Service, target: ServiceDeployment) -> PlannedCall:
        old = masked_definition(service, target.task_definition_arn)
        params = task_definitions.register_params(
            pinned_definition(old, target), old.get("tags") or [], ecs.register_input_members(), None
        )
        name = observe.short(target.task_definition_arn)
        note = (
            f"A copy of {name} with its images by the digests that ran; values of variables are masked here."
        )
        return planned("ecs:RegisterTaskDefinition", params, region=service.cluster.region, note=note)

    def planned_update(
        self, service: Service, spec: Spec, target: ServiceDeployment, revision: Mapping[str, Any]
    ) -> PlannedCall:
        definition = target.task_definition_arn
        if spec.get("pin"):
            definition = f"{observe.short(definition).rpartition(':')[0]}:<new revision>"
        params = update_params(service.facts, definition, revision)
        shown = {"cluster": service.cluster.name, "service": service.name, **mask(params)}
        note = (
            f"What ran since {target.created_at:%d %b %H:%M} UTC. The desired count, the deployment configuration and"
            " the grace period are no part of a revision and stay as they are."
        )
        return planned("ecs:UpdateService", shown, region=service.cluster.region, note=note)

    def preflight(self, service: Service, spec: Spec) -> list[Check]:
        if spec.get("in_flight"):
            return [in_flight_check(service)]
        target = self.target(service, spec)
        images = returning.images_then(service, target)
        arn = target.task_definition_arn
        definition = masked_definition(service, arn) if arn else None
        return [
            # What ran then is compared with what is there now below, image by image.
            *rollout_checks(service, definition, with_images=False, registers=bool(spec.get("pin"))),
            *returning.target_checks(service, target),
            *self.difference_checks(service, spec, target, images),
            *(returning.image_check(item, is_pinning=bool(spec.get("pin"))) for item in images),
        ]

    def difference_checks(
        self, service: Service, spec: Spec, target: ServiceDeployment, images: list[ImageThen]
    ) -> list[Check]:
        """Refuse what would change nothing, and what would change something else than was asked for."""
        if target.task_definition_arn != service.task_definition_arn:
            return []
        name = observe.short(target.task_definition_arn)
        if returning.is_what_runs(service, target):
            text = f"PRIMARY runs {name} with the same images and configuration already. To start its tasks anew, restart the service."
            return [Check("nothing-changes", "Nothing changes", "refuse", text)]
        if spec.get("pin") and all(item.is_pinned or not item.digest for item in images):
            text = "No image of that deployment has a digest that could be pinned."
            return [Check("nothing-to-pin", "Digests", "refuse", text)]
        changes = changes_to(service.facts, returning.revision_of(service, target))
        if not spec.get("pin") and not changes:
            return [Check("same-definition", "Same task definition", "refuse", SAME_DEFINITION)]
        return []

    def step(self, run: Run) -> Next:
        if run.change.spec.get("in_flight"):
            return self.stop(run)
        if run.change.state == State.ROLLING_BACK and not self.has_begun(run):
            return rollout.undo(run, None)
        definition = self.definition(run)
        if isinstance(definition, Next):
            return definition
        call = self.update_call(run, definition)
        if isinstance(call, Next):
            return call
        if run.change.state == State.ROLLING_BACK:
            return rollout.undo(run, call)
        return rollout.roll_out(run, call)

    def can_be_rolled_back(self, change: Change) -> bool:
        return not change.spec.get("in_flight")

    def target(self, service: Service, spec: Spec) -> ServiceDeployment:
        return service.service_deployments.get(pk=spec["service_deployment_id"])

    def has_begun(self, run: Run) -> bool:
        """Whether UpdateService may have been sent."""
        return attempts.latest(run.change, rollout.UPDATE) is not None

    def definition(self, run: Run) -> str | Next:
        """Return the task definition to deploy: that of the target, or our copy of it that names the digests."""
        target = self.target(run.service, run.change.spec)
        if not run.change.spec.get("pin"):
            return target.task_definition_arn
        if arn := run.progress.get("registered_arn"):
            return str(arn)
        old = run.gateway.task_definition(target.task_definition_arn)
        tags = old.pop("tags", [])
        return registering.register(run, pinned_definition(old, target), tags)

    def update_call(self, run: Run, definition: str) -> Call | Next:
        """Return the one UpdateService to the whole revision; read from ECS, because the inventory masks values."""
        params = {"taskDefinition": definition}
        if not self.has_begun(run) or attempts.may_be_made_again(run, rollout.UPDATE):
            found = self.params(run, definition)
            if isinstance(found, Next):
                return found
            params = found
        return rollout.update_call(
            run,
            params,
            lambda item: item.get("taskDefinition") == definition,
            # A forced one would begin a second deployment.
            repeatable="forceNewDeployment" not in params,
            shown=mask(params),
        )

    def params(self, run: Run, definition: str) -> Document | Next:
        target = self.target(run.service, run.change.spec)
        known = returning.revision_of(run.service, target)
        revision = run.gateway.service_revision(target.target_revision_arn) if known else {}
        params = update_params(run.gateway.service(), definition, revision or known)
        if known and not revision and masked_texts(params):
            # What the console kept has a mark where a secret stood, and ECS has forgotten the revision itself.
            text = "ECS no longer describes the service revision that was to be returned to, and what the console kept of it is masked. Nothing was changed."
            return Next(State.FAILED, text)
        return params

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


def pinned_definition(definition: Mapping[str, Any], target: ServiceDeployment) -> Document:
    """Return a definition with its images by the digests that ran; works on plain and on masked ones."""
    digests = {item.get("container"): returning.digest_of(item) for item in target.images}
    containers = [
        {**item, "image": by_digest(str(item.get("image", "")), digests.get(item.get("name"), ""))}
        for item in definition.get("containerDefinitions") or []
    ]
    return {**definition, "containerDefinitions": containers}


def update_params(facts: Mapping[str, Any], definition: str, revision: Mapping[str, Any]) -> Document:
    """Return what UpdateService is sent besides the service's name: the definition, and what of the revision differs."""
    changes = changes_to(facts, revision) if revision else {}
    params = {"taskDefinition": definition, **changes}
    if begins_nothing(changes) and primary_of(facts).get("taskDefinition") == definition:
        # ECS would take the new strategy and move no task to it.
        params["forceNewDeployment"] = True
    return params


def in_flight_check(service: Service) -> Check:
    """Check that there is a deployment to stop."""
    is_rolling = primary_of(service.facts).get("rolloutState") == "IN_PROGRESS"
    if is_rolling and service.facts.get("currentServiceDeployment"):
        return Check("in-flight", "Deployment in flight", "ok", "A service deployment is in progress.")
    text = "No service deployment is in flight; choose one that succeeded to return to."
    return Check("in-flight", "Deployment in flight", "refuse", text)
