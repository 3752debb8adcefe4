"""JSON merge documents (RFC 7396) of task definitions: members replace, null removes, containers go by their name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Document = dict[str, Any]
CONTAINERS = "containerDefinitions"
# What a spec keeps by the names of variables, because its values are sealed one by one.
BY_VARIABLE = ("environment", "secrets")


def merge(present: Any, patch: Any) -> Any:
    """Return a value with a merge document applied; neither is touched."""
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(present) if isinstance(present, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value)
    return merged


def difference(old: Any, new: Any, seen: Callable[[Any], Any] = lambda value: value) -> Any:
    """Return the smallest merge document that makes `new` of `old`; empty members are as good as absent.

    `seen` turns what stands in `new` into what it is to be compared by.
    """
    old, new = normal(old), normal(new)
    if not (isinstance(old, Mapping) and isinstance(new, Mapping)):
        return new
    patch: Document = {key: None for key in old if key not in new}
    for key, value in new.items():
        if seen(value) != old.get(key):
            patch[key] = difference(old[key], value, seen) if key in old else value
    return patch


def normal(value: Any) -> Any:
    """Return a value without its empty members."""
    if isinstance(value, Mapping):
        members = {key: normal(item) for key, item in value.items()}
        return {key: item for key, item in members.items() if item not in (None, [], {}, "")}
    return [normal(item) for item in value] if isinstance(value, list) else value


def by_name(definition: Mapping[str, Any]) -> Document:
    """Return a definition with its containers as an object by name."""
    containers = {str(item.get("name", "")): dict(item) for item in definition.get(CONTAINERS) or []}
    return {**definition, CONTAINERS: containers}


def in_order(definition: Mapping[str, Any]) -> Document:
    """Return a definition with its containers as a list again, each with its name."""
    containers = definition.get(CONTAINERS) or {}
    return {**definition, CONTAINERS: [{"name": name, **item} for name, item in containers.items()]}


def without_variables(definition: Mapping[str, Any]) -> Document:
    """Return a definition by name without environment and secrets."""
    containers = {
        name: {key: value for key, value in item.items() if key not in BY_VARIABLE}
        for name, item in (definition.get(CONTAINERS) or {}).items()
    }
    return {**definition, CONTAINERS: containers}
