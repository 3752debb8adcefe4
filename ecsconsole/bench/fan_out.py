"""One nudge to many open streams: the live stream against a bare ASGI loop that does nothing else."""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from typing import Any

from ecsconsole.bench.world import BenchWorld
from ecsconsole.children import Child, free_port, stop_all, wait_for_port
from ecsconsole.stack import CannotStartError

MESSAGES = 20
PAUSE_SECONDS = 0.15


async def bare(scope: Any, receive: Any, send: Any) -> None:
    """The peer: reads the same bus once and writes to every stream, without sessions, topics or replay."""
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


_queues: list[asyncio.Queue[bytes]] = []
_tasks: list[asyncio.Task[None]] = []


async def read_bus() -> None:
    import redis.asyncio
    from django.conf import settings

    from live.bus import KEY

    client = redis.asyncio.Redis.from_url(settings.REDIS_URL)
    position: Any = "$"
    while True:
        answer: Any = await client.xread({KEY: position}, block=5000)
        for _, entries in answer or []:
            for entry_id, _fields in entries:
                position = entry_id
                for queue in _queues:
                    queue.put_nowait(b"event: fleet\ndata: {}\n\n")


async def open_stream(port: int, path: str, cookie: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookie}\r\n\r\n".encode())
    await writer.drain()
    status = await asyncio.wait_for(reader.readline(), 30)
    if b" 200 " not in status:
        raise CannotStartError(f"The stream answered {status.decode().strip()}.")
    return reader, writer


async def listen(reader: asyncio.StreamReader, times: list[float]) -> None:
    """Note when each nudge arrives."""
    while line := await reader.readline():
        if line.startswith(b"event: fleet"):
            times.append(time.perf_counter())


async def publish_and_time(port: int, path: str, cookie: str, viewers: int) -> dict[str, Any]:
    """Open the streams, publish, and return the delays in milliseconds."""
    from live.bus import publish

    streams = []
    for start in range(0, viewers, 25):
        count = min(25, viewers - start)
        streams += await asyncio.gather(*(open_stream(port, path, cookie) for _ in range(count)))
    arrivals: list[list[float]] = [[] for _ in streams]
    listeners = [
        asyncio.create_task(listen(reader, got)) for (reader, _), got in zip(streams, arrivals, strict=True)
    ]
    await asyncio.sleep(1)
    for got in arrivals:
        got.clear()
    sent = []
    for _ in range(MESSAGES):
        sent.append(time.perf_counter())
        await asyncio.to_thread(publish, "fleet")
        await asyncio.sleep(PAUSE_SECONDS)
    await asyncio.sleep(1)
    for listener in listeners:
        listener.cancel()
    for _, writer in streams:
        writer.close()
    delays = sorted((at - start) * 1000 for got in arrivals for start, at in zip(sent, got, strict=False))
    return {
        "viewers": viewers,
        "delivered": len(delays),
        "expected": viewers * MESSAGES,
        "p50_ms": round(statistics.median(delays), 1),
        "p99_ms": round(delays[int(len(delays) * 0.99) - 1], 1),
    }


def serve(application: str, world: BenchWorld) -> tuple[Child, int]:
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", application, "--port", str(port), "--log-level", "error"]
    environment = {**world.stack.environment, "DJANGO_SETTINGS_MODULE": "ecsconsole.settings"}
    child = Child(
        "stream", [*command, "--timeout-graceful-shutdown", "1"], environment, log=world.stack.log
    ).start()
    if not wait_for_port(port, child, seconds=30):
        raise CannotStartError(f"{application} did not start.")
    return child, port


def measure_fan_out(world: BenchWorld, options: argparse.Namespace) -> dict[str, Any]:
    """Measure both servers one after the other with the same client."""
    from ecsconsole.bench.running import session_cookie

    results: dict[str, Any] = {}
    cookie = session_cookie("carol")
    for name, application, path in [
        ("bare_loop", "ecsconsole.bench.fan_out:bare", "/"),
        ("live_stream", "ecsconsole.asgi:application", "/live/stream?topics=fleet"),
    ]:
        child, port = serve(application, world)
        try:
            results[name] = asyncio.run(publish_and_time(port, path, cookie, options.viewers))
        finally:
            stop_all([child], grace=2)
    results["ratio_p99"] = round(results["live_stream"]["p99_ms"] / results["bare_loop"]["p99_ms"], 2)
    return results
