"""Read requests and write answers of any AWS service by botocore's model, in the protocol that the client speaks."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

import orjson
from botocore.model import ListShape, Shape, StringShape, StructureShape
from botocore.utils import parse_timestamp

from sandbox.messages import Answer, Request, new_request_id
from sandbox.ports import ApiError

Document = dict[str, Any]

# The code under which each service refuses what its model does not allow.
_INVALID = {"application-autoscaling": "ValidationException", "cloudtrail": "InvalidParameterException"}


@cache
def service_model(service: str) -> Any:
    """Load a service's model; moto's own loader keeps the members that its serialisers need."""
    from moto.core.utils import get_service_model

    return get_service_model(service)


def knows(service: str, operation: str) -> bool:
    return operation in service_model(service).operation_names


def speaks_query(request: Request) -> bool:
    return request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")


def protocol_of(request: Request, service: str) -> str:
    """Return moto's name of the protocol that a client speaks; EC2 has a form of its own."""
    if not speaks_query(request):
        return "json"
    return "ec2" if service == "ec2" else "query"


def read(request: Request, service: str, operation: str) -> Document:
    """Read a request's parameters; refuses what is missing, of the wrong type, or outside an enum."""
    from moto.core.parse import PROTOCOL_PARSERS

    model = service_model(service).operation_model(operation)
    query = speaks_query(request)
    if not query:
        _check_json(request)
    parser = PROTOCOL_PARSERS[protocol_of(request, service)](model, timestamp_parser=_moment)
    form = dict(parse_qsl(request.body.decode(errors="replace"), keep_blank_values=True)) if query else {}
    # The parsers look things up in headers and form, and care for nothing else that werkzeug's have.
    asked: Any = {
        "method": request.method,
        "values": form,
        "headers": request.headers,
        "body": request.body,
        "url_path": request.path,
        "url_params": {},
    }
    try:
        params: Document = parser.parse(asked)
    except (TypeError, ValueError, AttributeError) as error:
        raise ApiError("SerializationException", f"The request could not be read: {error}") from error
    if model.input_shape is not None:
        check(model.input_shape, params, code=_INVALID.get(service, "ValidationError"))
    return params


def write(request: Request, service: str, operation: str, result: Document) -> Answer:
    """Write an operation's result."""
    from moto.core.serialize import SerializationContext, get_serializer_class

    request_id = new_request_id()
    protocol = protocol_of(request, service)
    model = service_model(service).operation_model(operation)
    serializer = get_serializer_class(service, protocol)(model, SerializationContext(request_id))
    written = serializer.serialize(result)
    body = written["body"]
    headers = [(name, str(value)) for name, value in dict(written["headers"]).items()]
    if not any(name.lower() == "x-amzn-requestid" for name, _ in headers):
        headers.append(("x-amzn-RequestId", request_id))
    return Answer(written["status_code"], body if isinstance(body, bytes) else body.encode(), headers)


def _check_json(request: Request) -> None:
    try:
        document = orjson.loads(request.body or b"{}")
    except orjson.JSONDecodeError as error:
        raise ApiError("SerializationException", "Could not parse the request body as JSON") from error
    if not isinstance(document, dict):
        raise ApiError("SerializationException", "Start of structure or map found where not expected.")


def _moment(value: Any) -> datetime:
    parsed = parse_timestamp(value)
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def check(shape: Shape, value: Any, *, code: str, path: str = "") -> None:
    """Refuse missing members and values outside an enum, in the words that most services share."""
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        for name in shape.required_members:
            if value.get(name) is None:
                raise _violation(code, "null", _join(path, name), "Member must not be null")
        for name, item in value.items():
            if name in shape.members:
                check(shape.members[name], item, code=code, path=_join(path, name))
    elif isinstance(shape, ListShape) and isinstance(value, list):
        for number, item in enumerate(value, start=1):
            check(shape.member, item, code=code, path=f"{path}.{number}.member")
    elif isinstance(shape, StringShape) and shape.enum and value not in shape.enum:
        allowed = f"Member must satisfy enum value set: [{', '.join(shape.enum)}]"
        raise _violation(code, f"'{value}'", path, allowed)


def _violation(code: str, value: str, path: str, constraint: str) -> ApiError:
    return ApiError(
        code,
        f"1 validation error detected: Value {value} at '{path}' failed to satisfy constraint: {constraint}",
    )


def _join(path: str, name: str) -> str:
    name = name[:1].lower() + name[1:]
    return f"{path}.{name}" if path else name
