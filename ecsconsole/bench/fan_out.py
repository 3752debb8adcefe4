"""One nudge to many open streams: the live stream against a bare ASGI loop that does nothing else."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from typing import Any

from django.contrib.auth.models import User

from ecsconsole.bench.figures import ROUNDS, percentile, ratios, spread
from ecsconsole.bench.running import session_cookie
from ecsconsole.bench.world import BenchWorld
from ecsconsole.children import Child, free_port, stop_all, wait_for_port
from ecsconsole.stack import CannotStartError

MESSAGES = 20
PAUSE_SECONDS = 0.05
LONGEST_SECONDS = 10.0
SERVERS = {
    "bare_loop": ("ecsconsole.bench.bare_stream:application", "/"),
    "live_stream": ("ecsconsole.asgi:application", "/live/stream?topics=fleet"),
}


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


async def publish_and_time(port: int, path: str, cookie: str, viewers: int) -> list[float]:
    """Open the streams, publish, and return the sorted delays in milliseconds."""
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
        # The next one waits for all: a nudge that waits already is not sent twice, and delays would be mistaken.
        await reached_all(arrivals, len(sent))
        await asyncio.sleep(PAUSE_SECONDS)
    for listener in listeners:
        listener.cancel()
    for _, writer in streams:
        writer.close()
    return sorted((at - start) * 1000 for got in arrivals for start, at in zip(sent, got, strict=True))


async def reached_all(arrivals: list[list[float]], count: int) -> None:
    """Wait until every stream has got this many messages."""
    deadline = time.perf_counter() + LONGEST_SECONDS
    while any(len(got) < count for got in arrivals):
        if time.perf_counter() > deadline:
            late = sum(len(got) < count for got in arrivals)
            raise CannotStartError(f"Message {count} did not reach {late} of {len(arrivals)} streams.")
        await asyncio.sleep(0.02)


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
    """Measure both servers in turn with the same client."""
    cookie = session_cookie(User.objects.get(username="carol"))
    delays: dict[str, list[list[float]]] = {name: [] for name in SERVERS}
    for _ in range(ROUNDS):
        for name, (application, path) in SERVERS.items():
            child, port = serve(application, world)
            try:
                delays[name].append(asyncio.run(publish_and_time(port, path, cookie, options.viewers)))
            finally:
                stop_all([child], grace=2)
    p99 = {name: [percentile(got, 0.99) for got in rounds] for name, rounds in delays.items()}
    return {
        "viewers": options.viewers,
        "messages_expected": options.viewers * MESSAGES * ROUNDS,
        **{
            name: {
                "messages_delivered": sum(len(got) for got in rounds),
                "p50_ms": spread([percentile(got, 0.5) for got in rounds], 1),
                "p99_ms": spread(p99[name], 1),
            }
            for name, rounds in delays.items()
        },
        "ratio_p99": ratios(p99["live_stream"], p99["bare_loop"]),
    }
