"""The live stream: Server-Sent Events as a small ASGI application beside Django."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

import structlog
from django.conf import settings
from django.db import DatabaseError
from django.http import parse_cookie
from django.utils import timezone

from live.hub import Hub, Viewer
from live.leaving import Leaving
from live.topics import MOST_TOPICS, parse_topics
from live.viewing import judge_viewer

logger = structlog.get_logger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

# Below the 60 s after which load balancers close an idle connection; the page is alarmed by three missed ticks.
TICK_SECONDS = 15.0
CHECK_SECONDS = 30.0
RETRY_MS = 2000
LOGOUT = "logout"
HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    # no-transform: a proxy that compresses holds events back.
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
    (b"x-content-type-options", b"nosniff"),
]


def event(name: str, data: str = "{}", event_id: str = "") -> bytes:
    """Write one event; every one is named, because the page only wants to know that something changed."""
    identity = f"id: {event_id}\n" if event_id else ""
    return f"{identity}event: {name}\ndata: {data}\n\n".encode()


class Stream:
    """Answers GET /live/stream?topics=… with the nudges of these topics."""

    def __init__(
        self,
        *,
        url: str = "",
        key: str = "",
        tick_seconds: float = TICK_SECONDS,
        check_seconds: float = CHECK_SECONDS,
    ) -> None:
        self.url = url
        self.key = key
        self.tick_seconds = tick_seconds
        self.check_seconds = check_seconds
        self._hub: Hub | None = None
        self._leaving = Leaving(self.dismiss)

    @property
    def hub(self) -> Hub:
        """The one hub of this process, made with the first viewer because it belongs to the running loop."""
        if self._hub is None:
            self._hub = Hub(self.url or settings.REDIS_URL, **({"key": self.key} if self.key else {}))
        return self._hub

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.live_and_die(receive, send)
        elif scope["type"] == "http":
            await self.answer(scope, receive, send)

    async def live_and_die(self, receive: Receive, send: Send) -> None:
        """Follow the server's life: its end ends every stream."""
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._leaving.arm()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                self._leaving.disarm()
                await self.close()
                await send({"type": "lifespan.shutdown.complete"})
                return

    def dismiss(self) -> None:
        """Let every open stream end itself."""
        if self._hub is not None:
            self._hub.dismiss()

    async def close(self) -> None:
        """End every stream of this process, and the reader of the bus."""
        if self._hub is not None:
            await self._hub.close()
            self._hub = None

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse with a status, or stream."""
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
        topics = parse_topics(",".join(query.get("topics", [])))
        session_key = parse_cookie(headers.get("cookie", "")).get(settings.SESSION_COOKIE_NAME, "")
        after = headers.get("last-event-id", "")
        if scope["method"] != "GET":
            await refuse(send, HTTPStatus.METHOD_NOT_ALLOWED, "Only GET is answered here.")
            return
        if not topics or len(topics) > MOST_TOPICS:
            await refuse(send, HTTPStatus.BAD_REQUEST, f"Name 1 to {MOST_TOPICS} topics.")
            return
        try:
            verdict = await judge_viewer(session_key, topics)
        except DatabaseError as error:
            logger.warning("viewer_not_checked", error=str(error))
            await refuse(send, HTTPStatus.SERVICE_UNAVAILABLE, "The console cannot read its database.")
            return
        if verdict.status == HTTPStatus.OK:
            await self.stream(Viewer(frozenset(topics)), session_key, after, receive, send)
        elif verdict.status == HTTPStatus.UNAUTHORIZED and after:
            # The page was signed in before: it hears the same word as a page whose stream was still open.
            await start(send)
            await send({"type": "http.response.body", "body": event(LOGOUT)})
        else:
            await refuse(send, verdict.status, verdict.sentence)

    async def stream(
        self, viewer: Viewer, session_key: str, after: str, receive: Receive, send: Send
    ) -> None:
        """Stream until the browser goes, the session ends or the server stops."""
        hub = self.hub
        gone = asyncio.create_task(wait_for_disconnect(receive, viewer))
        try:
            await start(send)
            await hub.join(viewer, after)
            hello = f"retry: {RETRY_MS}\n\n".encode() + self.tick(viewer)
            await send_part(send, hello)
            await self.pump(viewer, session_key, send)
            await send({"type": "http.response.body", "body": b""})
        except OSError:
            # The browser went away while something was on its way to it.
            logger.debug("viewer_gone")
        finally:
            hub.leave(viewer)
            gone.cancel()

    def tick(self, viewer: Viewer) -> bytes:
        """Write the heartbeat; its id keeps a quiet viewer's place on the bus recent."""
        moment = timezone.now().isoformat(timespec="milliseconds")
        return event("tick", json.dumps({"now": moment}), viewer.last_id)

    async def pump(self, viewer: Viewer, session_key: str, send: Send) -> None:
        """Send what waits as it comes, a tick in between, and look at the session now and then."""
        clock = asyncio.get_running_loop().time
        tick_at = clock() + self.tick_seconds
        check_at = clock() + self.check_seconds
        while not viewer.is_closing:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(viewer.wake.wait(), timeout=max(0.0, min(tick_at, check_at) - clock()))
            if viewer.is_closing:
                return
            if viewer.waiting:
                await send_part(send, write_events(viewer))
            if clock() >= check_at:
                if not await self.may_stay(viewer, session_key):
                    # Also for want of a second factor: the sign-in page leads who is signed in to where it is added.
                    await send_part(send, event(LOGOUT))
                    return
                check_at = clock() + self.check_seconds
            if clock() >= tick_at:
                await send_part(send, self.tick(viewer))
                tick_at = clock() + self.tick_seconds

    async def may_stay(self, viewer: Viewer, session_key: str) -> bool:
        """Check the session again; topics that are no longer allowed fall silent."""
        try:
            verdict = await judge_viewer(session_key, sorted(viewer.topics))
        except DatabaseError as error:
            # The database is away for everybody; ending the streams would sign nobody out and tell nobody anything.
            logger.warning("viewer_not_checked", error=str(error))
            return True
        viewer.topics = viewer.topics.difference(verdict.refused)
        return not verdict.is_of_person


def write_events(viewer: Viewer) -> bytes:
    """Write what waits; only the last carries the id, so that a cut in between is replayed whole."""
    last_id = viewer.last_id
    waiting = list(viewer.take().items())
    final = len(waiting) - 1
    return b"".join(
        event(name, data, last_id if number == final else "") for number, (name, data) in enumerate(waiting)
    )


async def wait_for_disconnect(receive: Receive, viewer: Viewer) -> None:
    """Close the viewer when the browser goes away."""
    while (await receive())["type"] != "http.disconnect":
        pass
    viewer.is_closing = True
    viewer.wake.set()


async def start(send: Send) -> None:
    await send({"type": "http.response.start", "status": HTTPStatus.OK, "headers": HEADERS})


async def send_part(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def refuse(send: Send, status: HTTPStatus, sentence: str) -> None:
    """Answer with a status and one sentence."""
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": sentence.encode()})


application = Stream()
