"""The peer of the live stream: an ASGI application that does nothing but pass the bus on."""

from __future__ import annotations

import asyncio
from typing import Any

import redis.asyncio
from django.conf import settings

from live.bus import KEY

_queues: list[asyncio.Queue[bytes]] = []
_tasks: list[asyncio.Task[None]] = []


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Read the bus once and write to every stream, without sessions, topics or replay."""
    if scope["type"] == "lifespan":
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": f"{message['type']}.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]}
    )
    await send({"type": "http.response.body", "body": b": ready\n\n", "more_body": True})
    queue: asyncio.Queue[bytes] = asyncio.Queue(100)
    _queues.append(queue)
    if len(_queues) == 1:
        _tasks.append(asyncio.create_task(read_bus()))
    while True:
        await send({"type": "http.response.body", "body": await queue.get(), "more_body": True})


async def read_bus() -> None:
    client = redis.asyncio.Redis.from_url(settings.REDIS_URL)
    position: Any = "$"
    while True:
        answer: Any = await client.xread({KEY: position}, block=5000)
        for _, entries in answer or []:
            for entry_id, _fields in entries:
                position = entry_id
                for queue in _queues:
                    queue.put_nowait(b"event: fleet\ndata: {}\n\n")
