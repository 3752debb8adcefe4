"""The SDK's own model of what ECS's operations take: which members, of which types, and what is wrong with a document."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import botocore.session
from botocore import xform_name
from botocore.model import ListShape, MapShape, Shape, StructureShape

Path = tuple[str | int, ...]
INTEGERS = frozenset({"integer", "long"})
NUMBERS = frozenset({"double", "float"})
WORDS = {"string": "text in quotes", "boolean": "true or false", "structure": "an object", "map": "an object"}


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one member, and where it stands."""

    path: Path
    text: str
    # Whether the SDK does not know the member at all.
    is_unknown: bool = False


@cache
def input_shape(operation: str) -> StructureShape:
    """Return what an operation of ECS takes, as the installed SDK knows it."""
    model = botocore.session.get_session().get_service_model("ecs")
    shape = model.operation_model(operation).input_shape
    if shape is None:
        raise LookupError(f"{operation} takes nothing.")
    return shape


def input_members(operation: str) -> frozenset[str]:
    """Return the names of the members that an operation takes."""
    return frozenset(input_shape(operation).members)


def choices_of(operation: str, *path: str) -> list[str]:
    """Return the values that a member may have; an empty step of the path goes into a list."""
    shape: Any = input_shape(operation)
    for step in path:
        shape = shape.members[step] if step else shape.member
    return list(getattr(shape, "enum", None) or [])


@cache
def snake_names(operation: str, *path: str) -> dict[str, str]:
    """Return the members of a structure by their names in snake case; an empty step of the path goes into a list."""
    shape: Any = input_shape(operation)
    for step in path:
        shape = shape.members[step] if step else shape.member
    return {xform_name(name): name for name in shape.members}


def problems_of(operation: str, document: Mapping[str, Any], *, is_whole: bool = True) -> list[Problem]:
    """Return what ECS's input model finds wrong with a document; with `is_whole` also what it lacks."""
    shape = input_shape(operation)
    if not is_whole:
        return [
            problem for name, value in document.items() for problem in member_problems(shape, name, value, ())
        ]
    return list(find_problems(shape, document, ()))


def known_part(operation: str, document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an operation takes of a document, at every depth.

    AWS returns members that it does not take back, and newer ones than the installed SDK can send.
    """
    kept: dict[str, Any] = keep_known(input_shape(operation), document)
    return kept


def unknown_paths(operation: str, document: Mapping[str, Any]) -> list[Path]:
    """Return where a document has members that an operation does not take, below its first level."""
    shape = input_shape(operation)
    return [
        problem.path
        for name in shape.members
        if name in document
        for problem in find_problems(shape.members[name], document[name], (name,))
        if problem.is_unknown
    ]


def keep_known(shape: Shape, value: Any) -> Any:
    if isinstance(shape, StructureShape) and isinstance(value, Mapping):
        if shape.is_document_type:
            return value
        return {
            name: keep_known(shape.members[name], item)
            for name, item in value.items()
            if name in shape.members
        }
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [keep_known(shape.member, item) for item in value]
    return value


def find_problems(shape: Shape, value: Any, path: Path) -> Iterator[Problem]:
    """Yield what is wrong with a value, from the outside in."""
    if isinstance(shape, StructureShape):
        yield from structure_problems(shape, value, path)
    elif isinstance(shape, ListShape):
        if not isinstance(value, list):
            yield Problem(path, f"{named(path)} is a list here, in square brackets.")
            return
        for index, item in enumerate(value):
            yield from find_problems(shape.member, item, (*path, index))
    elif isinstance(shape, MapShape):
        if not isinstance(value, Mapping):
            yield Problem(path, f"{named(path)} is an object here, in braces.")
            return
        for key, item in value.items():
            yield from find_problems(shape.value, item, (*path, str(key)))
    elif text := scalar_problem(shape, value, path):
        yield Problem(path, text)


def structure_problems(shape: StructureShape, value: Any, path: Path) -> Iterator[Problem]:
    if getattr(shape, "is_document_type", False):
        return
    if not isinstance(value, Mapping):
        yield Problem(path, f"{named(path)} is an object here, in braces.")
        return
    for name, item in value.items():
        yield from member_problems(shape, name, item, path)
    for name in shape.required_members:
        if value.get(name) is None:
            yield Problem(path, f"{named(path)} lacks {name}.")


def member_problems(shape: StructureShape, name: str, value: Any, path: Path) -> Iterator[Problem]:
    if name in shape.members:
        yield from find_problems(shape.members[name], value, (*path, name))
        return
    text = f"There is no member {name}{within(path)}.{did_you_mean(name, shape.members)}"
    yield Problem((*path, name), text, is_unknown=True)


def did_you_mean(name: str, known: Mapping[str, Any]) -> str:
    """Return a hint at the nearest names, empty when none is near."""
    by_lower = {item.lower(): item for item in known}
    near = difflib.get_close_matches(name.lower().replace("_", ""), by_lower, n=2, cutoff=0.7)
    return f" Did you mean {' or '.join(by_lower[item] for item in near)}?" if near else ""


def scalar_problem(shape: Shape, value: Any, path: Path) -> str:
    kind = shape.type_name
    name = named(path)
    if kind in INTEGERS:
        if isinstance(value, bool) or not isinstance(value, int):
            return f"{name} is a whole number here, without quotes."
        return range_problem(shape, value, name)
    if kind in NUMBERS:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return range_problem(shape, value, name) if is_number else f"{name} is a number here, without quotes."
    if kind == "boolean":
        return "" if isinstance(value, bool) else f"{name} is true or false here."
    if not isinstance(value, str):
        return f"{name} is {WORDS.get(kind, kind)} here."
    choices = getattr(shape, "enum", None) or []
    if choices and value not in choices:
        return f"{name} is one of {', '.join(choices)}."
    return ""


def range_problem(shape: Shape, value: float, name: str) -> str:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if (least is not None and value < least) or (most is not None and value > most):
        return f"{name} lies between {least:,} and {most:,}."
    return ""


def named(path: Path) -> str:
    """Return the last name of a path, with what follows it: "ulimits[0]"."""
    if not path:
        return "The document"
    start = max((n for n, step in enumerate(path) if isinstance(step, str)), default=0)
    return spelled(path[start:])


def within(path: Path) -> str:
    return f" in {spelled(path)}" if path else ""


def spelled(path: Path) -> str:
    """Return a path as people write it: containerDefinitions[0].cpu."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text
