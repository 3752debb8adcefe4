"""What a change changes, in a few lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from deployments.image_reference import parse
from deployments.models import Change, Kind

LINES_SHOWN = 8
LABELS = {
    "image": "Image",
    "cpu": "CPU",
    "memory": "Memory",
    "memoryReservation": "Memory reservation",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that changes: from what to what; masked values say that they do, never what they are."""

    label: str
    before: str = ""
    after: str = ""
    is_masked: bool = False
    is_mono: bool = False


def lines_of(change: Change) -> list[Line]:
    """Return the lines of a change, from the diff of the plan that its requester saw."""
    if change.kind == Kind.SCALE:
        return [
            Line("Desired count", before_count(change), str(change.spec.get("desired_count", ""))),
            *bound_lines(change),
        ]
    if change.kind == Kind.RESTART:
        return [Line("Everything", after="the same task definition, new tasks")]
    if change.kind == Kind.RUN_TASK:
        return run_lines(change)
    if change.kind == Kind.CONTINUE:
        action = "roll back" if change.spec.get("action") == "ROLLBACK" else "continue"
        return [Line("Paused at", str(change.spec.get("stage", "")), action)]
    if change.kind == Kind.STOP_TASK:
        return [Line("Task", after=str(change.spec.get("task_id", "")), is_mono=True)]
    lines = [
        line
        for group in change.plan.get("diff") or []
        for row in group.get("rows") or []
        if row.get("kind") in ("changed", "added", "removed")
        for line in [line_of(group, row)]
    ]
    if len(lines) > LINES_SHOWN:
        hidden = len(lines) - LINES_SHOWN + 1
        return [*lines[: LINES_SHOWN - 1], Line("And", after=f"{hidden} more fields")]
    return lines or fallback(change)


def run_lines(change: Change) -> list[Line]:
    """Return the lines of a task that is run once: how many, and what is overridden, masked."""
    lines = [Line("Tasks", after=str(change.spec.get("count", 1)))]
    for name, parts in (change.spec.get("containers") or {}).items():
        if command := parts.get("command"):
            lines.append(Line(f"Command, {name}", after=" ".join(command.get("words") or []), is_mono=True))
        lines += [
            Line(f"{variable}, {name}", after="set", is_masked=True)
            for variable in parts.get("environment") or {}
        ]
        lines += [
            Line(f"{LABELS[key]}, {name}", after=str(parts[key])) for key in ("cpu", "memory") if key in parts
        ]
    return lines


def bound_lines(change: Change) -> list[Line]:
    """Return the lines of the autoscaler's bounds where a scale moves them."""
    spec, seen = change.spec, change.spec.get("seen") or ["", "", False]
    lines = [
        Line(label, str(seen[place]), str(spec[name]))
        for place, (name, label) in enumerate((("min_capacity", "Minimum"), ("max_capacity", "Maximum")))
        if name in spec
    ]
    if "suspend" in spec:
        lines.append(Line("Autoscaling", after="suspended" if spec["suspend"] else "resumed"))
    return lines


def before_count(change: Change) -> str:
    base = change.base.get("desired_count", change.base.get("desiredCount"))
    return "" if base is None else str(base)


def line_of(group: Mapping[str, Any], row: Mapping[str, Any]) -> Line:
    """Return one row of a diff as a line: "Image, app"."""
    name = str(row.get("name", ""))
    owner = "" if group.get("kind") == "task" else f", {group.get('title', '')}"
    old, new = row.get("old") or {}, row.get("new") or {}
    if old.get("is_masked") or new.get("is_masked"):
        variable = name.removeprefix("environment.")
        word = {"added": "added", "removed": "removed"}.get(str(row.get("kind")), "changed")
        return Line(f"{variable}{owner}", after=word, is_masked=True)
    before, after = plain(old), plain(new)
    if name == "image":
        before, after = version(before), version(after)
    after = after or "removed"
    return Line(f"{LABELS.get(name, name)}{owner}", before, after, is_mono=name == "image")


def plain(value: Mapping[str, Any]) -> str:
    return str(value.get("text", "")).strip('"')


def version(reference: str) -> str:
    return parse(reference).version if reference else ""


def fallback(change: Change) -> list[Line]:
    """Return lines from the spec where no diff was kept."""
    containers: Iterable[tuple[str, Mapping[str, Any]]] = (change.spec.get("containers") or {}).items()
    return [
        Line(f"Image, {name}", after=version(str(asked["image"])), is_mono=True)
        for name, asked in containers
        if asked.get("image")
    ]
