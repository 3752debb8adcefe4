"""Every edge of the machine, allowed and forbidden, and what each move leaves behind."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from audit.models import AuditEntry
from deployments import leases, machine
from deployments.errors import LostRace, TransitionNotAllowed
from deployments.models import Change, Transition
from deployments.states import ACTIVE, TERMINAL, TRANSITIONS, State
from tests.builders import make_change, make_service
from tests.deployments.rig import fresh, patiently

ALLOWED = [(origin, to) for origin, targets in TRANSITIONS.items() for to in sorted(targets)]
FORBIDDEN = [(origin, to) for origin in State for to in State if to not in TRANSITIONS.get(origin, ())]


def test_states_are_active_or_terminal_and_each_is_reached() -> None:
    assert set(State) == ACTIVE | TERMINAL
    reached = set().union(*TRANSITIONS.values())
    assert set(State) - reached == {State.AWAITING_APPROVAL}


@pytest.mark.parametrize(("origin", "to"), ALLOWED)
def test_allowed_edge_moves_and_is_written_down(people: dict[str, User], origin: State, to: State) -> None:
    change = make_change(make_service(), people["alice"], origin, next_wake_at=timezone.now())
    machine.move(change, to, actor=people["bob"], note="why", now=timezone.now())
    stored = fresh(change)
    assert (stored.state, stored.version) == (to, 1)
    transition = Transition.objects.get(change=change)
    assert (transition.from_state, transition.to_state, transition.actor) == (origin, to, "bob")
    entry = AuditEntry.objects.get(action="change.state")
    assert (entry.data["from"], entry.data["to"], entry.target) == (origin, to, f"CR-{change.pk}")
    if to in TERMINAL:
        assert stored.finished_at
        assert stored.next_wake_at is None
        assert stored.outcome == "why"


@pytest.mark.parametrize(("origin", "to"), FORBIDDEN)
def test_forbidden_edge_changes_nothing(people: dict[str, User], origin: State, to: State) -> None:
    change = make_change(make_service(), people["alice"], origin)
    with pytest.raises(TransitionNotAllowed):
        machine.move(change, to, actor="system", note="", now=timezone.now())
    assert fresh(change).state == origin
    assert not Transition.objects.exists()
    assert not AuditEntry.objects.exists()


def test_second_mover_loses_and_leaves_no_trace(people: dict[str, User]) -> None:
    change = make_change(make_service(), people["alice"], State.QUEUED)
    other = fresh(change)
    machine.move(change, State.RUNNING, actor="system", note="", now=timezone.now())
    with pytest.raises(LostRace):
        machine.move(other, State.CANCELLED, actor=people["alice"], note="", now=timezone.now())
    assert fresh(change).state == State.RUNNING
    assert Transition.objects.count() == AuditEntry.objects.count() == 1


def test_move_under_a_lost_lease_is_refused(people: dict[str, User]) -> None:
    change = make_change(make_service(), people["alice"], State.RUNNING, lease_fence=4)
    with pytest.raises(LostRace):
        machine.move(change, State.SUCCEEDED, actor="system", note="", now=timezone.now(), fence=3)
    machine.move(change, State.SUCCEEDED, actor="system", note="", now=timezone.now(), fence=4)


def test_nothing_moves_when_the_ledger_cannot_be_written(
    people: dict[str, User], monkeypatch: pytest.MonkeyPatch
) -> None:
    change = make_change(make_service(), people["alice"], State.QUEUED)

    def broken(**_: object) -> None:
        raise OSError("ledger is away")

    monkeypatch.setattr(machine, "record", broken)
    with pytest.raises(OSError):
        machine.move(change, State.RUNNING, actor="system", note="", now=timezone.now())
    assert fresh(change).state == State.QUEUED
    assert not Transition.objects.exists()


def test_lease_is_held_by_one_and_passes_on_after_its_end(people: dict[str, User]) -> None:
    change = make_change(make_service(), people["alice"], State.RUNNING)
    now = timezone.now()
    first = leases.take(change.pk, now)
    assert first is not None
    assert leases.take(change.pk, now + timedelta(seconds=59)) is None
    second = leases.take(change.pk, now + timedelta(seconds=61))
    assert second is not None
    assert second.fence == first.fence + 1
    leases.release(first)
    assert fresh(change).lease_holder, "the late holder must not release what is no longer its own"
    leases.release(second)
    assert fresh(change).lease_holder == ""


@pytest.mark.django_db(transaction=True)
def test_of_many_workers_that_claim_at_once_one_wins(people: dict[str, User]) -> None:
    change = make_change(make_service(), people["alice"], State.RUNNING)
    now, won = timezone.now(), []
    barrier = threading.Barrier(6)

    def claim() -> None:
        barrier.wait()
        try:
            won.append(patiently(lambda: leases.take(change.pk, now)))
        finally:
            connection.close()

    threads = [threading.Thread(target=claim) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 6
    assert sum(lease is not None for lease in won) == 1
    assert Change.objects.get(pk=change.pk).lease_fence == 1


@pytest.mark.django_db(transaction=True)
def test_of_a_person_and_a_worker_that_move_at_once_one_wins(people: dict[str, User]) -> None:
    change = make_change(make_service(), people["alice"], State.QUEUED)
    results: list[str] = []
    barrier = threading.Barrier(2)

    def run(to: State) -> None:
        mine = fresh(change)
        barrier.wait()
        try:
            patiently(lambda: machine.move(mine, to, actor="system", note="", now=timezone.now()))
            results.append(to)
        except LostRace:
            results.append("lost")
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[to]) for to in (State.RUNNING, State.CANCELLED)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results).count("lost") == 1
    assert fresh(change).state in results
    assert Transition.objects.filter(change=change).count() == 1
