"""One reader of the bus for all viewers of a process, and what each of them has waiting."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import redis.asyncio
import structlog
from redis.exceptions import RedisError

from live.bus import KEPT, KEY

logger = structlog.get_logger(__name__)

# Shorter than the socket's own limit below: a silent read is a dead connection, not a quiet fleet.
BLOCK_MS = 5000
SOCKET_SECONDS = 10.0
FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 15.0

RESYNC = "resync"
BUS = "bus"
CLIENT_NAME = "ecsconsole-live"


@dataclass(eq=False)
class Viewer:
    """One open stream. What waits for it is a set of names, so a slow one holds no more than its topics."""

    topics: frozenset[str]
    waiting: dict[str, str] = field(default_factory=dict)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    last_id: str = ""
    is_closing: bool = False

    def offer(self, entry_id: str, names: list[str]) -> None:
        """Note the names it watches; a name that waits already is not sent twice."""
        self.last_id = entry_id
        wanted = self.topics.intersection(names)
        if wanted:
            self.waiting.update(dict.fromkeys(sorted(wanted), "{}"))
            self.wake.set()

    def tell(self, event: str, data: str = "{}") -> None:
        """Leave a message of the stream itself; a resync replaces every nudge that waits."""
        if event == RESYNC:
            self.waiting = {name: text for name, text in self.waiting.items() if name == BUS}
        self.waiting[event] = data
        self.wake.set()

    def take(self) -> dict[str, str]:
        """Return what waits, and forget it."""
        self.wake.clear()
        taken, self.waiting = self.waiting, {}
        return taken


class Hub:
    """Reads the bus once and hands each nudge to the viewers that watch it."""

    def __init__(self, url: str, *, key: str = KEY) -> None:
        self.url = url
        self.key = key
        self.viewers: set[Viewer] = set()
        self.is_lost = False
        # Kept in memory as well, so that a hundred browsers that come back cost Redis nothing.
        self.recent: deque[tuple[str, list[str]]] = deque(maxlen=KEPT)
        self._reader: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()

    @property
    def last_id(self) -> str:
        return self.recent[-1][0] if self.recent else ""

    async def join(self, viewer: Viewer, after: str = "") -> None:
        """Add a viewer; with `after` it first gets what it missed, or `resync` when that is no longer known."""
        if self._reader is None:
            self._reader = asyncio.create_task(self._read_forever(), name="live-reader")
        # A bus that is away must not keep a viewer from its ticks.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ready.wait(), timeout=2)
        if after:
            self._replay(viewer, after)
        viewer.last_id = self.last_id
        if self.is_lost:
            viewer.tell(BUS, "lost")
        if not viewer.is_closing:
            self.viewers.add(viewer)

    def _replay(self, viewer: Viewer, after: str) -> None:
        ids = [entry_id for entry_id, _ in self.recent]
        if after not in ids:
            viewer.tell(RESYNC)
            return
        for entry_id, names in list(self.recent)[ids.index(after) + 1 :]:
            viewer.offer(entry_id, names)

    def leave(self, viewer: Viewer) -> None:
        """Forget a viewer that went away."""
        self.viewers.discard(viewer)

    def dismiss(self) -> None:
        """Let every stream end itself."""
        for viewer in list(self.viewers):
            viewer.is_closing = True
            viewer.wake.set()

    async def close(self) -> None:
        """End the reader and let every stream end itself."""
        self.dismiss()
        if self._reader is not None:
            self._reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reader
            self._reader = None
            # Whoever joins after this waits for a reader of their own, or what comes meanwhile would pass them by.
            self._ready = asyncio.Event()

    async def _read_forever(self) -> None:
        """Read until cancelled; each loss is told to the viewers, each return lets them read everything again."""
        wait = FIRST_WAIT_SECONDS
        while True:
            try:
                async with self._connect() as client:
                    await self._catch_up(client)
                    self._set_lost(False)
                    wait = FIRST_WAIT_SECONDS
                    await self._follow(client)
            except (RedisError, OSError) as error:
                self._set_lost(True, str(error))
                await asyncio.sleep(wait)
                wait = min(wait * 2, LONGEST_WAIT_SECONDS)

    @contextlib.asynccontextmanager
    async def _connect(self) -> AsyncIterator[Any]:
        client = redis.asyncio.Redis.from_url(
            self.url,
            socket_connect_timeout=2,
            socket_timeout=SOCKET_SECONDS,
            client_name=CLIENT_NAME,
            decode_responses=True,
            single_connection_client=True,
        )
        try:
            yield client
        finally:
            # The connection may be the very thing that broke.
            with contextlib.suppress(RedisError, OSError):
                await client.aclose()

    async def _catch_up(self, client: Any) -> None:
        self.recent.clear()
        entries = await client.xrevrange(self.key, count=KEPT)
        self.recent.extend((entry_id, fields["names"].split()) for entry_id, fields in reversed(entries))

    async def _follow(self, client: Any) -> None:
        position = self.last_id or "0-0"
        while True:
            answer = await client.xread({self.key: position}, count=500, block=BLOCK_MS)
            for _, entries in answer or []:
                for entry_id, fields in entries:
                    self._hand_out(entry_id, fields["names"].split())
                    position = entry_id

    def _hand_out(self, entry_id: str, names: list[str]) -> None:
        self.recent.append((entry_id, names))
        for viewer in self.viewers:
            viewer.offer(entry_id, names)

    def _set_lost(self, is_lost: bool, error: str = "") -> None:
        self._ready.set()
        if is_lost == self.is_lost:
            return
        self.is_lost = is_lost
        logger.warning("live_bus_lost", error=error) if is_lost else logger.info("live_bus_back")
        for viewer in self.viewers:
            viewer.tell(BUS, "lost" if is_lost else "back")
            if not is_lost:
                # Nobody could publish meanwhile, so nobody knows what was missed.
                viewer.tell(RESYNC)
