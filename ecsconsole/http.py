"""One URL, page or fragment."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

from asgiref.sync import sync_to_async
from django.conf import settings
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.template.loader import render_to_string
from django.utils.cache import patch_vary_headers

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django_htmx.middleware import HtmxDetails

    from access.middleware import RequestAccess


class ConsoleRequest(HttpRequest):
    """A request as the middleware leaves it, for annotations."""

    htmx: HtmxDetails
    access: RequestAccess
    user: User


def wants_fragment(request: HttpRequest) -> bool:
    """Whether htmx asks for a part: not a boosted link, not a restored history entry."""
    headers = request.headers
    return (
        headers.get("HX-Request") == "true"
        and headers.get("HX-Boosted") != "true"
        and headers.get("HX-History-Restore-Request") != "true"
    )


def render_page(
    request: HttpRequest, template: str, context: dict[str, Any], *, partial: str = "", status: int = 200
) -> HttpResponse:
    """Render the page, or its named partial when htmx asks for a fragment."""
    name = f"{template}#{partial}" if partial and wants_fragment(request) else template
    response = HttpResponse(render_to_string(name, context, request=request), status=status)
    patch_vary_headers(response, ["HX-Request", "HX-Boosted"])
    return response


class StreamedFile(StreamingHttpResponse):
    """A file that is written while it is sent.

    Django's own class reads a plain iterator to its end before it sends the first byte when it runs under ASGI. This
    one takes a batch of lines at a time, in the thread of the request, where its database connection is.
    """

    lines_per_batch = 500

    async def __aiter__(self) -> AsyncIterator[bytes]:
        # It is made of a plain iterator; Django's annotation allows for both.
        parts = iter(cast("Iterator[bytes]", self.streaming_content))
        take = sync_to_async(lambda: list(islice(parts, self.lines_per_batch)))
        while batch := await take():
            yield b"".join(batch)


def shell(request: HttpRequest) -> dict[str, Any]:
    """Give every template the release that it belongs to, so that a cached asset never outlives a deploy."""
    return {"release": release(), "is_local": settings.LOCAL}


@cache
def release() -> str:
    """Return the installed release, found once: looking it up reads the package's files."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("ecsconsole")
    except PackageNotFoundError:
        return "source"
