"""Changes that look on in one cluster share one look, and none of them sees one older than its own call."""

from __future__ import annotations

from typing import Any

import pytest

from aws import ecs
from aws.errors import AwsAccessDenied, AwsThrottled
from deployments import leases, sweeping, tasks, watching
from deployments.models import Change
from deployments.states import State
from tests.deployments.rig import Killed, Rig, fresh
from tests.faults.control import control

TEN = [f"api-{number}" for number in range(9)]


@pytest.fixture
def cluster(dev_rig: Rig) -> list[Rig]:
    """Ten services of one cluster."""
    return [dev_rig, *dev_rig.beside(*TEN)]


def begin_all(rigs: list[Rig]) -> list[Change]:
    """Have a restart of each running and looked at."""
    changes = [rig.wake(rig.ask("restart")) for rig in rigs]
    assert {change.step for change in changes} == {"watch"}
    tick(rigs[0], changes)
    return [fresh(change) for change in changes]


def tick(rig: Rig, changes: list[Change], seconds: float = 4) -> None:
    """Let time pass and a worker do what the sweeper finds."""
    rig.world.advance(seconds)
    for group in watching.groups_of([change.pk for change in changes], rig.now):
        watching.watch(group, now=rig.now, connect=rig.connect)


def reads(rig: Rig) -> dict[str, int]:
    counted: dict[str, int] = control(rig.sandbox, "GET", "calls")["operations"]
    return {name: count for name, count in counted.items() if name.startswith("ecs:")}


def test_ten_deployments_of_a_cluster_cost_two_calls_a_tick(cluster: list[Rig]) -> None:
    rig = cluster[0]
    changes = begin_all(cluster)
    control(rig.sandbox, "POST", "calls/reset")
    before = [change.next_wake_at for change in changes]
    tick(rig, changes)
    assert reads(rig) == {"ecs:DescribeServices": 1, "ecs:DescribeServiceDeployments": 1}
    changes = [fresh(change) for change in changes]
    assert all(change.next_wake_at != was for change, was in zip(changes, before, strict=True))
    assert not any(change.lease_holder for change in changes)


def test_each_ends_by_its_own_deployment(cluster: list[Rig]) -> None:
    crashing, *others = cluster[:4]
    crashing.push("v2-crash")
    changes = [crashing.wake(crashing.deploy("v2-crash")), *(rig.wake(rig.ask("restart")) for rig in others)]
    for _ in range(200):
        tick(crashing, changes, seconds=5)
        changes = [crashing.wake(change) for change in changes]
        if not any(change.is_active for change in changes):
            break
    assert [change.state for change in changes] == [State.ROLLED_BACK, *[State.SUCCEEDED] * 3]
    assert crashing.calls.count("ecs:UpdateService") == 4


def test_more_than_one_call_describes_look_in_as_many_groups(dev_rig: Rig) -> None:
    rigs = [dev_rig, *dev_rig.beside(*(f"api-{number}" for number in range(11)))]
    changes = [rig.wake(rig.ask("restart")) for rig in rigs]
    dev_rig.world.advance(4)
    groups = watching.groups_of([change.pk for change in changes], dev_rig.now)
    assert [len(group) for group in groups] == [10, 2]


def test_deployments_begun_at_different_moments_fall_into_step(cluster: list[Rig]) -> None:
    rig = cluster[0]
    changes = []
    for other in cluster[:4]:
        changes.append(other.wake(other.ask("restart")))
        rig.world.advance(0.9)
    for _ in range(8):
        due = sweeping.due(rig.now)
        for group in watching.groups_of(due, rig.now):
            watching.watch(group, now=rig.now, connect=rig.connect)
        for change_id in set(due) - {pk for group in watching.groups_of(due, rig.now) for pk in group}:
            rig.wake(Change.objects.get(pk=change_id))
        rig.world.advance(2)
    assert len({fresh(change).next_wake_at for change in changes}) == 1


def test_change_whose_worker_is_at_it_is_not_looked_at_for_another(cluster: list[Rig]) -> None:
    rig, changes = cluster[0], begin_all(cluster[:3])
    rig.world.advance(4)
    busy = leases.take(changes[0].pk, rig.now)
    assert busy is not None
    watching.watch([change.pk for change in changes], now=rig.now, connect=rig.connect)
    assert fresh(changes[0]).lease_fence == busy.fence
    assert fresh(changes[0]).next_wake_at == changes[0].next_wake_at
    assert fresh(changes[1]).next_wake_at != changes[1].next_wake_at


def test_look_begins_only_under_the_leases_of_all_who_use_it(
    cluster: list[Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call of a change is made under its lease: so none of them can have called AWS since the look began."""
    rig, changes = cluster[0], begin_all(cluster[:3])
    held: list[int] = []
    describe = ecs.describe_services

    def seen(*args: Any) -> Any:
        held.append(Change.objects.exclude(lease_holder="").count())
        return describe(*args)

    monkeypatch.setattr(ecs, "describe_services", seen)
    tick(rig, changes)
    assert held == [3]


def test_rollback_on_a_shared_look_is_watched_on_a_fresh_one(cluster: list[Rig]) -> None:
    rig, changes = cluster[0], begin_all(cluster[:3])
    rig.roll_back(changes[0])
    tick(rig, changes)
    assert rig.calls.count("ecs:StopServiceDeployment") == 1
    assert fresh(changes[0]).step == "stop", "the way back is looked at apart from the look before the call"
    changes = [rig.until(change) for change in changes]
    assert [change.state for change in changes] == [State.ROLLED_BACK, State.SUCCEEDED, State.SUCCEEDED]


def test_unreadable_cluster_is_trouble_of_each_and_no_outcome(
    cluster: list[Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    rig, changes = cluster[0], begin_all(cluster[:3])

    def throttled(*args: Any) -> Any:
        raise AwsThrottled("Rate exceeded", action="ecs:DescribeServices", code="ThrottlingException")

    with monkeypatch.context() as patch:
        patch.setattr(ecs, "describe_services", throttled)
        tick(rig, changes)
    for change in changes:
        assert fresh(change).state == State.RUNNING
        assert "Rate exceeded" in fresh(change).progress["trouble"]
    assert {rig.until(change).state for change in changes} == {State.SUCCEEDED}


def test_service_that_may_not_be_read_does_not_blind_the_others(
    cluster: list[Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    rig, changes = cluster[0], begin_all(cluster[:3])
    describe = ecs.describe_services

    def denied(scope: Any, cluster_name: str, names: list[str]) -> Any:
        if "api-0" in names:
            text = "not authorized on api-0"
            raise AwsAccessDenied(text, action="ecs:DescribeServices", code="AccessDeniedException")
        return describe(scope, cluster_name, names)

    monkeypatch.setattr(ecs, "describe_services", denied)
    tick(rig, changes)
    troubles = [fresh(change).progress.get("trouble", "") for change in changes]
    assert ["not authorized" in text for text in troubles] == [False, True, False]


def test_repeated_and_early_messages_do_nothing(cluster: list[Rig]) -> None:
    rig, changes = cluster[0], begin_all(cluster[:3])
    numbers = [change.pk for change in changes]
    rig.world.advance(4)
    watching.watch(numbers, now=rig.now, connect=rig.connect)
    fences = [fresh(change).lease_fence for change in changes]
    control(rig.sandbox, "POST", "calls/reset")
    for _ in range(3):
        watching.watch(numbers, now=rig.now, connect=rig.connect)
    assert reads(rig) == {}
    assert [fresh(change).lease_fence for change in changes] == fences


def test_death_under_a_shared_look_delays_all_and_loses_none(
    cluster: list[Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    rig, changes = cluster[0], begin_all(cluster[:3])

    def dies(*args: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("deployments.dispatch.step", dies)
        patch.setattr(leases, "release", lambda lease: None)
        with pytest.raises(Killed):
            tick(rig, changes)
    assert sweeping.due(rig.now) == [], "the dead worker's leases still hold"
    rig.world.advance(leases.LEASE.total_seconds())
    assert sorted(sweeping.due(rig.now)) == sorted(change.pk for change in changes)
    assert {rig.until(change).state for change in changes} == {State.SUCCEEDED}


def test_sweeper_sends_one_message_for_those_who_look_together(
    cluster: list[Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    rig, changes = cluster[0], begin_all(cluster[:3])
    waiting = cluster[3].ask("restart")
    together: list[list[int]] = []
    alone: list[int] = []
    monkeypatch.setattr(tasks.watch, "apply_async", lambda args, **_: together.extend(args))
    monkeypatch.setattr(tasks.wake, "apply_async", lambda args, **_: alone.extend(args))
    rig.world.advance(4)
    assert sweeping.sweep(now=rig.now) == 4
    assert (together, alone) == ([[change.pk for change in changes]], [waiting.pk])
