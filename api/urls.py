"""Addresses of the API, under one version each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponseBase
from django.urls import URLPattern, path

from api import documentation, errors
from api.v1 import api

View = Callable[..., HttpResponseBase]


def routes() -> Iterator[URLPattern]:
    """Yield each route once; it asks for a token itself, so it is not sent to the sign-in page."""
    seen = set()
    for bound in api._get_bound_routers():
        for pattern in bound.urls_paths(bound.prefix):
            # GET and POST of one address are one view, which comes once for each of them.
            if pattern.name not in seen:
                seen.add(pattern.name)
                yield path(str(pattern.pattern), as_json(pattern.callback), name=pattern.name)


def as_json(view: View) -> View:
    """Answer a wrong method in the one shape of errors, and keep every answer out of caches."""

    @login_not_required
    @wraps(view)
    def answered(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        refused = errors.unreadable(request)
        response = refused or view(request, *args, **kwargs)
        if response.status_code == errors.MethodNotAllowed.status:
            allowed = response.headers.get("Allow", "")
            response = errors.answer(errors.MethodNotAllowed(f"This address answers {allowed}."))
            response["Allow"] = allowed
        response["Cache-Control"] = "no-store"
        return response

    answered.checks_characters = True  # type: ignore[attr-defined]
    return answered


@login_not_required
def nowhere(request: HttpRequest, rest: str) -> HttpResponseBase:
    """Answer what is no address of the API as its other errors are."""
    return errors.not_found(request, Exception())


nowhere.csrf_exempt = True  # type: ignore[attr-defined]

urlpatterns = [
    path("openapi.json", login_not_required(documentation.openapi), name="api-openapi"),
    path("docs", documentation.reference, name="api-docs"),
    *routes(),
    path("<path:rest>", nowhere, name="api-nowhere"),
]
