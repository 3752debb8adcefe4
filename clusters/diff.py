"""What differs between two task definition revisions, in groups that people think in."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# ECS adds these when it registers; they differ between any two revisions and say nothing about what runs.
OUTPUT_ONLY = frozenset(
    {
        "taskDefinitionArn",
        "revision",
        "status",
        "requiresAttributes",
        "compatibilities",
        "registeredAt",
        "registeredBy",
        "deregisteredAt",
        "deleteRequestedAt",
    }
)
# What names an item of a list, so that a moved item is no change.
IDENTITIES: Mapping[str, tuple[str, ...]] = {
    "environment": ("name",),
    "secrets": ("name",),
    "secretOptions": ("name",),
    "portMappings": ("containerPort", "protocol"),
    "mountPoints": ("containerPath",),
    "volumesFrom": ("sourceContainer",),
    "dependsOn": ("containerName",),
    "ulimits": ("name",),
    "systemControls": ("namespace",),
    "extraHosts": ("hostname",),
    "environmentFiles": ("value",),
    "volumes": ("name",),
    "resourceRequirements": ("type",),
    "loadBalancers": ("targetGroupArn", "loadBalancerName"),
    "capacityProviderStrategy": ("capacityProvider",),
    "serviceRegistries": ("registryArn",),
}
# What people look for first stands first; the rest follows by name.
ORDER = ("image", "cpu", "memory", "memoryReservation", "essential", "command", "entryPoint", "portMappings")
LAST = ("environment", "secrets")
CONTEXT = 2
SAME, CHANGED, ADDED, REMOVED = "same", "changed", "added", "removed"


@dataclass(frozen=True, slots=True)
class Value:
    """One value as text, cut into what both sides share and what differs; masked ones carry no text of their own."""

    text: str
    before: str = ""
    marked: str = ""
    after: str = ""
    is_masked: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One field on both sides; a fold stands for `folded` unchanged fields."""

    kind: str
    name: str = ""
    old: Value | None = None
    new: Value | None = None
    old_number: int | None = None
    new_number: int | None = None
    folded: int = 0

    @property
    def is_changed(self) -> bool:
        return self.kind not in (SAME, "fold")


@dataclass(frozen=True, slots=True)
class Group:
    """The task itself, or one container; unchanged stretches are folded into visible gaps."""

    title: str
    kind: str
    rows: list[Row]
    changed_count: int
    masked_count: int
    masked_changed_count: int

    @property
    def is_changed(self) -> bool:
        return self.changed_count > 0

    @property
    def is_container(self) -> bool:
        return self.kind.startswith("container")

    @property
    def is_added(self) -> bool:
        return self.kind.endswith(ADDED)

    @property
    def is_removed(self) -> bool:
        return self.kind.endswith(REMOVED)


@dataclass(frozen=True, slots=True)
class Leaf:
    """A value at the end of a path; masked ones are compared by fingerprint."""

    text: str
    key: str
    is_masked: bool = False


def diff_definitions(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Group]:
    """Return the groups of two masked definitions: the task first, then containers in their order."""
    groups = [diff_group("Task", "task", task_fields(old), task_fields(new))]
    before, after = containers_of(old), containers_of(new)
    names = [*before, *(name for name in after if name not in before)]
    groups += [diff_group(name, "container", before.get(name), after.get(name)) for name in names]
    return groups


def task_fields(definition: Mapping[str, Any]) -> dict[str, Any]:
    """Return what belongs to the task as a whole."""
    skipped = OUTPUT_ONLY | {"containerDefinitions"}
    return {key: value for key, value in definition.items() if key not in skipped}


def containers_of(definition: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the containers by name."""
    containers = definition.get("containerDefinitions") or []
    # The name is the title of the group already.
    return {str(item.get("name", "")): {**item, "name": None} for item in containers}


def diff_group(title: str, kind: str, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> Group:
    """Compare one group; None means that the side has no such container."""
    before, after = leaves_of(old or {}), leaves_of(new or {})
    rows = list(compare(before, after))
    masked = [row for row in rows if is_masked(row)]
    group_kind = kind
    if old is None or new is None:
        group_kind = f"{kind} {ADDED if old is None else REMOVED}"
    return Group(
        title=title,
        kind=group_kind,
        rows=fold(rows),
        changed_count=sum(row.is_changed for row in rows),
        masked_count=len(masked),
        masked_changed_count=sum(row.is_changed for row in masked),
    )


def is_masked(row: Row) -> bool:
    return any(value.is_masked for value in (row.old, row.new) if value)


def leaves_of(fields: Mapping[str, Any]) -> dict[str, Leaf]:
    """Return every value by its path, in the order in which people read a definition."""
    leaves: dict[str, Leaf] = {}
    for key in sorted(fields, key=rank):
        for path, leaf in walk(key, key, fields[key]):
            leaves[path] = leaf
    return leaves


def rank(key: str) -> tuple[int, int, str]:
    if key in ORDER:
        return (0, ORDER.index(key), key)
    return (2, LAST.index(key), key) if key in LAST else (1, 0, key)


def walk(path: str, key: str, value: Any) -> Iterator[tuple[str, Leaf]]:
    """Yield the leaves below a value; empty values are as good as absent."""
    if value is None or value in ({}, [], ""):
        return
    if isinstance(value, Mapping):
        for name in sorted(value):
            yield from walk(f"{path}.{name}", name, value[name])
    elif isinstance(value, list) and key in IDENTITIES and all(isinstance(item, Mapping) for item in value):
        yield from walk_named(path, key, value)
    else:
        text = json.dumps(value, ensure_ascii=False)
        yield path, Leaf(text, text)


def walk_named(path: str, key: str, items: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Leaf]]:
    """Yield one leaf for each item of a list whose items have names, sorted by them."""
    named = sorted(
        (tuple(str(item.get(part, "")) for part in IDENTITIES[key]), n, item) for n, item in enumerate(items)
    )
    seen: dict[str, int] = {}
    for identity, _, item in named:
        label = "/".join(part for part in identity if part)
        seen[label] = seen.get(label, 0) + 1
        again = f" ({seen[label]})" if seen[label] > 1 else ""
        yield f"{path}.{label}{again}", leaf_of_item(item, IDENTITIES[key])


def leaf_of_item(item: Mapping[str, Any], identity: Sequence[str]) -> Leaf:
    """Return an item without its name; a masked value shows its length and compares by fingerprint."""
    if "fingerprint" in item:
        length = item.get("length")
        text = (
            "masked" if length is None else f"masked, {length} {'character' if length == 1 else 'characters'}"
        )
        return Leaf(text, str(item["fingerprint"]), is_masked=True)
    rest = {key: value for key, value in sorted(item.items()) if key not in identity or key == "value"}
    if set(rest) == {"valueFrom"}:
        return Leaf(str(rest["valueFrom"]), str(rest["valueFrom"]))
    text = ", ".join(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in rest.items())
    return Leaf(text or "set", text)


def compare(before: Mapping[str, Leaf], after: Mapping[str, Leaf]) -> Iterator[Row]:
    """Yield a row for each path of either side, in one order."""
    old_number = new_number = 0
    for path in merge(list(before), list(after)):
        old, new = before.get(path), after.get(path)
        old_number += old is not None
        new_number += new is not None
        old_value, new_value = values_of(old, new)
        yield Row(
            kind=kind_of(old, new),
            name=path,
            old=old_value,
            new=new_value,
            old_number=old_number if old else None,
            new_number=new_number if new else None,
        )


def merge(before: Sequence[str], after: Sequence[str]) -> list[str]:
    """Merge two orders: paths of the new side go where they stand among their neighbours."""
    merged = list(before)
    known = set(before)
    previous = -1
    for path in after:
        if path in known:
            previous = merged.index(path)
            continue
        merged.insert(previous + 1, path)
        previous += 1
    return merged


def kind_of(old: Leaf | None, new: Leaf | None) -> str:
    if old is None:
        return ADDED
    if new is None:
        return REMOVED
    return SAME if (old.key, old.is_masked) == (new.key, new.is_masked) else CHANGED


def values_of(old: Leaf | None, new: Leaf | None) -> tuple[Value | None, Value | None]:
    """Return both sides as text, with the differing middle marked when both exist."""
    if old and new and not (old.is_masked or new.is_masked) and old.text != new.text:
        head, tail = shared_ends(old.text, new.text)
        return cut(old.text, head, tail), cut(new.text, head, tail)
    return plain(old), plain(new)


def plain(leaf: Leaf | None) -> Value | None:
    return Value(leaf.text, before=leaf.text, is_masked=leaf.is_masked) if leaf else None


def cut(text: str, head: int, tail: int) -> Value:
    end = len(text) - tail
    return Value(text, before=text[:head], marked=text[head:end], after=text[end:])


def shared_ends(old: str, new: str) -> tuple[int, int]:
    """Return how many characters two texts share at the start and, beyond that, at the end."""
    shortest = min(len(old), len(new))
    head = next((n for n in range(shortest) if old[n] != new[n]), shortest)
    limit = shortest - head
    tail = next((n for n in range(limit) if old[-1 - n] != new[-1 - n]), limit)
    return head, tail


def fold(rows: Sequence[Row]) -> list[Row]:
    """Replace long unchanged stretches by one row that says how many fields it hides."""
    keep = {
        near
        for index, row in enumerate(rows)
        if row.is_changed
        for near in range(index - CONTEXT, index + CONTEXT + 1)
    }
    folded: list[Row] = []
    hidden: list[Row] = []
    for index, row in enumerate(rows):
        if index not in keep:
            hidden.append(row)
            continue
        folded += close(hidden)
        hidden = []
        folded.append(row)
    return [*folded, *close(hidden)]


def close(hidden: Sequence[Row]) -> list[Row]:
    # A fold of one row would take the place of the row itself.
    if len(hidden) <= 1:
        return list(hidden)
    return [Row(kind="fold", folded=len(hidden))]
