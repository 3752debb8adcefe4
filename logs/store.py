"""The lines of followed log groups: a capped Redis Stream for each tail, gone soon after the last viewer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import redis
from django.conf import settings

from aws.logs import LogLine
from logs.ansi import cap

# What one page can show; older lines come from CloudWatch Logs itself.
KEPT = 5000
# Long enough to come back to, short enough that yesterday's incident is not in memory.
EXPIRES_SECONDS = 15 * 60
GAP = "gap"


class StoreAway(Exception):
    """Redis does not answer."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A stored line; `cursor` is its place in order of arrival. A gap is a line of ours that says what is missing."""

    cursor: str
    line: LogLine
    is_gap: bool = False


@lru_cache(maxsize=4)
def client(url: str) -> Any:
    return redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=1, decode_responses=True)


class Store:
    """The lines of one tail."""

    def __init__(self, key: str) -> None:
        self.lines_key = f"ec:log:{key}"
        self.seen_key = f"ec:log:{key}:seen"
        self._redis = client(settings.REDIS_URL)

    def append(self, lines: Sequence[LogLine], *, forget_before_ms: int) -> int:
        """Store the lines that are new and return their count; lines and memory of them change together."""
        try:
            known = self._known([line.event_id for line in lines])
            fresh = [line for line in lines if line.event_id not in known]
            with self._redis.pipeline(transaction=True) as pipeline:
                for line in fresh:
                    pipeline.xadd(self.lines_key, fields_of(line), maxlen=KEPT, approximate=True)
                if fresh:
                    pipeline.zadd(self.seen_key, {line.event_id: line.timestamp_ms for line in fresh})
                pipeline.zremrangebyscore(self.seen_key, "-inf", f"({forget_before_ms}")
                pipeline.expire(self.lines_key, EXPIRES_SECONDS)
                pipeline.expire(self.seen_key, EXPIRES_SECONDS)
                pipeline.execute()
        except redis.RedisError as error:
            raise StoreAway(str(error)) from error
        return len(fresh)

    def _known(self, event_ids: list[str]) -> set[str]:
        if not event_ids:
            return set()
        scores = self._redis.zmscore(self.seen_key, event_ids)
        return {event_id for event_id, score in zip(event_ids, scores, strict=True) if score is not None}

    def append_gap(self, at_ms: int, text: str) -> None:
        """Say in the stream itself that lines were left out."""
        line = LogLine(at_ms, "", text, "")
        try:
            self._redis.xadd(self.lines_key, {**fields_of(line), GAP: "1"}, maxlen=KEPT, approximate=True)
        except redis.RedisError as error:
            raise StoreAway(str(error)) from error

    def after(self, cursor: str, count: int) -> list[Entry]:
        """Return the oldest lines that arrived after a cursor."""
        try:
            return [entry_of(*item) for item in self._redis.xrange(self.lines_key, f"({cursor}", "+", count)]
        except redis.RedisError as error:
            raise StoreAway(str(error)) from error

    def latest(self, count: int = KEPT) -> list[Entry]:
        """Return the lines that arrived last, oldest first."""
        try:
            found = self._redis.xrevrange(self.lines_key, count=count)
        except redis.RedisError as error:
            raise StoreAway(str(error)) from error
        return [entry_of(*item) for item in reversed(found)]

    def clear(self) -> None:
        """Forget everything, before a tail starts anew."""
        try:
            self._redis.delete(self.lines_key, self.seen_key)
        except redis.RedisError as error:
            raise StoreAway(str(error)) from error


def fields_of(line: LogLine) -> dict[str, str]:
    return {"t": str(line.timestamp_ms), "s": line.stream, "m": cap(line.message), "e": line.event_id}


def entry_of(cursor: str, fields: dict[str, str]) -> Entry:
    line = LogLine(int(fields["t"]), fields["s"], fields["m"], fields["e"])
    return Entry(cursor, line, GAP in fields)
