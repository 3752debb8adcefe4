"""Errors as JSON: one shape for everything that can go wrong, the same words as on the pages."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError

from access.decisions import PermissionMissing
from aws.errors import AwsError
from deployments.errors import FreezeHolds
from ecsconsole.characters import SENTENCE, is_storable
from ecsconsole.errors import ConsoleError, as_console_error

logger = structlog.get_logger(__name__)


class NotSignedIn(ConsoleError):
    """The request says not who asks."""

    status = 401
    title = "No token"
    advice = "Send a token as Authorization: Bearer ecs_…; people make them under Profile, API tokens."


class NotHere(ConsoleError):
    """Nothing that this token may see is at the address."""

    status = 404
    title = "Not found"
    advice = "Check the address, and that the token and its owner may see the place."


class BadRequest(ConsoleError):
    """The request cannot be read."""

    status = 400
    title = "The request cannot be read"


class InvalidRequest(ConsoleError):
    """The request is readable and cannot be meant; `errors` maps fields to sentences."""

    status = 422
    title = "The request has errors"

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__(" ".join(f"{field}: {text}" for field, text in errors.items()))
        self.errors = errors


class MethodNotAllowed(ConsoleError):
    """The address exists and does not answer this method."""

    status = 405
    title = "Method not allowed"


class TooManyRequests(ConsoleError):
    """The token has used up its requests of this minute; `seconds` until the next begins."""

    status = 429
    title = "Too many requests"

    def __init__(self, sentence: str, *, seconds: int, advice: str) -> None:
        super().__init__(sentence, advice=advice)
        self.seconds = seconds


class AwsFailed(ConsoleError):
    """AWS did not answer as it should; nothing was done."""

    status = 502
    title = "AWS did not do this"


class Unexpected(ConsoleError):
    """Something failed that nobody foresaw."""

    status = 500
    title = "The console failed"


def code_of(error: ConsoleError) -> str:
    """Return the stable name of an error for programs: PermissionMissing is permission_missing."""
    name = type(error).__name__.removesuffix("Error")
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def body_of(error: ConsoleError) -> dict[str, Any]:
    """Return the one shape of errors."""
    body: dict[str, Any] = {
        "code": code_of(error),
        "title": error.title,
        "message": error.sentence,
        "advice": error.advice,
    }
    if isinstance(error, PermissionMissing):
        body["permission"] = error.action
        body["advice"] = error.advice or "An admin can grant the role; a token has no more than its scope."
    fields = getattr(error, "errors", None)
    if fields:
        body["fields"] = dict(fields)
    change = getattr(error, "change", None)
    if change is not None:
        body["change"] = change.pk
    if error.details:
        body["details"] = error.details
    return {"error": body}


def answer(error: ConsoleError, **more: Any) -> HttpResponse:
    """Return an error as a response; `more` are members of its own, or other words for those of all errors."""
    body = body_of(error)
    body["error"] |= more
    response = JsonResponse(body, status=error.status)
    if isinstance(error, TooManyRequests):
        response["Retry-After"] = str(error.seconds)
    if error.status == NotSignedIn.status:
        response["WWW-Authenticate"] = 'Bearer realm="ecsconsole"'
    response["Cache-Control"] = "no-store"
    return response


def known(request: HttpRequest, error: Exception) -> HttpResponse:
    """Answer an error that explains itself; one that nobody foresaw goes into the log with its traceback."""
    found = as_console_error(error)
    if found is None:
        logger.error("api_failed", path=request.path, exc_info=error)
        request_id = str(structlog.contextvars.get_contextvars().get("request_id", ""))
        found = Unexpected(
            "An error in the console itself stopped this request.",
            advice="Try again; if it stays, give the request id to whoever runs the console.",
            details={"Request id": request_id} if request_id else {},
        )
    return answer(found)


def frozen(request: HttpRequest, error: FreezeHolds) -> HttpResponse:
    """Answer what a freeze holds up: by which, until when, and where a person may go past it, as no token can."""
    address = request.build_absolute_uri(error.page)
    opens_at = error.hold.opens_at
    later = "Send scheduled_at with a time after opens_at" if opens_at else "Wait until it is taken away"
    return answer(
        error,
        advice=f"{later}, or let a person who may override freezes ask for it at {address}; a token cannot.",
        freezes=[{"id": one.pk, "name": one.name, "version": one.version} for one in error.hold.freezes],
        opens_at=opens_at.isoformat() if opens_at else None,
        override_url=address,
    )


def not_found(request: HttpRequest, error: Exception) -> HttpResponse:
    return answer(NotHere("Nothing is at this address, or you may not see it."))


def unreadable(request: HttpRequest) -> HttpResponse | None:
    """Return the refusal of a request that is too large or too deep, or has a character that no database keeps."""
    try:
        sent = [request.path_info, dict(request.GET.lists()), json_of(request)]
        return None if is_storable(sent) else answer(BadRequest(SENTENCE))
    except RequestDataTooBig:
        most = f"{(settings.DATA_UPLOAD_MAX_MEMORY_SIZE or 0) / 1_000_000:.1f} MB"
        return answer(BadRequest(f"The body has more than {most}. Nothing was done."))
    except RecursionError as error:
        return too_deep(request, error)


def json_of(request: HttpRequest) -> Any:
    """Return what a body says, None for what is no JSON: that is for the view to say."""
    try:
        return json.loads(request.body or b"null")
    except ValueError:
        return None


def too_deep(request: HttpRequest, error: RecursionError) -> HttpResponse:
    return answer(BadRequest("The body is nested too deeply to be read. Nothing was done."))


def unread(request: HttpRequest, error: HttpError) -> HttpResponse:
    return answer(BadRequest("The body is not JSON, or not the JSON that this address takes."))


def not_signed_in(request: HttpRequest, error: Exception) -> HttpResponse:
    return answer(NotSignedIn("This address needs a token."))


def invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """Answer what does not fit the schema, by the field; what was sent is never repeated, it may be a secret."""
    return answer(InvalidRequest({field_of(item["loc"]): f"{item['msg']}." for item in error.errors}))


def field_of(place: tuple[Any, ...]) -> str:
    """Return the name of a field from pydantic's path: what the framework puts before it is no part of it."""
    return ".".join(str(part) for part in place[1:] if part not in ("body", "filters")) or str(place[0])


def aws_failed(request: HttpRequest, error: AwsError) -> HttpResponse:
    details = {"Action": error.action, "AWS code": error.code, "Request id": error.request_id}
    present = {name: text for name, text in details.items() if text}
    return answer(AwsFailed(str(error), advice=error.hint, details=present))


HANDLERS: dict[type[Exception], Callable[[HttpRequest, Any], HttpResponse]] = {
    Exception: known,
    Http404: not_found,
    HttpError: unread,
    # Whatever walks through a spec gives up at its own depth.
    RecursionError: too_deep,
    AuthenticationError: not_signed_in,
    ValidationError: invalid,
    AwsError: aws_failed,
    FreezeHolds: frozen,
}


def register(api: NinjaAPI) -> None:
    """Answer every error of an API in the one shape."""
    for error_class, handler in HANDLERS.items():
        api.add_exception_handler(error_class, handler)
