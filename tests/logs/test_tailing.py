from __future__ import annotations

from datetime import timedelta

import pytest

from clusters.models import Account
from live import bus
from logs import tailing
from logs.models import LogTail, tail_key
from logs.sources import Source
from logs.store import Store
from logs.tailing import claim_due, read_tail, watch
from tests.logs.conftest import GROUP, LogWorld


def source(world: LogWorld, group: str = GROUP) -> Source:
    account = Account.objects.get()
    return Source(account, "us-east-1", group, "ecs/")


def follow(world: LogWorld) -> LogTail:
    (tail,) = watch([source(world)], world.now)
    return tail


def read(world: LogWorld) -> int:
    """Read as the beat would once the tail is due."""
    return read_tail(world.tail().pk, world.now)


def texts(tail: LogTail) -> list[str]:
    return [entry.line.message for entry in Store(tail.key).latest()]


@pytest.fixture
def nudges(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    heard: list[str] = []
    monkeypatch.setattr(tailing, "publish", lambda *names: heard.extend(names))
    assert bus.NAME.match(f"logs:{tail_key('1', 'r', 'g', 'p')}")
    return heard


def test_lines_are_stored_once_in_order_of_time_and_nudged(world: LogWorld, nudges: list[str]) -> None:
    world.write(world.second, "second", ago=5)
    world.write(world.first, "first", ago=10)
    tail = follow(world)
    assert read(world) == 2
    assert read(world) == 0
    assert texts(tail) == ["first", "second"]
    assert nudges == [tail.topic]


def test_late_line_of_the_recent_past_is_still_read(world: LogWorld) -> None:
    tail = follow(world)
    world.write(world.first, "quick", ago=1)
    read(world)
    world.write(world.second, "late", ago=10)
    assert read(world) == 1
    assert texts(tail) == ["quick", "late"]


def test_two_equal_lines_of_one_millisecond_are_both_kept(world: LogWorld) -> None:
    tail = follow(world)
    world.write(world.first, "same", ago=3)
    world.write(world.second, "same", ago=3)
    read(world)
    assert texts(tail) == ["same", "same"]


def test_one_reader_however_many_watch(world: LogWorld) -> None:
    for _ in range(40):
        follow(world)
    assert LogTail.objects.count() == 1
    assert len(claim_due(world.now)) == 1
    assert claim_due(world.now) == []
    read(world)
    assert world.count() == 1


def test_tail_ends_after_the_last_viewer(world: LogWorld) -> None:
    follow(world)
    later = world.now + tailing.WATCH + timedelta(seconds=1)
    assert claim_due(later) == []
    watch([source(world)], later)
    assert len(claim_due(later)) == 1


def test_watching_again_writes_only_when_the_time_is_nearly_over(world: LogWorld) -> None:
    follow(world)
    until = world.tail().watched_until
    watch([source(world)], world.now + timedelta(seconds=10))
    assert world.tail().watched_until == until
    watch([source(world)], world.now + timedelta(seconds=60))
    assert world.tail().watched_until > until


def test_reader_that_dies_is_replaced_when_its_lease_is_over(world: LogWorld) -> None:
    follow(world)
    assert claim_due(world.now)
    assert claim_due(world.now + tailing.LEASE + timedelta(seconds=1)) == [world.tail().pk]


def test_throttling_backs_off_and_is_shown_until_it_works_again(world: LogWorld, nudges: list[str]) -> None:
    follow(world)
    world.server.faults.add("throttle", service="logs")
    pauses = []
    for _ in range(3):
        read(world)
        pauses.append(world.tail().next_due_at - world.now)
    tail = world.tail()
    assert pauses[0] < pauses[1] < pauses[2]
    assert (tail.error_action, tail.error_code) == ("logs:FilterLogEvents", "ThrottlingException")
    assert tail.failing_since is not None
    assert tail.error_hint
    assert nudges == [tail.topic]
    world.server.faults.remove()
    read(world)
    tail = world.tail()
    assert (tail.failing_since, tail.error_code, tail.failure_count) == (None, "", 0)
    assert nudges == [tail.topic] * 2


def test_missing_group_is_stored_with_code_and_request_id(world: LogWorld) -> None:
    (tail,) = watch([source(world, "/ecs/none")], world.now)
    read_tail(tail.pk, world.now)
    tail.refresh_from_db()
    assert tail.error_code == "ResourceNotFoundException"
    assert "does not exist" in tail.error_message
    assert tail.error_request_id


def test_group_that_writes_too_fast_says_what_is_left_out(
    world: LogWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tailing, "PAGE", 10)
    monkeypatch.setattr(tailing, "MOST_PAGES", 2)
    tail = follow(world)
    world.write(world.first, *(f"line {n}" for n in range(50)), ago=300)
    read(world)
    entries = Store(tail.key).latest()
    assert len(entries) == 21
    assert entries[-1].is_gap
    assert "left out" in entries[-1].line.message
    assert world.count() == 2


def test_tail_that_was_left_long_ago_starts_anew(world: LogWorld) -> None:
    tail = follow(world)
    world.write(world.first, "yesterday", ago=5)
    read(world)
    world.server.world.advance(3600)
    world.write(world.first, "now", ago=5)
    watch([source(world)], world.now)
    read(world)
    assert texts(tail) == ["now"]


def test_many_tails_of_a_region_share_its_request_rate(world: LogWorld) -> None:
    watch([source(world, f"/ecs/{n}") for n in range(20)], world.now)
    tail = LogTail.objects.first()
    assert tail is not None
    assert tailing.pause_for(tail, world.now) == timedelta(seconds=10)


def test_streams_of_another_prefix_are_not_read(world: LogWorld) -> None:
    tail = follow(world)
    world.write("x" * 32, "mine", container="app")
    caller_stream = world.server.client("logs", account_id=world.cluster.account.account_id)
    caller_stream.create_log_stream(logGroupName=GROUP, logStreamName="other/app/1")
    caller_stream.put_log_events(
        logGroupName=GROUP,
        logStreamName="other/app/1",
        logEvents=[{"timestamp": int(world.now.timestamp() * 1000), "message": "not mine"}],
    )
    read(world)
    assert texts(tail) == ["mine"]
