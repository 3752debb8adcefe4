"""The spec of a task that is run once: how many, and what of the service's definition is overridden, in its one form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from clusters.diff import containers_of
from clusters.masking import mask_words
from deployments.definition_spec import object_in
from deployments.deploy_spec import VARIABLE
from deployments.errors import InvalidSpec
from deployments.sealing import open_sealed, seal
from ecsconsole.numbers import is_number

Spec = dict[str, Any]
Document = dict[str, Any]
# What RunTask takes in one call.
MOST_TASKS = 10
NUMBERS = {"cpu": 1, "memory": 4}
FIELDS = ("command", "environment", *NUMBERS)


def clean_run_spec(definition: Mapping[str, Any], spec: Mapping[str, Any]) -> Spec:
    """Return a spec that fits a definition; commands are sealed, because they may hold secrets. Raises `InvalidSpec`."""
    errors: dict[str, str] = {}
    count = spec.get("count", 1)
    if not is_number(count) or not 1 <= int(count) <= MOST_TASKS:
        errors["count"] = f"Give a number from 1 to {MOST_TASKS}."
    known = containers_of(definition)
    containers: Spec = {}
    for name, wanted in sorted(object_in(spec, "containers", errors).items()):
        if name not in known:
            errors[name] = f"The task definition has no container {name}."
            continue
        parts = clean_override(name, object_in({name: wanted}, name, errors), errors)
        if parts:
            containers[name] = parts
    if errors:
        raise InvalidSpec(errors)
    return {"count": int(count)} | ({"containers": containers} if containers else {})


def clean_override(name: str, wanted: Mapping[str, Any], errors: dict[str, str]) -> Spec:
    for field in wanted:
        if field not in FIELDS:
            # Left out, the task would run as its definition says: a server for a migration.
            errors[f"{name}.{field}"] = f"A task takes {', '.join(FIELDS)} of its own for a container."
    parts: Spec = {}
    if command := wanted.get("command"):
        parts["command"] = sealed_command(command, name, errors)
    environment = {}
    for variable, entry in sorted(object_in(wanted, "environment", errors, f"{name}.").items()):
        if not VARIABLE.fullmatch(variable):
            errors[f"{name}.environment"] = f"{variable[:80]!r} is not a name for a variable."
        elif not isinstance(entry, Mapping) or "sealed" not in entry or "fingerprint" not in entry:
            errors[f"{name}.environment.{variable}"] = f"The value of {variable} was not sealed."
        else:
            environment[variable] = dict(entry)
    for key, least in NUMBERS.items():
        value = wanted.get(key)
        if value in (None, ""):
            continue
        if not is_number(value) or int(value) < least:
            errors[f"{name}.{key}"] = f"Give a whole number of at least {least}."
        else:
            parts[key] = int(value)
    return parts | ({"environment": environment} if environment else {})


def sealed_command(command: Any, name: str, errors: dict[str, str]) -> Spec:
    """Return a command sealed, with its words masked as plans show them."""
    if isinstance(command, Mapping) and "sealed" in command:
        return dict(command)
    if not isinstance(command, list) or not all(isinstance(word, str) for word in command):
        errors[f"{name}.command"] = "Give the command as a list of words."
        return {}
    entry = seal(json.dumps(command))
    return {"sealed": entry["sealed"], "fingerprint": entry["fingerprint"], "words": mask_words(command)}


def overrides_of(spec: Mapping[str, Any], *, masked: bool) -> Document:
    """Return RunTask's overrides: in plain for AWS, masked for plans and records."""
    found = []
    for name, parts in (spec.get("containers") or {}).items():
        override: Document = {"name": name}
        if command := parts.get("command"):
            override["command"] = command["words"] if masked else json.loads(open_sealed(command))
        if environment := parts.get("environment"):
            override["environment"] = [
                {"name": variable, "fingerprint": entry["fingerprint"], "length": entry.get("length")}
                if masked
                else {"name": variable, "value": open_sealed(entry)}
                for variable, entry in environment.items()
            ]
        override |= {key: parts[key] for key in NUMBERS if key in parts}
        found.append(override)
    return {"containerOverrides": found} if found else {}
