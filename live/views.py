"""The address of the stream as Django knows it."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET


@require_GET
def stream_needs_asgi(request: HttpRequest) -> HttpResponse:
    """Say why there is no stream: under ASGI this address never reaches Django."""
    sentence = "Live updates need the ASGI server of the console (ecsconsole.asgi); this is a WSGI server."
    return HttpResponse(sentence, status=501, content_type="text/plain; charset=utf-8")
