"""Requests and answers between the HTTP server and what answers them, in AWS's own wire forms."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

import orjson

from sandbox.ports import ApiError

JSON_TYPE = "application/x-amz-json-1.1"


@dataclass(slots=True)
class Request:
    """One HTTP request; header names are lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    remote: str = "127.0.0.1"

    @property
    def target(self) -> str:
        """The `X-Amz-Target` header: target prefix, a dot, the operation."""
        return self.headers.get("x-amz-target", "")


@dataclass(slots=True)
class Answer:
    """One HTTP answer; `drop` closes the connection without a word."""

    status: int
    body: bytes = b""
    headers: list[tuple[str, str]] = field(default_factory=list)
    drop: bool = False


def new_request_id() -> str:
    return str(uuid.uuid4())


def _encode(value: Any) -> Any:
    if isinstance(value, datetime):
        return round(value.timestamp(), 3)
    raise TypeError(f"cannot write {type(value).__name__} as JSON")


def dump_json(document: Any) -> bytes:
    """Write JSON as AWS does: datetimes are seconds since the epoch."""
    return orjson.dumps(document, default=_encode, option=orjson.OPT_PASSTHROUGH_DATETIME)


def json_answer(document: Any, *, status: int = 200, request_id: str = "") -> Answer:
    """Answer a JSON 1.1 protocol request."""
    headers = [("Content-Type", JSON_TYPE), ("x-amzn-RequestId", request_id or new_request_id())]
    return Answer(status, dump_json(document), headers)


def error_answer(request: Request, error: ApiError) -> Answer:
    """Answer with an error in the protocol in which the request came."""
    request_id = new_request_id()
    identified = [("x-amzn-RequestId", request_id)]
    if request.headers.get("smithy-protocol") == "rpc-v2-cbor":
        body = _cbor_error(error)
        kind = [("Content-Type", "application/cbor"), ("smithy-protocol", "rpc-v2-cbor")]
        return Answer(error.status, body, [*kind, *identified])
    if _speaks_query(request):
        return Answer(
            error.status, _xml_error(error, request_id), [("Content-Type", "text/xml"), *identified]
        )
    body = dump_json({"__type": error.code, "message": error.message})
    kind = [("Content-Type", JSON_TYPE), ("x-amzn-ErrorType", error.code)]
    return Answer(error.status, body, [*kind, *identified])


def readable_params(request: Request) -> dict[str, Any]:
    """Return a request's parameters as far as they can be read without its service's model."""
    if _speaks_query(request):
        form = dict(parse_qsl(request.body.decode(errors="replace"), keep_blank_values=True))
        return {name: value for name, value in form.items() if name not in ("Action", "Version")}
    try:
        params = orjson.loads(request.body or b"{}")
    except orjson.JSONDecodeError:
        return {}
    return params if isinstance(params, dict) else {}


def refusal_of(answer: Answer) -> ApiError | None:
    """Return the error that an answer carries, None when it is none."""
    if answer.status < 400:
        return None
    text = answer.body.decode(errors="replace")
    code = _ERROR_CODE.search(text)
    message = _ERROR_MESSAGE.search(text)
    return ApiError(
        (code[1] or code[2]).rsplit("#", 1)[-1] if code else str(answer.status),
        (message[1] or message[2] or "") if message else "",
        status=answer.status,
    )


_ERROR_CODE = re.compile(r'"__type"\s*:\s*"([^"]+)"|<Code>([^<]+)</Code>')
_ERROR_MESSAGE = re.compile(r'"[mM]essage"\s*:\s*"([^"]*)"|<Message>([^<]*)</Message>')


def _speaks_query(request: Request) -> bool:
    return not request.target and request.headers.get("content-type", "").startswith(
        "application/x-www-form-urlencoded"
    )


def s3_error(error: ApiError) -> bytes:
    """Write an error as S3 does."""
    return (
        f"<Error><Code>{escape(error.code)}</Code><Message>{escape(error.message)}</Message></Error>".encode()
    )


def _xml_error(error: ApiError, request_id: str) -> bytes:
    kind = "Sender" if error.status < 500 else "Receiver"
    return (
        f"<ErrorResponse><Error><Type>{kind}</Type><Code>{escape(error.code)}</Code>"
        f"<Message>{escape(error.message)}</Message></Error>"
        f"<RequestId>{request_id}</RequestId></ErrorResponse>"
    ).encode()


def _cbor_error(error: ApiError) -> bytes:
    pairs = {"__type": error.code, "message": error.message}
    return b"\xa2" + b"".join(_cbor_text(name) + _cbor_text(text) for name, text in pairs.items())


def _cbor_text(text: str) -> bytes:
    raw = text.encode()
    return b"\x79" + len(raw).to_bytes(2, "big") + raw
