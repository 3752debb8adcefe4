"""Following a change at the ASGI door: who waits is told at once, and costs nobody anything."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import connections
from django.utils import timezone

from access.tokens import revoke_token
from api import waiting
from deployments import machine as engine
from deployments.models import Change
from deployments.states import State
from ecsconsole.asgi import application
from live.bus import publish
from live.stream import application as stream
from tests.api.conftest import Machine, Machines
from tests.builders import make_change, make_service
from tests.deployments.rig import patiently

pytestmark = pytest.mark.django_db(transaction=True)
Answered = tuple[int, dict[str, Any], float]


class Asker:
    """A client of the ASGI application that may leave."""

    def __init__(self, path: str, query: str, headers: dict[str, str]) -> None:
        self.scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(b"host", b"testserver")]
            + [(k.lower().encode(), v.encode()) for k, v in headers.items()],
            "server": ("testserver", 80),
            "client": ("127.0.0.1", 1),
            "scheme": "http",
        }
        self.status, self.body, self.asked = 0, b"", False
        self.left = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        if not self.asked:
            self.asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self.body += message.get("body", b"")

    async def answer(self) -> Answered:
        started = time.monotonic()
        await application(self.scope, self.receive, self.send)
        return self.status, json.loads(self.body or b"{}"), time.monotonic() - started


def follow(of: Machine, pk: int, query: str) -> Asker:
    return Asker(f"/api/v1/changes/{pk}", query, of.headers)


def play(scene: Callable[[], Awaitable[None]]) -> None:
    """Run a scene in a loop of its own, and end the hub that belongs to it."""

    async def run() -> None:
        try:
            await scene()
        finally:
            await stream.close()

    asyncio.run(run())


def move(change: Change, to: State) -> None:
    try:
        patiently(lambda: engine.move(change, to, actor="system", note="because", now=timezone.now()))
    finally:
        connections.close_all()


def end_token(machine: Machine) -> None:
    try:
        patiently(lambda: revoke_token(token=machine.token, actor="erin"))
    finally:
        connections.close_all()


@pytest.fixture
def change(people: dict[str, User]) -> Change:
    return make_change(make_service(), people["alice"], state="queued")


async def until(check: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not check():  # noqa: ASYNC110 - the thing watched has no event
            await asyncio.sleep(0.01)


def test_who_waits_is_answered_when_the_state_changes(machine: Machines, change: Change) -> None:
    alice = machine("alice", "read")

    async def scene() -> None:
        waits = asyncio.create_task(follow(alice, change.pk, "wait=30").answer())
        await until(lambda: len(stream.hub.viewers) == 1)
        await asyncio.sleep(0.3)
        assert not waits.done()
        await sync_to_async(move, thread_sensitive=False)(change, State.RUNNING)
        status, body, seconds = await asyncio.wait_for(waits, 10)
        assert (status, body["state"], body["version"]) == (200, "running", 1)
        assert seconds < 5, "told by the bus, not by the look that comes every few seconds"

    play(scene)
    assert waiting.Waiters.count == 0


def test_who_waits_is_answered_when_the_time_is_over(machine: Machines, change: Change) -> None:
    alice = machine("alice", "read")

    async def scene() -> None:
        status, body, seconds = await follow(alice, change.pk, "wait=1").answer()
        assert (status, body["state"]) == (200, "queued")
        assert 0.9 < seconds < 5

    play(scene)


@pytest.mark.parametrize(
    ("state", "query"), [("queued", "wait=30&after=7"), ("succeeded", "wait=30"), ("queued", "wait=0")]
)
def test_who_has_nothing_to_wait_for_is_answered_at_once(
    machine: Machines, people: dict[str, User], state: str, query: str
) -> None:
    found = make_change(make_service("b"), people["alice"], state=state, version=8)
    alice = machine("alice", "read")

    async def scene() -> None:
        status, body, seconds = await follow(alice, found.pk, query).answer()
        assert (status, body["state"]) == (200, state)
        assert seconds < 3

    play(scene)


def test_who_may_not_see_it_is_refused_at_once(machine: Machines, change: Change) -> None:
    mallory, alice = machine("mallory", "read"), machine("alice", "read")

    async def scene() -> None:
        assert (await follow(mallory, change.pk, "wait=30").answer())[0] == 404
        assert (await follow(alice, change.pk + 1, "wait=30").answer())[0] == 404
        alice.text = "ecs_wrong"
        assert (await follow(alice, change.pk, "wait=30").answer())[0] == 401
        assert (await follow(mallory, change.pk, "wait=61").answer())[0] == 422

    play(scene)


def test_who_leaves_is_forgotten(machine: Machines, change: Change) -> None:
    alice = machine("alice", "read")

    async def scene() -> None:
        asker = follow(alice, change.pk, "wait=30")
        waits = asyncio.create_task(asker.answer())
        await until(lambda: len(stream.hub.viewers) == 1)
        asker.left.set()
        await asyncio.wait_for(asyncio.gather(waits, return_exceptions=True), 5)
        assert stream.hub.viewers == set()

    play(scene)
    assert waiting.Waiters.count == 0


def test_end_of_the_server_ends_the_waiting_with_an_answer(machine: Machines, change: Change) -> None:
    alice = machine("alice", "read")

    async def scene() -> None:
        waits = asyncio.create_task(follow(alice, change.pk, "wait=30").answer())
        await until(lambda: len(stream.hub.viewers) == 1)
        await asyncio.sleep(0.3)
        stream.dismiss()
        status, body, _ = await asyncio.wait_for(waits, 5)
        assert (status, body["state"]) == (200, "queued")

    play(scene)


def test_state_is_found_while_the_bus_is_away(
    machine: Machines, change: Change, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = machine("alice", "read")
    monkeypatch.setattr(waiting, "LOOK_EVERY", 0.2)
    settings.REDIS_URL = "redis://127.0.0.1:1/0"

    async def scene() -> None:
        waits = asyncio.create_task(follow(alice, change.pk, "wait=30").answer())
        await until(lambda: waiting.Waiters.count == 1)
        await asyncio.sleep(0.5)
        await sync_to_async(move, thread_sensitive=False)(change, State.CANCELLED)
        status, body, _ = await asyncio.wait_for(waits, 15)
        assert (status, body["state"], body["outcome"]) == (200, "cancelled", "because")

    play(scene)


def test_fifty_who_wait_hold_no_thread_and_starve_no_page(machine: Machines, change: Change) -> None:
    alice, other = machine("alice", "read"), machine("carol", "read")

    async def scene() -> None:
        before = threading.active_count()
        waits = [asyncio.create_task(follow(alice, change.pk, "wait=20").answer()) for _ in range(50)]
        await until(lambda: waiting.Waiters.count == 50 and len(stream.hub.viewers) == 50)
        await asyncio.sleep(1)
        assert threading.active_count() - before <= 3
        status, _, seconds = await Asker("/api/v1/services", "", other.headers).answer()
        assert status == 200
        assert seconds < 1
        await sync_to_async(move, thread_sensitive=False)(change, State.RUNNING)
        answers = await asyncio.wait_for(asyncio.gather(*waits), 30)
        # In memory SQLite refuses some of fifty readers at once where a file would let them read.
        assert {status for status, _, _ in answers} <= {200, 500}
        assert sum(body.get("state") == "running" for _, body, _ in answers) > 25

    play(scene)


def test_nudge_that_wakes_many_is_looked_into_once(
    machine: Machines, change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, looks = machine("alice", "read"), []
    # Its use is noted once a minute, and so by none of the many: SQLite locks the table for whoever reads meanwhile.
    alice.get("/changes")
    original = waiting.version_of
    monkeypatch.setattr(waiting, "version_of", lambda pk: looks.append(pk) or original(pk))
    monkeypatch.setattr(waiting, "LOOK_EVERY", 60)

    async def scene() -> None:
        waits = [asyncio.create_task(follow(alice, change.pk, "wait=20").answer()) for _ in range(20)]
        await until(lambda: len(stream.hub.viewers) == 20)
        await asyncio.sleep(1)
        looks.clear()
        await sync_to_async(publish, thread_sensitive=False)(f"change:{change.pk}")
        await until(lambda: bool(looks))
        await asyncio.sleep(0.5)
        assert len(looks) <= 3
        assert not any(wait.done() for wait in waits)
        await sync_to_async(move, thread_sensitive=False)(change, State.CANCELLED)
        answers = await asyncio.wait_for(asyncio.gather(*waits), 30)
        assert sum(body.get("state") == "cancelled" for _, body, _ in answers) > 10
        assert len(looks) <= 6

    play(scene)


def test_token_that_is_revoked_does_not_wait_on(
    machine: Machines, change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = machine("alice", "read")
    monkeypatch.setattr(waiting, "LOOK_EVERY", 0.2)
    monkeypatch.setattr(waiting, "JUDGE_EVERY", 0.5)

    async def scene() -> None:
        waits = asyncio.create_task(follow(alice, change.pk, "wait=30").answer())
        await until(lambda: len(stream.hub.viewers) == 1)
        await asyncio.sleep(0.3)
        await sync_to_async(end_token, thread_sensitive=False)(alice)
        status, _, seconds = await asyncio.wait_for(waits, 10)
        assert status == 401
        assert seconds < 8

    play(scene)


def test_those_beyond_the_limit_are_answered_at_once(
    machine: Machines, change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = machine("alice", "read")
    monkeypatch.setattr(waiting, "MOST_WAITERS", 0)

    async def scene() -> None:
        status, _, seconds = await follow(alice, change.pk, "wait=30").answer()
        assert status == 200
        assert seconds < 3

    play(scene)
