"""The bus between whoever changes something and whoever looks at it: names only, never data or HTML."""

from __future__ import annotations

import re
import time
from functools import lru_cache, partial

import redis
import structlog
from django.conf import settings
from django.db import transaction
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

logger = structlog.get_logger(__name__)

KEY = "ec:live"
# Some minutes of a busy fleet: a browser that was away for less catches up without a reload.
KEPT = 4000
NAME = re.compile(r"[a-z][a-z0-9-]*(:[A-Za-z0-9._-]{1,128})?\Z")
# A bus that is away costs its callers one short wait in this many seconds, not one for each nudge.
REST_SECONDS = 2.0


class Bus:
    """A capped Redis Stream: one entry for each call of `publish`, read by one reader in each web process."""

    def __init__(self, url: str, *, key: str = KEY) -> None:
        self.key = key
        self._client = redis.Redis.from_url(
            url, socket_connect_timeout=0.5, socket_timeout=0.5, retry=Retry(NoBackoff(), 0)
        )
        self._away_since = 0.0
        self._tried_at = 0.0

    def publish(self, *names: str) -> bool:
        """Nudge the watchers of these names; False when the bus is away, which the caller need not mind."""
        for name in names:
            if not NAME.match(name):
                raise ValueError(f"{name!r} is not a topic")
        if not names or (self._away_since and time.monotonic() - self._tried_at < REST_SECONDS):
            return False
        self._tried_at = time.monotonic()
        try:
            self._client.xadd(
                self.key, {"names": " ".join(dict.fromkeys(names))}, maxlen=KEPT, approximate=True
            )
        except (RedisError, OSError) as error:
            self._note_away(error)
            return False
        self._note_back()
        return True

    def _note_away(self, error: Exception) -> None:
        # Once for each outage: pages fall back to polling, and a line for every nudge would bury the cause.
        if not self._away_since:
            self._away_since = time.monotonic()
            logger.warning("bus_away", error=str(error))

    def _note_back(self) -> None:
        if self._away_since:
            logger.info("bus_back", away_seconds=round(time.monotonic() - self._away_since, 1))
            self._away_since = 0.0


@lru_cache
def bus_at(url: str) -> Bus:
    """Return this process's bus at an address, which keeps its connection and knows when it is away."""
    return Bus(url)


def publish(*names: str) -> bool:
    """Nudge now, for what is already committed; False when the bus is away."""
    return bus_at(settings.REDIS_URL).publish(*names)


def publish_on_commit(*names: str) -> None:
    """Nudge once the surrounding transaction is committed, at once when there is none."""
    # Robust: by then the work is done, and a nudge that cannot be sent must not look like a failure of it.
    transaction.on_commit(partial(publish, *names), robust=True)
