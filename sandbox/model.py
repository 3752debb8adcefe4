"""ECS as botocore's service model describes it: which operations exist, and what may go in and out of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from typing import Any

import botocore.session
from botocore.model import (
    ListShape,
    MapShape,
    OperationModel,
    ServiceModel,
    Shape,
    StringShape,
    StructureShape,
)

from sandbox.ports import ApiError

_SCALARS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "boolean": (bool,),
    "double": (int, float),
    "float": (int, float),
    "timestamp": (int, float, str, datetime),
    "blob": (bytes, str),
}


@cache
def service_model() -> ServiceModel:
    """Load the ECS model once; it takes a noticeable part of a second."""
    return botocore.session.get_session().get_service_model("ecs")


@cache
def operation_model(operation: str) -> OperationModel:
    """Return the model of an operation; raises UnknownOperationException when AWS has none of that name."""
    if operation not in service_model().operation_names:
        raise ApiError(
            "UnknownOperationException", f"The operation {operation} does not exist in Amazon ECS."
        )
    return service_model().operation_model(operation)


def read_input(operation: str, params: dict[str, Any]) -> dict[str, Any]:
    """Check parameters against the model and return them with timestamps as aware datetimes and without nulls."""
    shape = operation_model(operation).input_shape
    if not isinstance(params, dict):
        raise ApiError("SerializationException", "The request body is not a JSON object.")
    if shape is None:
        return {}
    result: dict[str, Any] = _read(shape, params, "")
    return result


def _read(shape: Shape, value: Any, path: str) -> Any:
    if isinstance(shape, StructureShape):
        return _read_structure(shape, value, path)
    if isinstance(shape, ListShape):
        _expect(isinstance(value, list | tuple), value, path, "list")
        return [_read(shape.member, item, f"{path}[{index}]") for index, item in enumerate(value)]
    if isinstance(shape, MapShape):
        _expect(isinstance(value, dict), value, path, "map")
        return {str(key): _read(shape.value, item, f"{path}.{key}") for key, item in value.items()}
    return _read_scalar(shape, value, path)


def _read_structure(shape: StructureShape, value: Any, path: str) -> dict[str, Any]:
    _expect(isinstance(value, dict), value, path, "structure")
    result = {}
    for name, item in value.items():
        member = shape.members.get(name)
        if member is None:
            raise ApiError("InvalidParameterException", f"Unknown parameter in input: {_join(path, name)}.")
        if item is not None:
            result[name] = _read(member, item, _join(path, name))
    for name in shape.required_members:
        if name not in result:
            raise ApiError("InvalidParameterException", f"{_label(_join(path, name))} can not be blank.")
    return result


def _read_scalar(shape: Shape, value: Any, path: str) -> Any:
    kind = shape.type_name
    fits = isinstance(value, _SCALARS[kind]) and (kind == "boolean" or not isinstance(value, bool))
    _expect(fits, value, path, kind)
    if kind == "timestamp":
        return _moment(value, path)
    if isinstance(shape, StringShape) and shape.enum and value not in shape.enum:
        choices = ", ".join(shape.enum)
        raise ApiError(
            "InvalidParameterException",
            f"1 validation error detected: Value '{value}' at '{path}' failed to satisfy constraint:"
            f" Member must satisfy enum value set: [{choices}]",
        )
    return value


def _moment(value: Any, path: str) -> datetime:
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, str):
        try:
            parsed = datetime.fromisoformat(value)
        except ValueError:
            raise ApiError("SerializationException", f"The value of {path} is not a timestamp.") from None
        return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    return datetime.fromtimestamp(value, UTC)


def _expect(fits: bool, value: Any, path: str, kind: str) -> None:
    if not fits:
        given = type(value).__name__
        raise ApiError("SerializationException", f"{path or 'The input'} must be a {kind}, not {given}.")


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _label(path: str) -> str:
    return path[:1].upper() + path[1:]


def without_nulls(value: Any) -> Any:
    """Copy an output, leaving out the members that have no value: AWS leaves them out of its JSON too."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value


def output_problems(operation: str, output: dict[str, Any]) -> list[str]:
    """List where an output departs from the model: unknown members, wrong types, values outside an enum."""
    shape = operation_model(operation).output_shape
    return [] if shape is None else list(_problems(shape, output, ""))


def _problems(shape: Shape, value: Any, path: str) -> Iterator[str]:
    if isinstance(shape, StructureShape):
        if not isinstance(value, dict):
            yield f"{path}: {type(value).__name__} instead of a structure"
            return
        for name, item in value.items():
            if name not in shape.members:
                yield f"{_join(path, name)}: not in the model"
            else:
                yield from _problems(shape.members[name], item, _join(path, name))
    elif isinstance(shape, ListShape):
        if not isinstance(value, list):
            yield f"{path}: {type(value).__name__} instead of a list"
            return
        for index, item in enumerate(value):
            yield from _problems(shape.member, item, f"{path}[{index}]")
    elif isinstance(shape, MapShape):
        if not isinstance(value, dict):
            yield f"{path}: {type(value).__name__} instead of a map"
            return
        for key, item in value.items():
            yield from _problems(shape.value, item, f"{path}.{key}")
    else:
        yield from _scalar_problems(shape, value, path)


def _scalar_problems(shape: Shape, value: Any, path: str) -> Iterator[str]:
    kind = shape.type_name
    allowed: tuple[type, ...] = (datetime,) if kind == "timestamp" else _SCALARS[kind]
    if not isinstance(value, allowed) or (kind != "boolean" and isinstance(value, bool)):
        yield f"{path}: {type(value).__name__} instead of {kind}"
    elif isinstance(value, datetime) and value.tzinfo is None:
        yield f"{path}: naive datetime"
    elif isinstance(shape, StringShape) and shape.enum and value not in shape.enum:
        yield f"{path}: {value!r} is not in the enum"
