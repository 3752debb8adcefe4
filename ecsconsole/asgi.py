"""The ASGI application: Django, and beside it what waits: the live stream, and those who follow a change."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ecsconsole.settings")

from django.core.asgi import get_asgi_application

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

django_application = get_asgi_application()

# Imported after Django is set up: the stream reads sessions, and who waits is asked for a token.
from api.waiting import wait_for_change  # noqa: E402
from live.stream import application as stream_application  # noqa: E402

STREAM_PATH = "/live/stream"


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Send the live stream past Django, which would hold a thread for each viewer, and all else to it.

    Who follows a change by the API waits before Django has it, for the same reason.
    """
    if scope["type"] == "lifespan" or scope.get("path") == STREAM_PATH:
        await stream_application(scope, receive, send)
        return
    receive = await wait_for_change(scope, receive)
    await django_application(scope, receive, send)  # type: ignore[arg-type]
