"""A scene on a live stream of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from django.test import Client

from live.stream import Stream
from tests.live.browser import Tab, scope_for

KEY = "test:live"
Scene = Callable[[Stream], Awaitable[None]]


def play(redis_url: str, scene: Scene, **options: float) -> None:
    """Run a scene on a stream of its own, and end it."""

    async def run() -> None:
        stream = Stream(url=redis_url, key=KEY, **{"tick_seconds": 60.0, "check_seconds": 60.0, **options})
        try:
            await scene(stream)
        finally:
            await stream.close()

    asyncio.run(run())


async def comes_true(check: Callable[[], bool]) -> None:
    """Wait for what nothing announces."""
    async with asyncio.timeout(5):
        while not check():  # noqa: ASYNC110 - the thing watched has no event
            await asyncio.sleep(0.01)


async def refused(
    stream: Stream, client: Client | None, wanted: str, method: str = "GET", last_event_id: str = ""
) -> Tab:
    tab = Tab()
    tab.reads.set()
    await stream(scope_for(client, wanted, last_event_id, method), tab.receive, tab.send)
    return tab
