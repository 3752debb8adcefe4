"""A faster parser for JSON answers.

botocore walks every member of every answer. A page of ten services with a hundred events each takes it 11 ms; here
orjson parses it, and a walk compiled from the service model visits only what leads to a timestamp or a blob.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from weakref import WeakKeyDictionary

import orjson
from botocore.model import ListShape, MapShape, Shape, StructureShape
from botocore.parsers import JSONParser, ResponseParser, ResponseParserFactory
from botocore.utils import parse_timestamp

Convert = Callable[[Any], Any]
# What the shapes of one loaded model have in common.
RESOLVER = "_shape_resolver"


def to_datetime(value: Any) -> datetime:
    """Read an epoch as AWS's JSON protocol has it; other spellings are left to botocore."""
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    return parse_timestamp(value)


class Compiler:
    """Compiles a shape to a function that converts in place, or to None where there is nothing to convert."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        # By loaded model, because two models may use one name; forgotten with the client that loaded it.
        self._models: WeakKeyDictionary[Any, dict[str, Convert | None]] = WeakKeyDictionary()

    def convert(self, shape: Shape | None, value: dict[str, Any]) -> dict[str, Any]:
        """Convert an answer by the shape of its operation's output."""
        if shape is None:
            return value
        # Without the lock a second thread could use a shape that is only half compiled.
        with self._lock:
            convert = self.compile(shape)
        if convert:
            convert(value)
        return value

    def compile(self, shape: Shape) -> Convert | None:
        """Return the converter of a shape, compiled once for each loaded model."""
        compiled = self._models.setdefault(getattr(shape, RESOLVER), {})
        if shape.name not in compiled:
            # A shape that contains itself finds this, which looks up the finished one when it is called.
            compiled[shape.name] = lambda value: (compiled[shape.name] or keep)(value)
            compiled[shape.name] = self._compile(shape)
        return compiled[shape.name]

    def _compile(self, shape: Shape) -> Convert | None:
        if shape.type_name == "timestamp":
            return to_datetime
        if shape.type_name == "blob":
            return base64.b64decode
        if isinstance(shape, StructureShape) and not shape.is_document_type:
            return self._structure(shape)
        if isinstance(shape, ListShape):
            return in_list(self.compile(shape.member))
        if isinstance(shape, MapShape):
            return in_map(self.compile(shape.value))
        return None

    def _structure(self, shape: StructureShape) -> Convert | None:
        members: list[tuple[str, str, Convert]] = []
        for name, member in shape.members.items():
            convert, wire_name = self.compile(member), member.serialization.get("name", name)
            if convert or wire_name != name:
                members.append((wire_name, name, convert or keep))
        return in_structure(members) if members else None


def keep(value: Any) -> Any:
    """Return the value as it is."""
    return value


def in_structure(members: list[tuple[str, str, Convert]]) -> Convert:
    def convert(value: Any) -> Any:
        for wire_name, name, member in members:
            if (found := value.get(wire_name)) is not None:
                value[name] = member(found)
        return value

    return convert


def in_list(member: Convert | None) -> Convert | None:
    if member is None:
        return None
    return lambda value: [member(item) for item in value]


def in_map(member: Convert | None) -> Convert | None:
    if member is None:
        return None
    return lambda value: {key: member(item) for key, item in value.items()}


class FastJsonParser(JSONParser):
    """botocore's JSON parser with the body of a successful answer read by orjson."""

    # Errors, headers and event streams stay with botocore: they are small, or not JSON.
    compiler = Compiler()

    def _handle_json_body(self, raw_body: bytes, shape: Shape | None) -> dict[str, Any]:
        # PostgreSQL stores no NUL: one in a log line or a reason must not stop a whole read.
        parsed = orjson.loads(raw_body.replace(b"\\u0000", b"\\ufffd")) if raw_body else {}
        return self.compiler.convert(shape, parsed)


class FastParserFactory(ResponseParserFactory):
    """Gives the fast parser for the JSON protocol, botocore's own for every other."""

    def create_parser(self, protocol_name: str) -> ResponseParser:
        if protocol_name == "json":
            return FastJsonParser()
        return super().create_parser(protocol_name)
