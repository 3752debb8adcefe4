"""From the words of a request to the spec of a change; values of variables are sealed on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from api.schemas import Wish
from clusters.diff import containers_of
from clusters.models import Service, ServiceDeployment
from deployments import image_reference
from deployments.definition_spec import object_in
from deployments.definitions import masked_definition
from deployments.errors import InvalidSpec
from deployments.image_reference import NotAReferenceError
from deployments.models import Kind
from deployments.queries import rollback_candidates, rollout_in_flight
from deployments.sealing import seal
from deployments.verbs.scale import BOUNDS

Spec = dict[str, Any]
# The fields of a request that are a short way to write the spec of one kind.
SHORT = {
    "images": Kind.DEPLOY,
    "desired_count": Kind.SCALE,
    "service_deployment": Kind.ROLLBACK,
    "task": Kind.STOP_TASK,
}
# What a spec of each kind may say; a deploy looks at its own parts.
PARTS = {
    Kind.RESTART: (),
    Kind.SCALE: ("desired_count", *BOUNDS),
    Kind.ROLLBACK: ("service_deployment_id", "in_flight", "pin"),
    Kind.STOP_TASK: ("task_id",),
    Kind.RUN_TASK: ("count", "containers"),
    Kind.CONTINUE: ("service_deployment_arn", "hook_id", "stage", "action"),
}


def spec_of(service: Service, wish: Wish) -> Spec:
    """Return the spec that a request asks for; raises `InvalidSpec`."""
    check_meant(wish)
    # A deploy seals the values of its `definition` itself, because it alone knows which of them are kept.
    whole = {
        key: wish.spec[key] for key in ("definition",) if key in wish.spec and str(wish.kind) == Kind.DEPLOY
    }
    spec = {**sealed({key: part for key, part in wish.spec.items() if key not in whole}, "spec"), **whole}
    maker = MAKERS.get(wish.kind)
    return maker(service, wish, spec) if maker else spec


def check_meant(wish: Wish) -> None:
    """Raise for what this kind of change would leave out: half of a request must not be done as if it were all."""
    errors = {
        name: f"This goes with a change of kind {kind}, not {wish.kind}."
        for name, kind in SHORT.items()
        if getattr(wish, name) not in (None, "", {}) and wish.kind != kind
    }
    parts = PARTS.get(Kind(wish.kind))
    if parts is not None:
        words = f"A {wish.kind} takes {', '.join(parts)} in its spec." if parts else "It takes no spec."
        errors |= {f"spec.{name}": words for name in wish.spec if name not in parts}
    if errors:
        raise InvalidSpec(errors)


def deploy_spec(service: Service, wish: Wish, spec: Spec) -> Spec:
    """Put the images into the containers of the spec; a bare tag or digest is one of the present repository."""
    definition = masked_definition(service, service.task_definition_arn)
    present = {name: str(item.get("image", "")) for name, item in containers_of(definition).items()}
    errors: dict[str, str] = {}
    containers = dict(object_in(spec, "containers", errors))
    for name, typed in wish.images.items():
        try:
            image = image_reference.complete(typed, present[name]) if name in present else typed
        except NotAReferenceError as error:
            errors[f"images.{name}"] = str(error)
            continue
        containers[name] = {**object_in(containers, name, errors), "image": image}
    if errors:
        raise InvalidSpec(errors)
    return {**spec, "containers": containers} if containers else spec


def scale_spec(service: Service, wish: Wish, spec: Spec) -> Spec:
    return spec if wish.desired_count is None else {**spec, "desired_count": wish.desired_count}


def rollback_spec(service: Service, wish: Wish, spec: Spec) -> Spec:
    """Say what to go back to: what was named, else out of what is in flight, else to the last success."""
    if wish.service_deployment:
        target = ServiceDeployment.objects.filter(service=service, arn=wish.service_deployment).first()
        if target is None:
            raise InvalidSpec(
                {"service_deployment": f"{service.name} has no service deployment of this ARN."}
            )
        return {**spec, "service_deployment_id": target.pk}
    if spec:
        return spec
    if rollout_in_flight(service):
        return {"in_flight": True}
    candidates = rollback_candidates(service)
    if not candidates:
        text = "Nothing rolls out, and no earlier success of another task definition is known to return to."
        raise InvalidSpec({"service_deployment": text})
    return {"service_deployment_id": candidates[0].pk}


def stop_spec(service: Service, wish: Wish, spec: Spec) -> Spec:
    return {**spec, "task_id": wish.task.rsplit("/", 1)[-1]} if wish.task else spec


MAKERS: dict[str, Callable[[Service, Wish, Spec], Spec]] = {
    Kind.DEPLOY: deploy_spec,
    Kind.SCALE: scale_spec,
    Kind.ROLLBACK: rollback_spec,
    Kind.STOP_TASK: stop_spec,
}


def sealed(value: Any, place: str) -> Any:
    """Return a part of a spec with every `environment` in it sealed."""
    if isinstance(value, Mapping):
        return {
            key: sealed_environment(member, f"{place}.{key}")
            if key == "environment" and isinstance(member, Mapping | list)
            else sealed(member, f"{place}.{key}")
            for key, member in value.items()
        }
    return [sealed(item, place) for item in value] if isinstance(value, list) else value


def sealed_environment(value: Any, place: str) -> Spec:
    """Seal the values of variables, given by name or as ECS's list of name and value; null removes one."""
    entries = value
    if isinstance(value, list):
        if not all(isinstance(item, Mapping) and isinstance(item.get("name"), str) for item in value):
            raise InvalidSpec({place: "Each variable is an object with name and value."})
        entries = {item["name"]: item.get("value") for item in value}
    wrong = [name for name, text in entries.items() if text is not None and not isinstance(text, str)]
    if wrong:
        raise InvalidSpec(
            {f"{place}.{name}": "A value is a text, or null to remove the variable." for name in wrong}
        )
    return {name: None if text is None else seal(text) for name, text in entries.items()}
