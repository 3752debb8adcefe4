"""Clocks that jump: ten minutes back or two hours ahead between two steps delay a change and never make it fail."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from aws import budget, sessions
from deployments import dispatch, leases
from deployments.models import Attempt, Change
from deployments.states import State
from tests.deployments.rig import Rig, dies_after, fresh
from tests.deployments.test_crash_matrix import assert_history_is_whole
from tests.deployments.test_recovery import MUTATIONS, die_in, restart

BACK, AHEAD = timedelta(minutes=-10), timedelta(hours=2)
VERBS = list(dict.fromkeys(ask for ask, _ in MUTATIONS))
NAMES = [ask.__name__ for ask in VERBS]
OPEN = (State.RUNNING, State.NEEDS_ATTENTION)


def wake_by_clock(rig: Rig, change: Change, off_by: timedelta) -> Change:
    """Let a worker whose clock is off take the change."""
    dispatch.wake(change.pk, now=rig.now + off_by, connect=rig.connect)
    return fresh(change)


@pytest.mark.parametrize("ask", VERBS, ids=NAMES)
def test_clock_that_went_back_only_delays(dev_rig: Rig, ask: Callable[[Rig], Change]) -> None:
    change = dev_rig.wake(ask(dev_rig))
    made = list(dev_rig.calls)
    dev_rig.world.advance(5)
    before = change.lease_fence
    change = wake_by_clock(dev_rig, change, BACK)
    assert (change.state, change.lease_fence) == (State.RUNNING, before), "by this clock it is not due"
    change = dev_rig.until(change, step=15)
    assert (change.state, dev_rig.calls) == (State.SUCCEEDED, made)
    assert_history_is_whole(change)


@pytest.mark.parametrize("ask", VERBS, ids=NAMES)
def test_clock_that_went_ahead_asks_a_person_and_the_end_is_still_seen(
    dev_rig: Rig, ask: Callable[[Rig], Change]
) -> None:
    """Its time is over by that clock; that is no failure, and what ECS says later counts."""
    change = dev_rig.wake(ask(dev_rig))
    made = list(dev_rig.calls)
    change = wake_by_clock(dev_rig, change, AHEAD)
    assert change.state in OPEN, change.outcome
    # The clock is set right again; the next look was stored by the wrong one, and comes when that hour has come.
    dev_rig.world.advance(AHEAD.total_seconds() + 60)
    change = dev_rig.until(change, step=15)
    assert (change.state, dev_rig.calls) == (State.SUCCEEDED, made)
    assert_history_is_whole(change)


@pytest.mark.parametrize("off_by", [BACK, AHEAD], ids=["back", "ahead"])
def test_restart_whose_answer_is_lost_is_not_made_twice_by_a_jump(dev_rig: Rig, off_by: timedelta) -> None:
    change = restart(dev_rig)
    die_in(dev_rig, change, dies_after("ecs:UpdateService"))
    dev_rig.world.advance(leases.LEASE.total_seconds() + 1)
    change = wake_by_clock(dev_rig, change, off_by)
    assert change.state in OPEN, change.outcome
    dev_rig.world.advance(AHEAD.total_seconds() + 60)
    change = dev_rig.until(change, step=15)
    assert change.state == State.SUCCEEDED, change.outcome
    assert dev_rig.calls == ["ecs:UpdateService"]
    assert Attempt.objects.get(change=change).response["observed"] is True


def test_no_call_is_sent_that_could_outlive_its_lease(dev_rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token of the budget and the role's credentials may be waited for before the call itself is sent."""
    change = dev_rig.ask("restart")
    lease = leases.take(change.pk, dev_rig.now)
    assert lease is not None
    longest = budget.LONGEST_WAIT + 2 * (sessions.CONNECT_SECONDS + sessions.READ_SECONDS)
    late = lease.taken_at + leases.LEASE.total_seconds() - longest
    monkeypatch.setattr(leases.time, "monotonic", lambda: late)
    assert not lease.has_time_for_a_call


def test_lease_is_measured_by_no_clock_that_can_be_set(dev_rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left of it decides whether a call may be sent; a clock that went back must not make it longer."""
    change = dev_rig.ask("restart")
    lease = leases.take(change.pk, dev_rig.now + BACK + AHEAD)
    assert lease is not None
    assert lease.has_time_for_a_call
    late = leases.time.monotonic() + leases.LEASE.total_seconds()
    monkeypatch.setattr(leases.time, "monotonic", lambda: late)
    assert not lease.has_time_for_a_call
