from __future__ import annotations

import pytest
import redis
from django.db import transaction

from ecsconsole.children import free_port
from live import bus as bus_module
from live.bus import Bus, publish_on_commit


@pytest.fixture
def key(redis_url: str, request: pytest.FixtureRequest) -> str:
    key = f"test:{request.node.name}"
    redis.Redis.from_url(redis_url).delete(key)
    return key


def names_on(redis_url: str, key: str) -> list[str]:
    entries = redis.Redis.from_url(redis_url, decode_responses=True).xrange(key)
    return [fields["names"] for _, fields in entries]


def test_one_call_is_one_entry_and_repeats_fall_away(redis_url: str, key: str) -> None:
    assert Bus(redis_url, key=key).publish("fleet", "service:1", "fleet")
    assert names_on(redis_url, key) == ["fleet service:1"]


@pytest.mark.parametrize("name", ["", "service:1,2", "a b", "service:\n1", "Fleet", "x:" + "y" * 129])
def test_what_cannot_be_a_topic_is_an_error_of_the_caller(redis_url: str, key: str, name: str) -> None:
    with pytest.raises(ValueError, match="is not a topic"):
        Bus(redis_url, key=key).publish(name)
    assert names_on(redis_url, key) == []


def test_stream_is_capped(redis_url: str, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bus_module, "KEPT", 100)
    bus = Bus(redis_url, key=key)
    for _ in range(500):
        bus.publish("fleet")
    assert 100 <= len(names_on(redis_url, key)) < 300


def test_away_bus_never_fails_its_caller_and_is_asked_again_only_after_a_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bus = Bus(f"redis://127.0.0.1:{free_port()}/0")
    attempts: list[int] = []
    original = bus._client.xadd
    monkeypatch.setattr(bus._client, "xadd", lambda *a, **k: attempts.append(1) or original(*a, **k))
    assert [bus.publish("fleet") for _ in range(50)] == [False] * 50
    assert len(attempts) == 1
    monkeypatch.setattr(bus_module, "REST_SECONDS", 0.0)
    assert not bus.publish("fleet")
    assert len(attempts) == 2


def test_bus_that_is_back_is_used_again(redis_url: str, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bus = Bus(f"redis://127.0.0.1:{free_port()}/0", key=key)
    assert not bus.publish("fleet")
    bus._client = Bus(redis_url)._client
    monkeypatch.setattr(bus_module, "REST_SECONDS", 0.0)
    assert bus.publish("fleet")
    assert names_on(redis_url, key) == ["fleet"]


@pytest.mark.django_db(transaction=True)
def test_nudge_waits_for_the_commit_and_falls_with_the_transaction(
    redis_url: str, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus_module, "bus_at", lambda _: Bus(redis_url, key=key))
    with transaction.atomic():
        publish_on_commit("service:1")
        assert names_on(redis_url, key) == []
    with transaction.atomic():
        publish_on_commit("service:2")
        transaction.set_rollback(True)
    assert names_on(redis_url, key) == ["service:1"]
