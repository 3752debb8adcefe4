"""The free part of a deploy's spec: any member of a task definition, as a merge document checked against the SDK."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aws import shapes
from clusters.diff import OUTPUT_ONLY
from deployments.errors import ChangeRefused
from deployments.leaves import (
    is_leaf,
    keep_words,
    masked_texts,
    misplaced_words,
    open_leaves,
    seal_leaves,
    show_leaves,
)
from deployments.merging import CONTAINERS, by_name, difference, in_order, merge, without_variables
from deployments.sealing import open_sealed, seal
from deployments.task_definitions import kept_tags

Document = dict[str, Any]
Errors = dict[str, str]
REGISTER = "RegisterTaskDefinition"
# Members of a container that a spec keeps on their own, because plans, checks and risk cues look at them.
OWN = {"image": "image", "cpu": "cpu", "memory": "memory", "memoryReservation": "memory_reservation"}
FIELDS = frozenset({*OWN.values(), "environment", "secrets"})
SIZE = ("cpu", "memory")
HIDDEN_BY_PLACE = (
    "A value here is hidden because of the option before it, and would be shown where it stands now:"
    " leave it behind that option, or type the value."
)
SEAL_AGAIN = "This value was not sealed by this console: type it again."


@dataclass(slots=True)
class Asked:
    """What a spec asks for, sorted by how it is kept: a merge document, fields of containers, the task's size."""

    patch: Document
    containers: dict[str, Document] = field(default_factory=dict)
    task: Document = field(default_factory=dict)
    # Where a member of the merge document was written as a field of its container.
    written: dict[tuple[str, str], str] = field(default_factory=dict)


def members_of_containers() -> dict[str, str]:
    """Return the members of a container by their names in a spec: `entry_point` is `entryPoint`."""
    return shapes.snake_names(REGISTER, CONTAINERS, "")


def gather(definition: Mapping[str, Any], spec: Mapping[str, Any], errors: Errors) -> Asked:
    """Sort what a spec asks for by how it is kept."""
    document = object_in(spec, "definition", errors)
    patch = {key: value for key, value in document.items() if key not in OUTPUT_ONLY}
    asked = Asked(patch, task=dict(object_in(spec, "task", errors)))
    patch[CONTAINERS] = named_containers(patch.get(CONTAINERS), errors)
    take_family(patch, definition, errors)
    for key in SIZE:
        if key in patch:
            settle(asked.task, key, patch.pop(key), f"task.{key}", errors)
    take_fields(asked, object_in(spec, "containers", errors), errors)
    present = by_name(definition)[CONTAINERS]
    for name, container in patch[CONTAINERS].items():
        if isinstance(container, Mapping):
            patch[CONTAINERS][name] = take_own(asked, name, dict(container), present.get(name), errors)
    return asked


def object_in(parts: Mapping[str, Any], key: str, errors: Errors, owner: str = "") -> Mapping[str, Any]:
    """Return a part that is an object, empty where it is left out; anything else is an error at its place."""
    part = parts.get(key)
    if part is None or isinstance(part, Mapping):
        return part or {}
    errors[f"{owner}{key}"] = f"What is asked of {key} is an object, in braces."
    return {}


def named_containers(given: Any, errors: Errors) -> Document:
    """Return the containers of a merge document by name; both a list and an object are taken."""
    if given is None:
        return {}
    if isinstance(given, Mapping):
        return {name: dict(item) if isinstance(item, Mapping) else item for name, item in given.items()}
    if not isinstance(given, list):
        errors[f"definition.{CONTAINERS}"] = "The containers are a list, in square brackets."
        return {}
    found: Document = {}
    for index, item in enumerate(given):
        name = item.get("name") if isinstance(item, Mapping) else None
        if not isinstance(name, str) or not name:
            errors[f"definition.{CONTAINERS}[{index}]"] = "Each container is an object with its name."
        elif name in found:
            errors[f"definition.{CONTAINERS}[{index}].name"] = f"There are two containers {name}."
        else:
            found[name] = dict(item)
    return found


def take_family(patch: Document, definition: Mapping[str, Any], errors: Errors) -> None:
    """Leave the family as it is: another one would be another task definition, whose revisions nobody looks for."""
    if patch.pop("family", definition.get("family")) != definition.get("family"):
        errors["definition.family"] = f"A deploy registers in the family {definition.get('family')}."


def take_fields(asked: Asked, containers: Mapping[str, Any], errors: Errors) -> None:
    """Take the fields that were given by container; what is not kept on its own goes into the merge document."""
    known = members_of_containers()
    for name, wanted in containers.items():
        if not isinstance(wanted, Mapping):
            errors[name] = f"What is asked of {name} is an object."
            continue
        for key, value in wanted.items():
            if key in FIELDS:
                asked.containers.setdefault(name, {})[key] = value
            elif key in known and key != "name":
                container = asked.patch[CONTAINERS].setdefault(name, {})
                if not isinstance(container, dict):
                    errors[f"{name}.{key}"] = f"{name} is taken away in the definition."
                    continue
                settle(container, known[key], value, f"{name}.{key}", errors)
                asked.written[name, known[key]] = f"{name}.{key}"
            else:
                near = shapes.did_you_mean(key, dict.fromkeys([*known, *FIELDS]))
                errors[f"{name}.{key}"] = f"A container has no field {key}.{near}"


def take_own(
    asked: Asked, name: str, container: Document, present: Mapping[str, Any] | None, errors: Errors
) -> Document:
    """Move what is kept on its own out of a container's part of the merge document; return the rest of it."""
    where = f"definition.{CONTAINERS}.{name}"
    if container.pop("name", name) != name:
        errors[f"{where}.name"] = (
            "A container keeps its name; add one of the new name and remove the old one."
        )
    fields: Document = {}
    if "environment" in container:
        fields["environment"] = read_environment(container.pop("environment"), present, where, errors)
    if "secrets" in container:
        fields["secrets"] = read_secrets(container.pop("secrets"), present, where, errors)
    if present is not None:
        fields |= {key: container.pop(member) for member, key in OWN.items() if member in container}
    for key, value in fields.items():
        given = asked.containers.setdefault(name, {})
        if key in ("environment", "secrets"):
            given[key] = {**value, **(given.get(key) or {})}
        else:
            settle(given, key, value, f"{name}.{key}", errors)
    return container


def settle(known: Document, key: str, value: Any, where: str, errors: Errors) -> None:
    """Put a value where it is kept, unless another one is asked for at the same time; objects are put together."""
    if key not in known:
        known[key] = value
    elif is_object(known[key]) and is_object(value):
        known[key] = dict(known[key])
        for name, item in value.items():
            settle(known[key], name, item, where, errors)
    elif not agree(known[key], value):
        errors[where] = "Two different values are asked for: one by its field, one in the definition."


def is_object(value: Any) -> bool:
    return isinstance(value, Mapping) and not is_leaf(value)


def agree(one: Any, other: Any) -> bool:
    """Whether two values are the same; what is sealed is so by what it holds."""
    try:
        return str(open_leaves(one)) == str(open_leaves(other))
    except ChangeRefused:
        return False


def read_environment(
    given: Any, present: Mapping[str, Any] | None, where: str, errors: Errors
) -> dict[str, Document | None]:
    """Return a whole environment as what becomes of each variable; what is not in it is removed."""
    now = {item["name"]: item for item in (present or {}).get("environment") or []}
    wanted: dict[str, Document | None] = dict.fromkeys(now)
    for name, item in named_entries(given, f"{where}.environment", errors).items():
        wanted.pop(name, None)
        key = f"{where}.environment.{name}"
        value = item.get("value", {"keep": True} if item.get("fingerprint") else "")
        if isinstance(value, str):
            wanted[name] = seal(value)
        elif isinstance(value, Mapping) and value.get("keep"):
            if name not in now:
                errors[key] = f"{name} has no value that could be kept: type one."
        elif isinstance(value, Mapping) and "sealed" in value:
            try:
                wanted[name] = {**seal(open_sealed(str(value["sealed"]))), "sealed": value["sealed"]}
            except ChangeRefused:
                errors[key] = SEAL_AGAIN
        else:
            errors[key] = f"The value of {name} is text in quotes."
    return wanted


def read_secrets(
    given: Any, present: Mapping[str, Any] | None, where: str, errors: Errors
) -> dict[str, str | None]:
    """Return a whole list of secrets as what becomes of each; what is not in it is removed."""
    wanted: dict[str, str | None] = {item["name"]: None for item in (present or {}).get("secrets") or []}
    for name, item in named_entries(given, f"{where}.secrets", errors).items():
        if isinstance(item.get("valueFrom"), str):
            wanted[name] = item["valueFrom"]
        else:
            errors[f"{where}.secrets.{name}"] = f"Say in valueFrom from where {name} is read."
    return wanted


def named_entries(given: Any, where: str, errors: Errors) -> dict[str, Mapping[str, Any]]:
    """Return entries by name; None is an empty list."""
    if not isinstance(given, list | None):
        errors[where] = "This is a list of objects, in square brackets."
        return {}
    found: dict[str, Mapping[str, Any]] = {}
    for index, item in enumerate(given or []):
        name = item.get("name") if isinstance(item, Mapping) else None
        if not isinstance(name, str) or not name:
            errors[f"{where}[{index}]"] = "Each entry is an object with its name."
        elif name in found:
            errors[f"{where}[{index}].name"] = f"{name} stands here twice."
        else:
            found[name] = item
    return found


def base_of(definition: Mapping[str, Any]) -> Document:
    """Return what a merge document is applied to: what registering takes, containers by name, no variables."""
    known = shapes.known_part(REGISTER, definition)
    known["tags"] = kept_tags(definition.get("tags") or [])
    return without_variables(by_name(known))


def clean_patch(definition: Mapping[str, Any], asked: Asked, errors: Errors) -> tuple[Document, Document]:
    """Return the smallest merge document that says what is asked, and the definition that it makes, by name."""
    base = base_of(definition)
    try:
        opened = open_leaves(asked.patch)
    except ChangeRefused:
        errors["definition"] = SEAL_AGAIN
        return {}, base
    found = problems_of(merge(base, opened), asked)
    errors.update(found)
    if found:
        return {}, base
    sealed = {key: seal_leaves({key: value})[key] for key, value in opened.items() if key != CONTAINERS}
    containers = {name: seal_leaves(container) for name, container in opened[CONTAINERS].items()}
    wanted = merge(base, {**sealed, CONTAINERS: containers})
    patch = keep_words(difference(base, wanted, show_leaves), base)
    for path in masked_texts(patch):
        errors[key_of(path, asked)] = (
            "This stands for a value that the console does not show: type the value."
        )
    for path in misplaced_words(patch, base):
        errors[key_of(path, asked)] = HIDDEN_BY_PLACE
    return patch, show_leaves(wanted)


def problems_of(merged: Document, asked: Asked) -> Errors:
    """Return what the SDK's model finds wrong, by the fields in which it was written."""
    names = list(merged.get(CONTAINERS) or {})
    if wrong := [name for name in names if not isinstance(merged[CONTAINERS][name], Mapping)]:
        return {f"definition.{CONTAINERS}.{name}": "A container is an object, in braces." for name in wrong}
    found = {
        f"definition.{CONTAINERS}.{name}": f"{name} is no container yet, so it needs an image."
        for name in names
        if not merged[CONTAINERS][name].get("image")
    }
    for problem in shapes.problems_of(REGISTER, in_order(merged)):
        path = problem.path
        if path[:1] == (CONTAINERS,) and len(path) > 1 and isinstance(path[1], int):
            path = (CONTAINERS, names[path[1]], *path[2:])
        found.setdefault(key_of(path, asked), problem.text)
    return found


def key_of(path: shapes.Path, asked: Asked) -> str:
    """Return the field of a path: where it was written."""
    if path[:1] == (CONTAINERS,) and len(path) > 2:
        written = asked.written.get((str(path[1]), str(path[2])))
        if written:
            return written
    return f"definition.{shapes.spelled(path)}" if path else "definition"
