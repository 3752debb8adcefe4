"""Topics that everybody may watch, and a bus of the tests' own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from live import topics
from live.bus import Bus
from tests.live.scenes import KEY


@pytest.fixture(autouse=True)
def known_topics(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everybody may watch fruit; tree:<name> is for people who may deploy."""
    monkeypatch.setitem(topics._checks, "fruit", lambda access, ident: True)
    monkeypatch.setitem(topics._checks, "tree", lambda access, ident: access.holds("service.deploy"))


@pytest.fixture
def bus(redis_url: str) -> Iterator[Bus]:
    client = redis.Redis.from_url(redis_url)
    client.delete(KEY)
    yield Bus(redis_url, key=KEY)
    client.delete(KEY)
    client.close()
