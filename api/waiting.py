"""Waiting for a change beside Django: a waiter holds neither a thread nor a database handle.

`GET /api/v1/changes/{id}?wait=60` waits here, on the one subscription to the bus that the process has anyway, and is
then answered by Django as without `wait`: permission, rate and shape are decided there and only there.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import structlog
from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.conf import settings
from django.contrib.auth import get_user
from django.db import DatabaseError, connections
from django.db.models import QuerySet
from django.http import HttpRequest, parse_cookie
from django.utils import timezone

from access.middleware import session_over
from access.queries import Access, access_for
from access.tokens import TokenRefused, authenticate
from deployments.models import Change
from deployments.states import TERMINAL
from ecsconsole.numbers import is_number
from live.hub import Viewer
from live.stream import application as stream
from live.viewing import load_session

logger = structlog.get_logger(__name__)
Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

ADDRESS = re.compile(r"/api/v1/changes/(\d{1,18})")
MOST_SECONDS = 60
# A nudge may be lost with Redis; a look this often costs one short query.
LOOK_EVERY = 5.0
# Whether a token and its owner still may see it, as often as a live stream asks that of a session.
JUDGE_EVERY = 30.0
# So long a look waits for the others whom the same nudge woke.
GATHER_SECONDS = 0.02
# More would be a program gone wild; those beyond it are answered at once, and their rate limit slows them.
MOST_WAITERS = 500


@dataclass(frozen=True, slots=True)
class Wait:
    """What somebody waits for: a change, for so long, beyond a version; and by what they are known."""

    change_id: int
    seconds: int
    after: int | None
    authorization: str
    session_key: str


class Waiters:
    """How many wait in this process, and the looks that the next of them may share, by change."""

    count = 0
    looks: dict[int, asyncio.Task[int | None]] = {}


async def wait_for_change(scope: Scope, receive: Receive) -> Receive:
    """Wait if the request asks for it; return how the rest of the request is to be received."""
    wait = read_wait(scope)
    if wait is None or Waiters.count >= MOST_WAITERS:
        return receive
    first = await receive()
    # Django asks for what comes next as well: it must not be swallowed here.
    gone = asyncio.ensure_future(receive())
    Waiters.count += 1
    try:
        await wait_out(wait, gone)
    finally:
        Waiters.count -= 1
    return replayed(first, gone)


def read_wait(scope: Scope) -> Wait | None:
    """Return what a request waits for, None when it does not ask for it in a way that Django would accept."""
    found = ADDRESS.fullmatch(scope.get("path", "")) if scope["type"] == "http" else None
    if found is None or scope["method"] != "GET":
        return None
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
    seconds, after = (query.get(name, [""])[-1] for name in ("wait", "after"))
    if not is_number(seconds) or not 0 < int(seconds) <= MOST_SECONDS:
        return None
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    cookies = parse_cookie(headers.get("cookie", ""))
    return Wait(
        change_id=int(found[1]),
        seconds=int(seconds),
        after=int(after) if is_number(after) else None,
        authorization=headers.get("authorization", ""),
        session_key=cookies.get(settings.SESSION_COOKIE_NAME, ""),
    )


def replayed(first: Message, following: asyncio.Future[Message]) -> Receive:
    """Return a `receive` that gives what was received already."""
    messages: list[Message] = [first]

    async def receive() -> Message:
        return messages.pop() if messages else await following

    return receive


async def wait_out(wait: Wait, gone: asyncio.Future[Message]) -> None:
    """Return when the change has another version, when the time is over, or when nobody waits any more."""
    clock = asyncio.get_running_loop().time
    until = clock() + wait.seconds
    viewer = Viewer(frozenset({f"change:{wait.change_id}"}))
    gone.add_done_callback(lambda _: viewer.wake.set())
    try:
        # Joined before the first look, so that what happens between them is not missed.
        await stream.hub.join(viewer)
        known, judge_at = wait.after, clock()
        while True:
            viewer.take()
            if clock() >= judge_at:
                version, judge_at = await look(wait), clock() + JUDGE_EVERY
            else:
                version = await look_together(wait.change_id)
            if version is None or (known is not None and version != known):
                return
            known = version
            if gone.done() or viewer.is_closing or clock() >= until:
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(viewer.wake.wait(), timeout=max(0.0, min(LOOK_EVERY, until - clock())))
            if gone.done() or viewer.is_closing or clock() >= until:
                return
    except DatabaseError as error:
        # Django meets the same and says so.
        logger.warning("change_not_looked_at", error=str(error))
    finally:
        stream.hub.leave(viewer)


async def look_together(change_id: int) -> int | None:
    """Return the version of a change, read once for all whom a nudge woke: each with its own would stop the pages.

    Nobody is told anything by it: who is answered is judged by Django.
    """
    task = Waiters.looks.get(change_id)
    # One of a loop that has ended would never be done.
    if task is None or task.get_loop() is not asyncio.get_running_loop():
        task = Waiters.looks[change_id] = asyncio.create_task(look_soon(change_id))
    # Others wait for it too, so it must not end with one of them who leaves.
    return await asyncio.shield(task)


async def look_soon(change_id: int) -> int | None:
    await asyncio.sleep(GATHER_SECONDS)
    # From here on somebody may have heard of something that this look does not see any more.
    Waiters.looks.pop(change_id, None)
    async with ThreadSensitiveContext():
        return await sync_to_async(version_of, thread_sensitive=True)(change_id)


def version_of(change_id: int) -> int | None:
    try:
        return version_in(Change.objects.filter(pk=change_id))
    finally:
        connections.close_all()


async def look(wait: Wait) -> int | None:
    """Return the version of the change; None when it is over or not to be seen, so that waiting is pointless."""
    async with ThreadSensitiveContext():
        return await sync_to_async(look_and_let_go, thread_sensitive=True)(wait)


def look_and_let_go(wait: Wait) -> int | None:
    try:
        access = access_of(wait)
        if access is None:
            return None
        return version_in(access.visible(Change.objects.filter(pk=wait.change_id)))
    finally:
        # This thread ends now; its database handle would stay open with nobody to use it.
        connections.close_all()


def version_in(rows: QuerySet[Change]) -> int | None:
    """Return the version of a change that has not ended."""
    going_on = rows.exclude(state__in=sorted(TERMINAL))
    version: int | None = going_on.values_list("version", flat=True).first()
    return version


def access_of(wait: Wait) -> Access | None:
    """Return the access of who waits, as Django will find it; None where it will refuse."""
    now = timezone.now()
    if wait.authorization:
        scheme, _, text = wait.authorization.partition(" ")
        try:
            token = authenticate(text.strip(), now) if scheme.lower() == "bearer" else None
        except TokenRefused:
            return None
        return access_for(token.user, token) if token else None
    if not wait.session_key:
        return None
    request = HttpRequest()
    request.session = load_session(wait.session_key)
    user = get_user(request)
    if not user.is_authenticated or session_over(dict(request.session.items()), now):
        return None
    return access_for(user)
