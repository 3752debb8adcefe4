"""The live stream: nudges to every viewer, replay, ticks, and a bus that comes and goes."""

from __future__ import annotations

import asyncio
import json
import signal
import threading
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from django.utils import timezone

from ecsconsole.broker import start_broker
from ecsconsole.children import stop_all
from live.bus import Bus
from live.hub import CLIENT_NAME
from live.stream import Stream
from tests.live.browser import opened
from tests.live.scenes import KEY, comes_true, play, refused

pytestmark = pytest.mark.django_db(transaction=True)


def test_nudge_reaches_every_viewer_of_its_topic(redis_url: str, bus: Bus, as_: Any) -> None:
    async def scene(stream: Stream) -> None:
        async with (
            opened(stream, as_("alice"), "fruit,tree:oak") as alice,
            opened(stream, as_("carol"), "fruit") as carol,
        ):
            bus.publish("fruit")
            heard = await alice.hears("fruit")
            await carol.hears("fruit")
            assert heard.data == "{}"
            bus.publish("tree:oak", "tree:elm")
            await alice.hears("tree:oak")
            assert "tree:elm" not in alice.names
            assert "tree:oak" not in carol.names

    play(redis_url, scene)


def test_stream_is_kept_from_caches_and_compressing_proxies(redis_url: str, bus: Bus, as_: Any) -> None:
    async def scene(stream: Stream) -> None:
        async with opened(stream, as_("carol"), "fruit") as tab:
            assert tab.status == 200
            assert tab.headers["content-type"].startswith("text/event-stream")
            assert tab.headers["cache-control"] == "no-cache, no-transform"
            assert tab.headers["x-accel-buffering"] == "no"
            assert tab.heard[0].retry == "2000"

    play(redis_url, scene)


def test_topic_without_permission_is_refused_by_name(redis_url: str, bus: Bus, as_: Any) -> None:
    async def scene(stream: Stream) -> None:
        tab = await refused(stream, as_("carol"), "fruit,tree:oak,nonsense")
        assert tab.status == 403
        assert tab.body == "You may not watch tree:oak, nonsense."

    play(redis_url, scene)


@pytest.mark.parametrize(
    ("wanted", "method", "status"),
    [("", "GET", 400), (",".join(f"fruit:{n}" for n in range(65)), "GET", 400), ("fruit", "POST", 405)],
)
def test_malformed_request_is_refused(
    redis_url: str, bus: Bus, as_: Any, wanted: str, method: str, status: int
) -> None:
    async def scene(stream: Stream) -> None:
        assert (await refused(stream, as_("carol"), wanted, method)).status == status

    play(redis_url, scene)


def test_last_event_id_replays_what_was_missed_and_no_more(redis_url: str, bus: Bus, as_: Any) -> None:
    async def scene(stream: Stream) -> None:
        async with opened(stream, as_("alice"), "fruit,tree:oak") as tab:
            bus.publish("fruit")
            seen = (await tab.hears("fruit")).id
        bus.publish("tree:oak")
        bus.publish("tree:elm")
        bus.publish("tree:oak")
        async with opened(stream, as_("alice"), "fruit,tree:oak", last_event_id=seen) as tab:
            await tab.hears("tree:oak")
            assert tab.names == ["tick", "tree:oak"]

    play(redis_url, scene)


def test_replay_outlives_the_process(redis_url: str, bus: Bus, as_: Any) -> None:
    seen: list[str] = []

    async def before(stream: Stream) -> None:
        async with opened(stream, as_("carol"), "fruit") as tab:
            bus.publish("fruit")
            seen.append((await tab.hears("fruit")).id)

    async def after(stream: Stream) -> None:
        async with opened(stream, as_("carol"), "fruit", last_event_id=seen[0]) as tab:
            await tab.hears("fruit")
            assert "resync" not in tab.names

    play(redis_url, before)
    bus.publish("fruit")
    play(redis_url, after)


def test_unknown_place_on_the_bus_is_a_resync(redis_url: str, bus: Bus, as_: Any) -> None:
    async def scene(stream: Stream) -> None:
        bus.publish("fruit")
        async with opened(stream, as_("carol"), "fruit", last_event_id="1-0") as tab:
            await tab.hears("resync")
            assert "fruit" not in tab.names

    play(redis_url, scene)


def test_tick_carries_the_time_and_a_place_to_resume_from(redis_url: str, bus: Bus, as_: Any) -> None:
    async def scene(stream: Stream) -> None:
        async with opened(stream, as_("carol"), "fruit") as tab:
            bus.publish("tree:oak")
            await tab.hears("tick", times=4)
            tick = tab.heard[-1]
            assert abs(
                timezone.datetime.fromisoformat(json.loads(tick.data)["now"]) - timezone.now()
            ) < timedelta(seconds=5)
            assert tick.id == stream.hub.last_id

    play(redis_url, scene, tick_seconds=0.05)


def connections_named(redis_url: str, name: str) -> int:
    client = redis.Redis.from_url(redis_url)
    try:
        # Parallel test workers share the server, each in a database of its own.
        own = str(client.connection_pool.connection_kwargs["db"])
        return sum(row["name"] == name and row["db"] == own for row in client.client_list())
    finally:
        client.close()


def test_150_viewers_share_one_connection_and_no_threads(redis_url: str, bus: Bus, as_: Any) -> None:
    async def scene(stream: Stream) -> None:
        client = as_("carol")
        before = threading.active_count()
        async with AsyncExitStack() as stack:
            tabs = [await stack.enter_async_context(opened(stream, client, "fruit")) for _ in range(150)]
            bus.publish("fruit")
            await asyncio.gather(*(tab.hears("fruit") for tab in tabs))
            assert len(stream.hub.viewers) == 150
            assert connections_named(redis_url, CLIENT_NAME) == 1
            assert threading.active_count() - before < 20
        assert not stream.hub.viewers

    play(redis_url, scene)


def test_slow_viewer_delays_nobody_and_holds_one_nudge_for_each_topic(
    redis_url: str, bus: Bus, as_: Any
) -> None:
    async def scene(stream: Stream) -> None:
        async with (
            opened(stream, as_("alice"), "fruit,tree:oak") as slow,
            opened(stream, as_("carol"), "fruit") as quick,
        ):
            slow_viewer = next(v for v in stream.hub.viewers if "tree:oak" in v.topics)
            slow.reads.clear()
            for _ in range(300):
                bus.publish("fruit")
                bus.publish("tree:oak")
            await quick.hears("fruit")
            await comes_true(lambda: len(slow_viewer.waiting) == 2)
            slow.reads.set()
            await slow.hears("tree:oak")
            assert len(slow.names) <= 1 + 2 * 2
            assert slow.heard[-1].id == stream.hub.last_id

    play(redis_url, scene)


def test_server_shutdown_ends_the_streams(redis_url: str, bus: Bus, as_: Any) -> None:
    async def scene(stream: Stream) -> None:
        messages = asyncio.Queue[dict[str, Any]]()
        sent: list[str] = []

        async def send(message: Any) -> None:
            sent.append(message["type"])

        life = asyncio.create_task(stream({"type": "lifespan"}, messages.get, send))
        messages.put_nowait({"type": "lifespan.startup"})
        async with opened(stream, as_("carol"), "fruit") as tab:
            messages.put_nowait({"type": "lifespan.shutdown"})
            await tab.until(lambda tab: tab.is_ended)
            assert "logout" not in tab.names
        await life
        assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]

    play(redis_url, scene)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_signal_ends_the_streams_before_the_server_waits_for_them(
    redis_url: str, bus: Bus, as_: Any, number: signal.Signals
) -> None:
    caught: list[int] = []
    before = signal.signal(number, lambda number, frame: caught.append(number))

    async def scene(stream: Stream) -> None:
        messages = asyncio.Queue[dict[str, Any]]()
        sent: asyncio.Queue[Any] = asyncio.Queue()
        life = asyncio.create_task(stream({"type": "lifespan"}, messages.get, sent.put))
        messages.put_nowait({"type": "lifespan.startup"})
        await sent.get()
        async with opened(stream, as_("carol"), "fruit") as tab:
            signal.raise_signal(number)
            await tab.until(lambda tab: tab.is_ended)
        messages.put_nowait({"type": "lifespan.shutdown"})
        await life

    try:
        play(redis_url, scene)
        assert caught == [number]
        signal.raise_signal(number)
        assert caught == [number, number]
    finally:
        signal.signal(number, before)


def test_bus_that_goes_away_is_told_and_its_return_asks_for_everything(tmp_path: Path, as_: Any) -> None:
    broker = start_broker(tmp_path)
    port = int(broker.url.rsplit(":", 1)[1].split("/")[0])

    async def scene(stream: Stream) -> None:
        nonlocal broker
        async with opened(stream, as_("carol"), "fruit") as tab:
            await asyncio.to_thread(stop_all, [broker.child], grace=5)
            assert (await tab.hears("bus")).data == "lost"
            await tab.hears("tick", times=len([n for n in tab.names if n == "tick"]) + 2)
            async with opened(stream, as_("alice"), "fruit") as late:
                assert (await late.hears("bus")).data == "lost"
            broker = await asyncio.to_thread(start_broker_at, tmp_path, port)
            await tab.hears("resync")
            assert (await tab.hears("bus", times=2)).data == "back"
            assert Bus(broker.url, key=KEY).publish("fruit")
            await tab.hears("fruit")

    try:
        play(broker.url, scene, tick_seconds=0.1)
    finally:
        stop_all([broker.child], grace=5)


def start_broker_at(folder: Path, port: int) -> Any:
    """Start a server on the port of the one that went away."""
    from ecsconsole import broker

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(broker, "free_port", lambda: port)
        return start_broker(folder)
