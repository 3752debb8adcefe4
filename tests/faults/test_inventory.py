"""The inventory in trouble: what was seen stays and is called old, with the cause; the next read heals it."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone
from django.utils.html import strip_tags

from clusters.models import PollTarget, Service, Task
from tests.clusters.polling_world import World
from tests.faults.conftest import Clock
from tests.faults.control import calm, control, trouble

# Kind, what it selects, and the code that people are shown.
FAULTS: list[tuple[str, dict[str, Any], str]] = [
    ("throttle", {"service": "ecs"}, "ThrottlingException"),
    ("error", {"service": "ecs"}, "ServerException"),
    ("outage", {"region": "us-east-1"}, "ServiceUnavailable"),
    ("reset", {"service": "ecs"}, "ConnectionClosedError"),
    ("reset-after", {"service": "ecs"}, "ConnectionClosedError"),
    ("access-denied", {"service": "ecs", "operation": "DescribeServices"}, "AccessDeniedException"),
    ("expired-credentials", {"service": "ecs"}, "ExpiredTokenException"),
]
NAMES = [kind for kind, _, _ in FAULTS]


def age(world: World, minutes: int = 5) -> None:
    """Let the time pass in which nothing could be read."""
    since = timedelta(minutes=minutes)
    Service.objects.update(described_at=F("described_at") - since)
    PollTarget.objects.update(
        succeeded_at=F("succeeded_at") - since, failing_since=F("failing_since") - since
    )
    world.target.refresh_from_db()


@pytest.mark.parametrize(("kind", "selector", "code"), FAULTS, ids=NAMES)
def test_what_was_seen_stays_and_says_why_it_is_old(
    polled: World, clock: Clock, as_: Any, kind: str, selector: dict[str, Any], code: str
) -> None:
    polled.poll(walk=True)
    before = list(Service.objects.values("name", "running_count", "facts", "gone_at"))
    tasks = list(Task.objects.values("arn", "last_status", "gone_at"))
    fresh = as_("carol").get("/").content.decode()
    trouble(polled.server, kind, **selector)
    polled.poll(walk=True)
    polled.poll(walk=True)
    target = polled.target
    assert list(Service.objects.values("name", "running_count", "facts", "gone_at")) == before
    assert list(Task.objects.values("arn", "last_status", "gone_at")) == tasks
    assert target.failing_since is not None
    assert (target.error_code, target.failure_count) == (code, 2)
    assert target.error_action.startswith("ecs:")
    assert bool(target.error_request_id) == (not kind.startswith("reset"))
    age(polled)
    html = as_("carol").get("/").content.decode()
    text = strip_tags(html)
    assert re.search(r"empty us-east-1 (partly )?not updated for 5 min", text)
    assert f"{target.error_action} was answered with {code}" in text
    assert target.error_request_id in text
    assert html.count("s-stale") > fresh.count("s-stale"), "the service is shown as unknown"
    calm(polled.server)
    polled.poll(walk=True)
    target = polled.target
    assert (target.failing_since, target.error_code, target.failure_count) == (None, "", 0)
    healed = as_("carol").get("/").content.decode()
    assert "not updated for" not in healed
    assert healed.count("s-stale") == fresh.count("s-stale")


@pytest.mark.parametrize("kind", ["throttle", "error", "outage", "reset", "expired-credentials"])
def test_reads_in_trouble_stay_within_the_bucket(polled: World, clock: Clock, kind: str) -> None:
    """Attempts of the same read count as well: AWS counts them."""
    polled.poll(walk=True)
    trouble(polled.server, kind, service="ecs")
    began, before = clock.waited, polled.server.calls.count("ListClusters")
    for _ in range(40):
        polled.poll(walk=True)
    made = polled.server.calls.count("ListClusters") - before
    # ListClusters is in the bucket of cluster reads: 50 at once, 20 a second after that.
    assert made <= 50 + 20 * (clock.waited - began) + 1


def test_each_failure_waits_longer_for_the_next_try(polled: World, clock: Clock) -> None:
    polled.poll(walk=True)
    trouble(polled.server, "outage", region="us-east-1")
    pauses = []
    for _ in range(6):
        polled.poll(walk=True)
        pauses.append((polled.target.next_due_at - timezone.now()).total_seconds())
    assert pauses[0] < pauses[2] < pauses[4]
    assert max(pauses) <= 60


def test_outage_of_one_region_leaves_the_others_alone(polled: World, clock: Clock) -> None:
    other = polled.add_target("eu-west-1")
    trouble(polled.server, "outage", region="us-east-1")
    polled.poll(walk=True)
    polled.target = other
    polled.poll(walk=True)
    assert other.succeeded_at is not None
    assert PollTarget.objects.get(region="us-east-1").error_code == "ServiceUnavailable"


def test_latency_slows_a_read_and_loses_nothing(polled: World, clock: Clock) -> None:
    trouble(polled.server, "latency", service="ecs", milliseconds=60)
    polled.poll(walk=True)
    assert polled.target.failing_since is None
    assert Service.objects.get().running_count == 2


@pytest.mark.parametrize("kind", ["throttle", "error", "reset"])
def test_a_short_trouble_is_not_noticed(polled: World, clock: Clock, kind: str) -> None:
    trouble(polled.server, kind, service="ecs", count=1)
    polled.poll(walk=True)
    assert polled.target.failing_since is None
    assert Service.objects.get().running_count == 2


def test_sessions_that_expired_are_renewed_within_the_read(polled: World, clock: Clock) -> None:
    polled.poll(walk=True)
    assert control(polled.server, "POST", "expire-sessions")["expired"]
    polled.poll(walk=True)
    assert polled.target.failing_since is None


def test_stale_reads_are_caught_up_with(polled: World, clock: Clock) -> None:
    polled.poll(walk=True)
    trouble(polled.server, "stale", service="ecs")
    polled.poll(walk=True)
    polled.call("UpdateService", cluster="core", service="web", desiredCount=4)
    polled.poll(walk=True)
    assert Service.objects.get().desired_count == 2
    calm(polled.server)
    polled.poll(walk=True)
    assert Service.objects.get().desired_count == 4


def test_shortage_of_capacity_is_named_and_passes(polled: World, clock: Clock) -> None:
    place = {"account": polled.target.account.account_id, "region": "us-east-1"}
    polled.poll(walk=True)
    control(polled.server, "POST", "capacity", {**place, "available": False})
    polled.call("UpdateService", cluster="core", service="web", desiredCount=4)
    said = []
    for _ in range(12):
        polled.advance(10)
        polled.poll(walk=True)
        said.append(Service.objects.get().happening)
    assert Service.objects.get().running_count == 2
    assert any("capacity" in text.lower() for text in said), said
    control(polled.server, "POST", "capacity", {**place, "available": True})
    polled.advance(900)
    polled.poll(walk=True)
    assert Service.objects.get().running_count == 4
