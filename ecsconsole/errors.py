"""Errors that people see, and the pages that show them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.template.loader import render_to_string

logger = structlog.get_logger(__name__)


class ConsoleError(Exception):
    """An error with an HTTP status, a title, a sentence that says what did not happen, and what to do."""

    status = 409
    title = "This cannot be done now"
    advice = ""

    def __init__(self, sentence: str, *, advice: str = "", details: dict[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.advice = advice or self.advice
        self.details = details or {}

    def found_out(self) -> dict[str, str]:
        """Return more details that only the page looks up, because they cost queries."""
        return {}


# A lower package may not import this module's callers, so an app registers how its own errors read.
_describers: list[tuple[type[Exception], Callable[[Any], ConsoleError]]] = []


def describe_as(error_class: type[Exception], describe: Callable[[Any], ConsoleError]) -> None:
    """Teach the error pages how to show an error class of another package."""
    _describers.append((error_class, describe))


def as_console_error(error: Exception) -> ConsoleError | None:
    """Return the shown form of an error, None for one that nobody expected."""
    if isinstance(error, ConsoleError):
        return error
    for error_class, describe in _describers:
        if isinstance(error, error_class):
            return describe(error)
    return None


def render_error(request: HttpRequest, error: ConsoleError) -> HttpResponse:
    """Render an error as a page, or as its panel alone when a fragment was asked for."""
    is_fragment = request.headers.get("HX-Request") == "true" and request.headers.get("HX-Boosted") != "true"
    template = "errors/page.html#error-panel" if is_fragment else "errors/page.html"
    context = {"error": error, "details": {**error.details, **error.found_out()}}
    html = render_to_string(template, context, request=request)
    return HttpResponse(html, status=error.status)


class ErrorPageMiddleware:
    """Turn errors that explain themselves into pages."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Render a known error; an unknown one goes on to Django's 500."""
        error = as_console_error(exception)
        return None if error is None else render_error(request, error)


class NotFoundError(ConsoleError):
    """Nothing that this person may see is at this address."""

    status = 404
    title = "Not found"


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 404 the same way for what is not there and for what may not be seen."""
    return render_error(
        request,
        NotFoundError(
            "Nothing is at this address, or you may not see it.",
            advice="Search for it by name, or ask an admin for the viewer role where it runs.",
        ),
    )


class SessionMismatchError(ConsoleError):
    """The form came from an older session."""

    status = 403
    title = "This page was open too long"


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Ask for a reload when the CSRF token does not match, for example after signing in again."""
    return render_error(
        request,
        SessionMismatchError(
            "The form was sent with the token of an older session. Nothing was changed.",
            advice="Reload the page and send it again.",
        ),
    )


class UnexpectedError(ConsoleError):
    """Something failed that nobody foresaw."""

    status = 500
    title = "The console failed"


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 500 with the request id by which the log names the traceback."""
    request_id = structlog.contextvars.get_contextvars().get("request_id", "")
    error = UnexpectedError(
        "An error in the console itself stopped this request.",
        advice="Try again; if it stays, give the request id to whoever runs the console.",
        details={"Request id": str(request_id)} if request_id else {},
    )
    try:
        return render_error(request, error)
    except (DatabaseError, OSError):
        # The page's frame reads the database; without it a plain sentence is all there is.
        logger.exception("error_page_failed")
        return HttpResponse(error.sentence, status=500, content_type="text/plain; charset=utf-8")
