"""The OpenAPI document, and a page drawn from it: nothing is loaded from elsewhere and no script is needed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_GET

from api.v1 import api
from ecsconsole.http import ConsoleRequest, render_page

PREFIX = "api/v1"
REF = "#/components/schemas/"
# What a request is made of is told with the request; these stand only for its query.
NOT_SHOWN = ("Filters",)
WORDS = {
    "date-time": "time",
    "object": "object",
    "integer": "number",
    "boolean": "true or false",
    "string": "text",
}
Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter or member: `refers` is the schema that it holds, by name."""

    name: str
    type: str
    text: str
    is_required: bool = False
    where: str = ""
    refers: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    status: str
    words: str
    refers: str


@dataclass(frozen=True, slots=True)
class Operation:
    id: str
    method: str
    path: str
    text: str
    parameters: list[Field]
    body: str
    answers: list[Answer]
    errors: list[str]


@dataclass(frozen=True, slots=True)
class Shape:
    """A schema by its name, with its members."""

    name: str
    text: str
    members: list[Field]


@cache
def document() -> dict[str, Any]:
    """Return the OpenAPI document; it follows from the code alone."""
    schema: dict[str, Any] = api.get_openapi_schema(path_prefix=PREFIX)
    return schema


@require_GET
def openapi(request: HttpRequest) -> HttpResponse:
    """Answer the OpenAPI document, to everybody: it says nothing about anybody's services."""
    return JsonResponse(document())


@require_GET
def reference(request: ConsoleRequest) -> HttpResponse:
    """Show the API as a page."""
    context = {
        "groups": list(groups_of(document()).items()),
        "shapes": shapes_of(document()),
        "root": request.build_absolute_uri("/") + PREFIX,
        "description": document()["info"]["description"],
    }
    return render_page(request, "api/reference.html", context)


def groups_of(source: Mapping[str, Any]) -> dict[str, list[Operation]]:
    """Return the operations by their tag, in the order of the code."""
    groups: dict[str, list[Operation]] = {}
    for path, methods in source["paths"].items():
        for method, operation in methods.items():
            groups.setdefault(operation["tags"][0], []).append(operation_of(path, method, operation))
    return groups


def operation_of(path: str, method: str, operation: Mapping[str, Any]) -> Operation:
    answers = [answer_of(str(status), answer) for status, answer in operation["responses"].items()]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    return Operation(
        id=operation["operationId"],
        method=method.upper(),
        path=path,
        text=operation.get("description", ""),
        parameters=[parameter_of(item) for item in operation.get("parameters", [])],
        body=refers_to(body),
        answers=[answer for answer in answers if answer.status < "400"],
        errors=[answer.status for answer in answers if answer.status >= "400"],
    )


def answer_of(status: str, answer: Mapping[str, Any]) -> Answer:
    schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
    return Answer(status, answer.get("description", ""), refers_to(schema))


def parameter_of(item: Mapping[str, Any]) -> Field:
    schema = item["schema"]
    return Field(item["name"], type_of(schema), text_of(schema, item), item["required"], item["in"])


def shapes_of(source: Mapping[str, Any]) -> list[Shape]:
    """Return the schemas of bodies and answers, by name."""
    schemas = source["components"]["schemas"]
    return [shape_of(name, schemas[name]) for name in sorted(schemas) if not name.endswith(NOT_SHOWN)]


def shape_of(name: str, schema: Schema) -> Shape:
    required = schema.get("required", [])
    members = [
        Field(key, type_of(member), text_of(member, member), key in required, refers=refers_to(member))
        for key, member in schema.get("properties", {}).items()
    ]
    return Shape(name, schema.get("description", ""), members)


def text_of(schema: Schema, item: Mapping[str, Any]) -> str:
    """Return what something is, and what it is where it is left out."""
    default = schema.get("default")
    words = [item.get("description", ""), f"Else `{default}`." if default not in ("", None) else ""]
    return " ".join(filter(None, words))


def type_of(schema: Schema) -> str:
    """Return a type in a few words; an enumeration is its values."""
    if refers_to(schema) and "items" not in schema:
        return "or nothing" if is_optional(schema) else ""
    if "enum" in schema:
        return " | ".join(str(value) for value in schema["enum"])
    if "anyOf" in schema:
        return " | ".join(
            filter(None, (type_of(part) for part in schema["anyOf"] if part.get("type") != "null"))
        )
    if schema.get("type") == "array":
        return "list" if refers_to(schema) else f"list of {type_of(schema['items'])}"
    kind = schema.get("format") or schema.get("type") or ""
    extra = schema.get("additionalProperties")
    if isinstance(extra, Mapping):
        return f"{type_of(extra)} by name"
    return WORDS.get(kind, kind)


def is_optional(schema: Schema) -> bool:
    return any(part.get("type") == "null" for part in schema.get("anyOf", []))


def refers_to(schema: Schema) -> str:
    """Return the name of the schema that a member holds, one or many of it."""
    parts: Iterable[Schema] = [schema, schema.get("items", {}), *schema.get("anyOf", [])]
    return next((part["$ref"].removeprefix(REF) for part in parts if "$ref" in part), "")
