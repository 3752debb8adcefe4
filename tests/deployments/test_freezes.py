"""Freezes: what they hold up, what they let through, and when they open."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from access.decisions import PermissionMissing
from access.queries import access_for
from audit.models import AuditEntry
from deployments import actions
from deployments.errors import FreezeHolds, InvalidSpec, WrongState
from deployments.models import Change, Freeze
from deployments.states import State
from deployments.terms import Terms
from tests.deployments.governing import freeze_now
from tests.deployments.rig import Rig, fresh


def test_nothing_is_asked_for_in_a_freeze(rig: Rig) -> None:
    freeze_now(rig)
    with pytest.raises(FreezeHolds, match="Quarter close holds changes here; opens in 2 h"):
        rig.ask("restart")
    assert not Change.objects.exists()
    check = next(check for check in rig.plan("restart", {}).checks if check.id == "freeze")
    assert check.level == "refuse"


def test_change_that_was_asked_before_waits_for_the_end(rig: Rig) -> None:
    change = rig.ask("restart")
    freeze_now(rig, hours=0.5)
    change = rig.wake(change)
    assert change.state == State.QUEUED
    assert "Quarter close holds" in change.progress["rollout"]["waiting_for"]["sentence"]
    assert rig.calls == []
    rig.world.advance(31 * 60)
    assert rig.wake(change).state == State.RUNNING


def test_change_that_waits_too_long_expires_and_says_what_held_it(rig: Rig) -> None:
    change = rig.ask("restart")
    freeze_now(rig, hours=5)
    rig.wake(change)
    rig.world.advance(3601)
    change = rig.wake(change)
    assert change.state == State.EXPIRED
    assert "Quarter close" in change.outcome
    assert rig.calls == []


def test_what_runs_when_a_freeze_begins_goes_on_to_its_end(rig: Rig) -> None:
    change = rig.wake(rig.ask("restart"))
    assert change.state == State.RUNNING
    freeze_now(rig)
    assert rig.until(change).state == State.SUCCEEDED


def test_rollback_is_exempt_unless_the_freeze_says_otherwise(rig: Rig) -> None:
    freeze = freeze_now(rig)
    assert rig.plan("rollback", {"in_flight": True}).hold is None
    Freeze.objects.filter(pk=freeze.pk).update(is_rollback_exempt=False)
    assert rig.plan("rollback", {"in_flight": True}).hold is not None


@pytest.mark.parametrize(
    "place",
    [{"environment": "staging"}, {"cluster": "core-*"}, {"service": "other"}, {"region": "eu-west-1"}],
)
def test_freeze_of_another_place_holds_nothing_here(rig: Rig, place: dict[str, str]) -> None:
    freeze_now(rig, **{"environment": "", **place})
    assert rig.ask("restart").state == State.QUEUED


def test_schedule_after_the_freeze_is_taken(rig: Rig) -> None:
    freeze_now(rig, hours=1)
    terms = Terms(scheduled_at=rig.now + timedelta(hours=2))
    change = rig.ask("restart", terms=terms)
    assert change.state == State.QUEUED
    assert rig.wake(change).next_wake_at == terms.scheduled_at


def test_near_freeze_is_said(rig: Rig) -> None:
    Freeze.objects.create(
        name="Night", starts_at=rig.now + timedelta(minutes=50), duration_minutes=60, environment="production"
    )
    check = next(check for check in rig.plan("restart", {}).checks if check.id == "freeze")
    assert check.level == "warn"
    assert "Night begins to hold changes here in less than 1 h" in check.text


def values(rig: Rig, **more: Any) -> dict[str, Any]:
    return {
        "name": "Night",
        "environment": "production",
        "starts_at": rig.now,
        "duration_minutes": 60,
        "zone": "Europe/Berlin",
        **more,
    }


def test_freeze_is_set_up_changed_and_ended_with_entries(rig: Rig) -> None:
    bob = rig.people["bob"]
    access = access_for(bob)
    freeze = actions.save_freeze(actor=bob, access=access, values=values(rig), now=rig.now)
    actions.save_freeze(actor=bob, access=access, freeze=freeze, values={"duration_minutes": 90}, now=rig.now)
    assert freeze.version == 2
    actions.end_freeze(freeze=freeze, actor=bob, access=access, reason="over", now=rig.now)
    with pytest.raises(WrongState):
        actions.end_freeze(freeze=freeze, actor=bob, access=access, now=rig.now)
    entries = AuditEntry.objects.filter(target=f"freeze-{freeze.pk}").order_by("seq")
    assert [entry.action for entry in entries] == ["freeze.added", "freeze.changed", "freeze.ended"]
    assert entries[1].data["before"] == {"duration_minutes": "60"}
    assert rig.ask("restart").state == State.QUEUED


@pytest.mark.parametrize("person", ["alice", "carol", "dan", "erin", "mallory"])
def test_only_release_managers_manage_freezes(rig: Rig, person: str) -> None:
    who = rig.people[person]
    with pytest.raises(PermissionMissing):
        actions.save_freeze(actor=who, access=access_for(who), values=values(rig), now=rig.now)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"zone": "Mars/Base"}, "zone"),
        ({"rule": "FREQ=MINUTELY"}, "rule"),
        ({"duration_minutes": 0}, "duration_minutes"),
        ({"name": ""}, "name"),
    ],
)
def test_freeze_that_cannot_be_meant_is_refused(rig: Rig, wrong: dict[str, Any], field: str) -> None:
    bob = rig.people["bob"]
    with pytest.raises(InvalidSpec) as caught:
        actions.save_freeze(actor=bob, access=access_for(bob), values=values(rig, **wrong), now=rig.now)
    assert field in caught.value.errors
    assert not Freeze.objects.exists()


def test_ending_a_freeze_lets_what_waits_go(rig: Rig) -> None:
    change = rig.ask("restart")
    freeze = freeze_now(rig)
    rig.wake(change)
    bob = rig.people["bob"]
    actions.end_freeze(freeze=freeze, actor=bob, access=access_for(bob), now=rig.now)
    rig.world.advance(31)
    assert rig.wake(fresh(change)).state == State.RUNNING
