"""New task definition revisions: what a spec makes of the present one, and what is sent to register it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from typing import Any

from aws import shapes
from deployments.leaves import open_leaves, restore_words, show_leaves
from deployments.merging import by_name, in_order, merge, normal
from deployments.sealing import open_sealed

Document = dict[str, Any]
TAG = "ecsconsole:change"
# Spec key to ECS member; numbers of a container, in CPU units and MiB.
NUMBERS = {"cpu": "cpu", "memory": "memory", "memory_reservation": "memoryReservation"}
# AWS keeps tags of this prefix for itself and refuses to take them back.
RESERVED = "aws:"


def plain_entry(name: str, entry: Mapping[str, Any]) -> Document:
    """Return an environment entry for AWS."""
    return {"name": name, "value": open_sealed(entry)}


def masked_entry(name: str, entry: Mapping[str, Any]) -> Document:
    """Return an environment entry for a plan, in the form in which the inventory keeps it."""
    return {"name": name, "fingerprint": entry["fingerprint"], "length": entry.get("length")}


def apply_spec(
    definition: Mapping[str, Any],
    spec: Mapping[str, Any],
    entry_of: Callable[[str, Mapping[str, Any]], Document],
) -> Document:
    """Return a definition with a deploy's spec applied; works on plain and on masked ones by `entry_of`."""
    changed = deepcopy(dict(definition))
    if spec.get("definition"):
        present, patch = by_name(changed), spec["definition"]
        if entry_of is plain_entry:
            patch = open_leaves(restore_words(patch, present))
        changed = in_order(merge(present, show_leaves(patch)))
    changed.update(spec.get("task") or {})
    wanted = spec.get("containers") or {}
    for container in changed.get("containerDefinitions") or []:
        if container.get("name") in wanted:
            apply_to_container(container, wanted[container["name"]], entry_of)
    return changed


def apply_to_container(
    container: Document, wanted: Mapping[str, Any], entry_of: Callable[[str, Mapping[str, Any]], Document]
) -> None:
    if "image" in wanted:
        container["image"] = wanted["image"]
    for key, member in NUMBERS.items():
        if key in wanted:
            put(container, member, wanted[key])
    if wanted.get("environment"):
        entries = {
            name: None if entry is None else entry_of(name, entry)
            for name, entry in wanted["environment"].items()
        }
        container["environment"] = merge_named(container.get("environment") or [], entries)
    if wanted.get("secrets"):
        entries = {
            name: None if arn is None else {"name": name, "valueFrom": arn}
            for name, arn in wanted["secrets"].items()
        }
        container["secrets"] = merge_named(container.get("secrets") or [], entries)


def put(container: Document, member: str, value: int | None) -> None:
    """Set a member; None removes it."""
    if value is None:
        container.pop(member, None)
    else:
        container[member] = value


def merge_named(
    present: Iterable[Mapping[str, Any]], wanted: Mapping[str, Document | None]
) -> list[Document]:
    """Return named entries with some replaced in their place, some removed and new ones at the end."""
    merged: list[Document] = []
    left = dict(wanted)
    for entry in present:
        name = entry["name"]
        if name not in left:
            merged.append(dict(entry))
        elif (replacement := left.pop(name)) is not None:
            merged.append(replacement)
    return [*merged, *(entry for entry in left.values() if entry is not None)]


def is_same(old: Any, new: Any) -> bool:
    """Whether two definitions say the same; empty members are as good as absent."""
    return bool(normal(old) == normal(new))


def register_params(
    definition: Mapping[str, Any],
    tags: Iterable[Mapping[str, str]],
    members: Iterable[str],
    change_id: int | None,
) -> Document:
    """Return the input of RegisterTaskDefinition: only members that it takes, with the tags and our own beside them.

    Describing a definition returns members that registering refuses, and AWS adds such members over time; so
    what is sent is chosen from the SDK's own list of inputs, at every depth.
    """
    allowed = set(members) - {"tags"}
    definition = shapes.known_part("RegisterTaskDefinition", definition)
    params = {
        key: value for key, value in definition.items() if key in allowed and value not in (None, [], "")
    }
    own = {"key": TAG, "value": str(change_id) if change_id else "<number of this change>"}
    return {**params, "tags": [*kept_tags(tags), own]}


def kept_tags(tags: Iterable[Mapping[str, str]]) -> list[Document]:
    """Return the tags that a revision hands on to the next: all but AWS's own and ours."""
    return [dict(tag) for tag in tags if tag["key"] != TAG and not tag["key"].startswith(RESERVED)]


def change_of(tags: Iterable[Mapping[str, str]]) -> str:
    """Return the number of the change that registered a revision, empty for one from outside the console."""
    return next((tag.get("value", "") for tag in tags if tag.get("key") == TAG), "")
