"""The spec of a deploy: what may be asked for, in its one form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from aws.shapes import did_you_mean
from clusters.diff import containers_of
from deployments.definition_spec import clean_patch, gather, object_in
from deployments.errors import InvalidSpec
from deployments.merging import BY_VARIABLE, CONTAINERS
from deployments.service_settings import clean_settings
from ecsconsole.numbers import is_number

Spec = dict[str, Any]
# Registry, repository, then a tag, a digest or both, as Docker's reference grammar has it.
IMAGE = re.compile(
    r"[a-zA-Z0-9][a-zA-Z0-9._:-]*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*(:[\w][\w.-]{0,127})?(@sha256:[0-9a-f]{64})?"
)
VARIABLE = re.compile(r"[^\s=\x00-\x1f]{1,255}")
# What a deploy may ask for: fields of containers, the task's size, any member of the definition, settings of the service.
PARTS = ("containers", "task", "definition", "service")
NUMBERS = {"cpu": 0, "memory": 4, "memory_reservation": 4}
LONGEST_IMAGE = 255


def clean_deploy_spec(
    definition: Mapping[str, Any], spec: Mapping[str, Any], facts: Mapping[str, Any] | None = None
) -> Spec:
    """Return a spec that fits a definition and a service, without what it leaves as it is; raises `InvalidSpec`."""
    errors = {key: unknown_part(key) for key in spec if key not in PARTS}
    asked = gather(definition, spec, errors)
    patch, merged = clean_patch(definition, asked, errors)
    variables = containers_of(definition)
    containers = {
        name: {**item, **{key: variables.get(name, {}).get(key) for key in BY_VARIABLE}}
        for name, item in merged.get(CONTAINERS, {}).items()
    }
    cleaned: Spec = {}
    for name, wanted in sorted(asked.containers.items()):
        if name not in containers:
            errors[name] = f"The task definition has no container {name}."
            continue
        parts = clean_container(name, wanted, containers[name], errors)
        if parts:
            cleaned.setdefault("containers", {})[name] = parts
    task = clean_task(asked.task, definition, errors)
    settings = clean_settings(facts or {}, spec.get("service") or {}, errors)
    if errors:
        raise InvalidSpec(errors)
    rest = {"definition": patch, "task": task, "service": settings}
    return cleaned | {key: value for key, value in rest.items() if value}


def unknown_part(key: str) -> str:
    return f"A deploy has no part {key}.{did_you_mean(key, dict.fromkeys(PARTS))}"


def clean_container(
    name: str, wanted: Mapping[str, Any], present: Mapping[str, Any], errors: dict[str, str]
) -> Spec:
    parts: Spec = {}
    image = str(wanted.get("image") or "").strip()
    if "image" in wanted and not isinstance(wanted["image"], str):
        errors[f"{name}.image"] = "A container needs an image, as text in quotes."
    elif image and not (IMAGE.fullmatch(image) and len(image) <= LONGEST_IMAGE):
        errors[f"{name}.image"] = f"{image[:80]} is not an image reference."
    elif image and image != present.get("image"):
        parts["image"] = image
    parts |= clean_numbers(name, wanted, present, errors)
    environment = clean_environment(
        name, object_in(wanted, "environment", errors, f"{name}."), present, errors
    )
    secrets = clean_secrets(name, object_in(wanted, "secrets", errors, f"{name}."), present, errors)
    return (
        parts
        | ({"environment": environment} if environment else {})
        | ({"secrets": secrets} if secrets else {})
    )


def clean_numbers(
    name: str, wanted: Mapping[str, Any], present: Mapping[str, Any], errors: dict[str, str]
) -> Spec:
    """Return the numbers that differ; None takes a limit away."""
    members = {"cpu": "cpu", "memory": "memory", "memory_reservation": "memoryReservation"}
    parts: Spec = {}
    for key, least in NUMBERS.items():
        if key not in wanted:
            continue
        value = wanted[key]
        if value is None or value == "":
            if present.get(members[key]):
                parts[key] = None
            continue
        if not is_number(value) or int(value) < least:
            errors[f"{name}.{key}"] = f"Give a whole number of at least {least}."
        elif int(value) != present.get(members[key]):
            parts[key] = int(value)
    return parts


def clean_environment(
    name: str, wanted: Mapping[str, Any], present: Mapping[str, Any], errors: dict[str, str]
) -> Spec:
    """Return the variables that differ, by the fingerprints of their values; None removes one."""
    now = {entry["name"]: entry.get("fingerprint") for entry in present.get("environment") or []}
    parts: Spec = {}
    for variable, entry in sorted(wanted.items()):
        if not VARIABLE.fullmatch(variable):
            errors[f"{name}.environment"] = f"{variable[:80]!r} is not a name for a variable."
        elif entry is None:
            if variable in now:
                parts[variable] = None
        elif not isinstance(entry, Mapping) or "sealed" not in entry or "fingerprint" not in entry:
            errors[f"{name}.environment.{variable}"] = f"The value of {variable} was not sealed."
        elif entry["fingerprint"] != now.get(variable):
            parts[variable] = dict(entry)
    return parts


def clean_secrets(
    name: str, wanted: Mapping[str, Any], present: Mapping[str, Any], errors: dict[str, str]
) -> Spec:
    """Return the secrets that differ; None removes one."""
    now = {entry["name"]: entry.get("valueFrom") for entry in present.get("secrets") or []}
    parts: Spec = {}
    for variable, value_from in sorted(wanted.items()):
        if not VARIABLE.fullmatch(variable):
            errors[f"{name}.secrets"] = f"{variable[:80]!r} is not a name for a variable."
        elif value_from is None:
            if variable in now:
                parts[variable] = None
        elif not isinstance(value_from, str) or not value_from.strip():
            errors[f"{name}.secrets.{variable}"] = f"Say from where {variable} is read."
        elif value_from.strip() != now.get(variable):
            parts[variable] = value_from.strip()
    return parts


def clean_task(wanted: Mapping[str, Any], present: Mapping[str, Any], errors: dict[str, str]) -> Spec:
    """Return the size of the task where it differs, in ECS's own strings; None takes it away."""
    parts: Spec = {}
    for key in ("cpu", "memory"):
        value = str(wanted.get(key) or "").strip()
        if key in wanted and wanted[key] is None and present.get(key):
            parts[key] = None
        elif value and not is_number(value):
            errors[f"task.{key}"] = "Give a whole number."
        elif value and value != str(present.get(key) or ""):
            parts[key] = value
    return parts
