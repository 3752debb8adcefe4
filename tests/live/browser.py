"""A browser at the ASGI door of the stream, and a Redis server that a test may stop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.test import Client

from live.stream import Stream


@dataclass(frozen=True)
class Heard:
    """One event as the page hears it."""

    name: str
    data: str = ""
    id: str = ""
    retry: str = ""


def parse(text: str) -> list[Heard]:
    events = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines())
        if fields:
            name = fields.get("event", "")
            events.append(Heard(name, fields.get("data", ""), fields.get("id", ""), fields.get("retry", "")))
    return events


@dataclass
class Tab:
    """One open stream: its status, its headers and what it heard so far."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    heard: list[Heard] = field(default_factory=list)
    body: str = ""
    is_ended: bool = False
    reads: asyncio.Event = field(default_factory=asyncio.Event)
    moved: asyncio.Condition = field(default_factory=asyncio.Condition)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    asked: bool = False

    async def receive(self) -> dict[str, Any]:
        if not self.asked:
            self.asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        await self.reads.wait()
        async with self.moved:
            if message["type"] == "http.response.start":
                self.status = int(message["status"])
                self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            else:
                text = message.get("body", b"").decode()
                self.body += text
                self.heard += parse(text) if "event-stream" in self.headers["content-type"] else []
                self.is_ended = not message.get("more_body", False)
            self.moved.notify_all()

    async def until(self, check: Callable[[Tab], bool], seconds: float = 5) -> Tab:
        async with self.moved:
            await asyncio.wait_for(self.moved.wait_for(lambda: check(self)), seconds)
        return self

    async def hears(self, name: str, times: int = 1) -> Heard:
        await self.until(lambda tab: tab.names.count(name) >= times)
        return next(event for event in reversed(self.heard) if event.name == name)

    @property
    def names(self) -> list[str]:
        return [event.name for event in self.heard if event.name]


def scope_for(
    client: Client | None, topics: str, last_event_id: str = "", method: str = "GET"
) -> dict[str, Any]:
    headers = []
    if client is not None and settings.SESSION_COOKIE_NAME in client.cookies:
        cookie = f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"
        headers.append((b"cookie", cookie.encode()))
    if last_event_id:
        headers.append((b"last-event-id", last_event_id.encode()))
    query = f"topics={topics}".encode()
    return {
        "type": "http",
        "method": method,
        "path": "/live/stream",
        "query_string": query,
        "headers": headers,
    }


@asynccontextmanager
async def opened(
    stream: Stream, client: Client | None, topics: str, last_event_id: str = ""
) -> AsyncIterator[Tab]:
    """Open a stream and wait for its first words; leave it at the end."""
    tab = Tab()
    tab.reads.set()
    scope = scope_for(client, topics, last_event_id)
    call = asyncio.create_task(stream(scope, tab.receive, tab.send))
    try:
        await tab.until(lambda tab: tab.is_ended or "tick" in tab.names)
        yield tab
    finally:
        tab.reads.set()
        tab.left.set()
        await asyncio.wait_for(call, 5)
