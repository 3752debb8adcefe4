"""Deploy: at most one fresh revision, tagged with the change, and one UpdateService with all that is asked for."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from aws import ecs, shapes
from clusters.diff import diff_definitions, diff_group
from clusters.masking import mask
from clusters.models import Service
from deployments import attempts, service_settings, task_definitions
from deployments.attempts import Call
from deployments.definitions import masked_definition
from deployments.deploy_spec import clean_deploy_spec
from deployments.errors import InvalidSpec
from deployments.fingerprint import Base, service_base
from deployments.models import Change
from deployments.plans import WARN, Check, Outline, PlannedCall, planned
from deployments.preflight import rollout_checks
from deployments.returning import active_check
from deployments.rollout_story import cost_of
from deployments.running import Next, Run
from deployments.service_settings import FORCE
from deployments.states import State
from deployments.verbs import registering, rollout
from deployments.verbs.base import Spec

Document = dict[str, Any]
# What of a spec makes another task definition.
OF_DEFINITION = ("containers", "definition", "task")


class Deploy:
    """Registers what the spec makes of the definition that PRIMARY runs, and rolls it out."""

    permission = "service.deploy"
    deadline = rollout.DEADLINE
    takes_slot = True
    goes_first = False

    def clean(self, service: Service, spec: Mapping[str, Any]) -> Spec:
        definition = masked_definition(service, service.task_definition_arn)
        cleaned = clean_deploy_spec(definition, spec, service.facts)
        if cleaned == {"service": {FORCE: True}}:
            raise InvalidSpec({f"service.{FORCE}": "That alone is a restart: ask for a restart."})
        return cleaned

    def title(self, service: Service, spec: Spec) -> str:
        settings = service_settings.names_of(spec.get("service") or {})
        if not makes_definition(spec):
            return f"Change {', '.join(settings)} of {service.name}"
        images = [c["image"] for c in spec.get("containers", {}).values() if "image" in c]
        version = ", ".join(version_of(image) for image in images) or "with new settings"
        return f"Deploy {service.name} {version}"

    def base(self, facts: Mapping[str, Any], spec: Spec) -> Base:
        return service_base(facts)

    def plan(self, service: Service, spec: Spec) -> Outline:
        old, new = definitions_of(service, spec)
        calls = [planned_registration(service, new)] if makes_definition(spec) else []
        calls.append(planned_update(service, spec, old))
        future = with_settings(service, spec)
        settings = diff_group("Service", "service", settings_shown(service), settings_shown(future))
        cost = cost_of(future) if begins_deployment(spec) else {"sentence": SETTINGS_ONLY}
        return Outline(calls, [*diff_definitions(old, new), settings], cost)

    def preflight(self, service: Service, spec: Spec) -> list[Check]:
        old, new = definitions_of(service, spec)
        registers, future = makes_definition(spec), with_settings(service, spec)
        checks = rollout_checks(future, new, registers=registers) if begins_deployment(spec) else []
        if task_definitions.is_same(old, new) and not spec.get("service"):
            text = "The spec is what PRIMARY runs already. To start its tasks anew, restart the service."
            checks.append(Check("nothing-changes", "Nothing changes", "refuse", text))
        if makes_definition(spec):
            checks += unknown_checks(old)
        elif begins_deployment(spec):
            checks.append(active_check(service, service.task_definition_arn))
        return [*checks, *settings_checks(service, spec)]

    def step(self, run: Run) -> Next:
        spec = run.change.spec
        if run.change.state == State.ROLLING_BACK and not has_begun(run):
            return rollout.undo(run, None)
        registered = self.register(run) if makes_definition(spec) else ""
        if isinstance(registered, Next):
            return registered
        # What stands for the definition may be there already when a turn comes; then only the settings decide.
        begins = bool(registered) or service_settings.begins_deployment(spec.get("service") or {})
        is_applied = None if begins else applied(run)
        call = self.update_call(run, registered, is_applied)
        if run.change.state == State.ROLLING_BACK:
            return rollout.undo(run, call)
        return rollout.roll_out(run, call, is_applied)

    def can_be_rolled_back(self, change: Change) -> bool:
        """Whether there is a service deployment that could be stopped."""
        return begins_deployment(change.spec)

    def register(self, run: Run) -> str | Next:
        """Return the ARN of our revision, registering it unless it was; empty when only the service changes."""
        if arn := run.progress.get("registered_arn"):
            return str(arn)
        old = run.gateway.task_definition(run.progress["previous_task_definition_arn"])
        new = task_definitions.apply_spec(old, run.change.spec, task_definitions.plain_entry)
        if not task_definitions.is_same(old, new):
            return registering.register(run, new, new.pop("tags", None) or [])
        if run.change.spec.get("service"):
            return ""
        return Next(State.FAILED, "The spec is what PRIMARY runs already; nothing was registered.")

    def update_call(self, run: Run, registered: str, is_applied: Any) -> Call:
        """Return the one UpdateService: the revision, if there is one, with everything asked of the service."""
        params = update_params(run, registered)
        definition = registered or run.progress["previous_task_definition_arn"]
        return rollout.update_call(
            run,
            params,
            lambda item: item.get("taskDefinition") == definition,
            # Forced, the same call would begin another deployment; a revision of our own makes it known again.
            repeatable=bool(registered) or FORCE not in params,
            shown=mask(params),
            is_applied=is_applied,
        )


SETTINGS_ONLY = "No task starts or stops: ECS applies these settings to what it does from now on."


def makes_definition(spec: Mapping[str, Any]) -> bool:
    return any(spec.get(part) for part in OF_DEFINITION)


def begins_deployment(spec: Mapping[str, Any]) -> bool:
    """Whether ECS begins a service deployment for a spec."""
    return makes_definition(spec) or service_settings.begins_deployment(spec.get("service") or {})


def has_begun(run: Run) -> bool:
    """Whether UpdateService may have been sent."""
    return "registered_arn" in run.progress or attempts.latest(run.change, rollout.UPDATE) is not None


def update_params(run: Run, registered: str) -> Document:
    """Return the parameters beside the names; the present configuration is that of the base, which was compared."""
    configuration = run.change.base.get("deployment_configuration") or {}
    settings = service_settings.update_params(configuration, run.change.spec.get("service") or {})
    return {"taskDefinition": registered, **settings} if registered else settings


def applied(run: Run) -> Any:
    """Return what tells whether a service shows the settings of a change."""
    params = update_params(run, "")
    return lambda facts: service_settings.is_shown(facts, params)


def definitions_of(service: Service, spec: Spec) -> tuple[Document, Document]:
    """Return the present definition and the one that a spec makes of it, both masked."""
    old = masked_definition(service, service.task_definition_arn)
    return old, task_definitions.apply_spec(old, spec, task_definitions.masked_entry)


def with_settings(service: Service, spec: Spec) -> Service:
    """Return a service as it would be with the settings asked for; never to be saved."""
    future = copy.copy(service)
    future.facts = service_settings.planned_facts(service.facts, spec.get("service") or {})
    return future


def settings_shown(service: Service) -> Document:
    """Return the settings of a service as a diff shows them."""
    return dict(mask(service_settings.present_settings(service.facts)))


def planned_registration(service: Service, new: Document) -> PlannedCall:
    params = task_definitions.register_params(
        new, new.get("tags") or [], ecs.register_input_members(), change_id=None
    )
    note = "Read afresh from AWS with this spec applied; values of variables are masked here."
    return planned("ecs:RegisterTaskDefinition", params, region=service.cluster.region, note=note)


def planned_update(service: Service, spec: Spec, old: Document) -> PlannedCall:
    params: Document = {"cluster": service.cluster.name, "service": service.name}
    if makes_definition(spec):
        params["taskDefinition"] = f"{old.get('family', service.name)}:<new revision>"
    configuration = service.facts.get(service_settings.CONFIGURATION) or {}
    settings = mask(service_settings.update_params(configuration, spec.get("service") or {}))
    note = "Nothing else of the service is set."
    if service_settings.CONFIGURATION in settings:
        note = f"{note} The deployment configuration is sent whole: a part could reset the rest of it."
    return planned("ecs:UpdateService", {**params, **settings}, region=service.cluster.region, note=note)


def unknown_checks(old: Document) -> list[Check]:
    """Warn of members that AWS returned and this SDK cannot send: the next revision would be without them."""
    found = shapes.unknown_paths("RegisterTaskDefinition", without_masks(old))
    if not found:
        return []
    names = ", ".join(shapes.spelled(path) for path in found[:3])
    text = f"AWS returns members that the console cannot send, so the new revision would lack them: {names}."
    return [Check("unknown-members", "Members of AWS", WARN, text)]


def without_masks(definition: Document) -> Document:
    """Return a definition without its variables, whose masked form is ours and not AWS's."""
    containers = definition.get("containerDefinitions") or []
    bare = [{key: value for key, value in item.items() if key != "environment"} for item in containers]
    return {**definition, "containerDefinitions": bare}


def settings_checks(service: Service, spec: Spec) -> list[Check]:
    """Warn of settings that take effect later than people expect."""
    settings = spec.get("service") or {}
    checks = []
    if settings.get("enableExecuteCommand") and not begins_deployment(spec):
        text = "Tasks that run now stay without ECS Exec; only those started from now on have it."
        checks.append(Check("exec-later", "ECS Exec", WARN, text))
    if settings.get("healthCheckGracePeriodSeconds") and not service.facts.get("loadBalancers"):
        text = "The service has no load balancer, and ECS may refuse a grace period without one."
        checks.append(Check("grace-unused", "Grace period", WARN, text))
    return checks


def version_of(image: str) -> str:
    """Return what people call an image: its tag, else the start of its digest."""
    if "@" in image:
        return image.rsplit("@", 1)[1].removeprefix("sha256:")[:12]
    name = image.rsplit("/", 1)[-1]
    return name.partition(":")[2] or "latest"
