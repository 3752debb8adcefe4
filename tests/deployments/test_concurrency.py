"""Wake-ups that come more than once, out of order and at the same moment, and people who act at the same moment."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from access.queries import access_for
from audit.checking import verify_all
from audit.models import AuditEntry
from deployments import actions, beginning
from deployments.actions import deciding
from deployments.errors import AnotherChangeActive, LostRace, WrongState
from deployments.models import Approval, ApprovalPolicy, Attempt, Change, Transition
from deployments.states import TERMINAL, State
from deployments.terms import IfBusy, Terms
from ecsconsole.errors import ConsoleError
from tests.builders import bind, make_person
from tests.deployments.governing import only_policy
from tests.deployments.rig import Rig, fresh
from tests.deployments.test_recovery import deploy, restart, roll_back, scale, stop_task
from tests.deployments.threads import SOAK, at_once, dice

# SQLite has one writer at a time: there these could only show that it waits.
on_postgres = pytest.mark.skipif("connection.vendor != 'postgresql'", reason="needs concurrent writers")
together = pytest.mark.django_db(transaction=True)
THREADS = 4
ROUNDS = 12 if SOAK else 3
UPDATE = "ecs:UpdateService"
QUEUE = Terms(if_busy=IfBusy.QUEUE)
assert connection


def deliver(rig: Rig, changes: list[Change], chance: Any) -> None:
    """Deliver wake-ups of these changes one to five times by each of four workers, in any order, at once."""

    def worker(order: list[Change]) -> Callable[[], None]:
        def work() -> None:
            for change in order:
                rig.wake(change)

        return work

    orders = []
    for _ in range(THREADS):
        order = [change for change in changes for _ in range(chance.randint(1, 5))]
        chance.shuffle(order)
        orders.append(order)
    at_once([worker(order) for order in orders])


def until_ended(rig: Rig, changes: list[Change], chance: Any) -> list[Change]:
    for _ in range(120):
        deliver(rig, changes, chance)
        changes = [fresh(change) for change in changes]
        holding = [change for change in changes if change.holds_slot and change.is_active]
        assert len(holding) <= 1
        if all(change.state in TERMINAL for change in changes):
            return changes
        rig.sync()
        rig.world.advance(10)
    raise AssertionError([(change.state, change.progress) for change in changes])


def assert_whole(*changes: Change) -> None:
    """One entry per move and one move per edge, no call twice, and a chain that holds."""
    for change in changes:
        moves = list(Transition.objects.filter(change=change).values_list("from_state", "to_state"))
        assert len(set(moves)) == len(moves)
        entries = AuditEntry.objects.filter(
            target=f"CR-{change.pk}", action__in=("change.requested", "change.state")
        )
        recorded = [(entry.data["from"], entry.data["to"]) for entry in entries.order_by("seq")]
        assert recorded == moves
        done = Attempt.objects.filter(change=change, outcome="ok").values_list("step", flat=True)
        assert len(set(done)) == len(done)
    assert verify_all()[0].holds


@on_postgres
@together
@pytest.mark.parametrize("ask", [deploy, restart, scale, roll_back, stop_task])
def test_wake_ups_that_come_many_times_at_once_act_once(dev_rig: Rig, ask: Callable[[Rig], Change]) -> None:
    change = ask(dev_rig)
    dev_rig.calls.clear()
    (change,) = until_ended(dev_rig, [change], dice(1))
    assert change.state == State.SUCCEEDED, change.outcome
    assert len([call for call in dev_rig.calls if call != "ecs:RegisterTaskDefinition"]) == 1
    assert dev_rig.calls.count("ecs:RegisterTaskDefinition") == (1 if ask is deploy else 0)
    assert_whole(change)


@on_postgres
@together
def test_changes_of_one_service_woken_in_any_order_take_turns(dev_rig: Rig) -> None:
    changes = [
        dev_rig.ask("restart"),
        dev_rig.ask("restart", terms=QUEUE),
        dev_rig.ask("restart", terms=QUEUE),
    ]
    changes = until_ended(dev_rig, changes, dice(2))
    assert [change.state for change in changes] == [State.SUCCEEDED] * 3, [c.outcome for c in changes]
    began = [change.dispatched_at or change.created_at for change in changes]
    assert began == sorted(began)
    assert dev_rig.calls == [UPDATE] * 3
    assert_whole(*changes)


def release_managers(rig: Rig, *names: str) -> None:
    for name in names:
        rig.people[name] = make_person(name)
        bind(rig.people[name], "release_manager")


@on_postgres
@together
def test_two_voices_given_at_once_are_both_counted(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each would see itself alone and wait for the other, and the change would wait for both for ever."""
    only_policy(approvals=2)
    release_managers(rig, "frank")
    change = rig.deploy("v2", approve=False)
    meeting = threading.Barrier(2)
    count = deciding.still_missing

    def count_together(*args: Any) -> list[str]:
        # Without the lock both are here at once; with it the second one comes when the first is through.
        with contextlib.suppress(threading.BrokenBarrierError):
            meeting.wait(timeout=1)
        return count(*args)

    monkeypatch.setattr(deciding, "still_missing", count_together)
    at_once([lambda: rig.approve(fresh(change), by="bob"), lambda: rig.approve(fresh(change), by="frank")])
    assert fresh(change).state == State.QUEUED
    assert_whole(change)


@on_postgres
@together
def test_one_voice_given_twice_at_once_counts_once(rig: Rig) -> None:
    only_policy(approvals=2)
    change = rig.deploy("v2", approve=False)
    answers = at_once([lambda: rig.approve(fresh(change))] * THREADS)
    assert sum(isinstance(answer, WrongState | LostRace) for answer in answers) == THREADS - 1
    assert fresh(change).state == State.AWAITING_APPROVAL
    assert Approval.objects.count() == 1


@on_postgres
@together
@pytest.mark.parametrize("count", [1, 2])
def test_yes_and_no_at_once_leave_one_of_them(rig: Rig, count: int) -> None:
    only_policy(approvals=count)
    release_managers(rig, "frank")
    for number in range(ROUNDS):
        change = rig.deploy(f"v{number + 2}", approve=False)
        at_once([lambda: rig.approve(fresh(change), by="bob"), lambda: rig.reject(change, by="frank")])  # noqa: B023
        change = fresh(change)
        assert change.state in (State.REJECTED, State.QUEUED)
        if change.state == State.REJECTED:
            assert not change.approvals.filter(voided_at=None, decision="approve").exists()
        else:
            rig.cancel(change)
        assert_whole(change)


@on_postgres
@together
def test_withdrawing_and_beginning_at_once_do_one_of_both(dev_rig: Rig) -> None:
    for _ in range(ROUNDS):
        dev_rig.calls.clear()
        change = dev_rig.ask("restart")
        at_once([lambda: dev_rig.cancel(change), *[lambda: dev_rig.wake(change)] * 3])  # noqa: B023
        change = fresh(change)
        if change.state == State.CANCELLED:
            assert (dev_rig.calls, change.dispatched_at) == ([], None)
        else:
            change = dev_rig.until(change)
            assert (change.state, dev_rig.calls) == (State.SUCCEEDED, [UPDATE])
        assert_whole(change)
        dev_rig.sync()


@on_postgres
@together
def test_rollback_asked_for_under_steps_ends_in_one_way(dev_rig: Rig) -> None:
    chance = dice(3)
    for number in range(ROUNDS):
        dev_rig.calls.clear()
        dev_rig.push(f"v{number + 2}-slow")
        change = dev_rig.wake(dev_rig.deploy(f"v{number + 2}-slow"))
        dev_rig.world.advance(chance.choice([0, 5, 20]))
        at_once([lambda: dev_rig.roll_back(change), *[lambda: dev_rig.wake(change)] * 3])  # noqa: B023
        change = dev_rig.until(fresh(change))
        assert change.state == State.ROLLED_BACK, change.outcome
        assert dev_rig.calls.count(UPDATE) == 1
        assert dev_rig.calls.count("ecs:StopServiceDeployment") == 1
        assert_whole(change)
        dev_rig.sync()


@on_postgres
@together
def test_one_key_sent_many_times_at_once_makes_one_change(dev_rig: Rig) -> None:
    terms = Terms(idempotency_key="build-7", request_sha256="a" * 64)
    made = at_once([lambda: dev_rig.ask("restart", terms=terms)] * THREADS)
    assert len({change.pk for change in made}) == 1
    assert Change.objects.count() == 1
    assert_whole(made[0])


@on_postgres
@together
def test_of_requests_for_one_service_at_once_one_has_it(dev_rig: Rig) -> None:
    answers = at_once([lambda: dev_rig.ask("restart", by="bob")] * THREADS)
    refused = [answer for answer in answers if isinstance(answer, AnotherChangeActive)]
    assert len(refused) == THREADS - 1
    assert Change.objects.count() == 1


@on_postgres
@together
def test_requests_that_supersede_each_other_at_once_leave_one(dev_rig: Rig) -> None:
    terms = Terms(if_busy=IfBusy.SUPERSEDE)
    for _ in range(ROUNDS):
        at_once([lambda: dev_rig.ask("restart", terms=terms, plan_id="")] * THREADS)
        assert Change.objects.exclude(state__in=TERMINAL).count() == 1
    assert_whole(*Change.objects.all())


def edit_policy(rig: Rig, count: int) -> None:
    erin, policy = rig.people["erin"], ApprovalPolicy.objects.get(superseded_at=None)
    actions.save_policy(
        actor=erin, access=access_for(erin), policy=policy, values={"approvals": count}, now=rig.now
    )


def save_freeze(rig: Rig) -> None:
    bob = rig.people["bob"]
    values = {
        "name": f"Freeze of {rig.now:%H%M%S}",
        "environment": rig.service.environment,
        "starts_at": rig.now - timedelta(minutes=1),
        "duration_minutes": 30,
        "reason": "quarter close",
    }
    actions.save_freeze(actor=bob, access=access_for(bob), values=values, now=rig.now)


@on_postgres
@together
def test_policy_edited_under_a_voice_begins_nothing_that_it_forbids(rig: Rig) -> None:
    only_policy(approvals=1)
    for number in range(ROUNDS):
        change = rig.deploy(f"v{number + 2}", approve=False)
        rig.calls.clear()
        at_once([lambda: rig.approve(fresh(change)), lambda: edit_policy(rig, 2)])  # noqa: B023
        change = rig.wake(rig.wake(change))
        # One voice is not enough any more, whenever it was given.
        assert change.state in (State.AWAITING_APPROVAL, State.STALE, State.CANCELLED), change.state
        assert rig.calls == []
        if change.is_active:
            rig.cancel(change)
        assert_whole(change)
        edit_policy(rig, 1)


@on_postgres
@together
def test_nothing_begins_in_the_ledger_after_the_freeze_that_holds_it(dev_rig: Rig) -> None:
    for _ in range(ROUNDS):
        dev_rig.calls.clear()
        change = dev_rig.ask("restart")
        at_once([lambda: save_freeze(dev_rig), *[lambda: dev_rig.wake(change)] * 3])  # noqa: B023
        change = fresh(change)
        froze = AuditEntry.objects.filter(action="freeze.added").latest("seq")
        began = AuditEntry.objects.filter(target=f"CR-{change.pk}", data__to="running").first()
        if began is None:
            assert (change.state, dev_rig.calls) == (State.QUEUED, [])
            dev_rig.cancel(change)
        else:
            assert began.seq < froze.seq
            assert dev_rig.until(change).state == State.SUCCEEDED
        assert_whole(change)
        dev_rig.world.advance(1900)
        dev_rig.sync()


@pytest.mark.parametrize("what", ["freeze", "policy", "role"])
def test_what_comes_between_the_checks_and_the_beginning_is_seen(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    only_policy(approvals=1)
    change = rig.deploy("v2")
    start = beginning.start
    come: dict[str, Callable[[], Any]] = {
        "freeze": lambda: save_freeze(rig),
        "policy": lambda: edit_policy(rig, 2),
        "role": lambda: rig.people["bob"].role_bindings.all().delete(),
    }

    def late(*args: Any) -> None:
        come[what]()
        start(*args)

    monkeypatch.setattr(beginning, "start", late)
    change = rig.wake(change)
    ends = {"freeze": State.QUEUED, "policy": State.STALE, "role": State.CANCELLED}
    assert change.state == ends[what], change.outcome
    assert rig.calls == []
    assert not Transition.objects.filter(change=change, to_state=State.RUNNING).exists()
    assert not change.approvals.exclude(consumed_at=None).exists()
    assert_whole(change)


def test_early_second_worker_makes_no_second_step(dev_rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both saw that it was due; the first made its step and gave the lease back before the second asked for it."""
    change = dev_rig.ask("restart")
    from deployments import leases

    take = leases.take

    def slow(*args: Any) -> Any:
        monkeypatch.setattr(leases, "take", take)
        dev_rig.wake(change)
        return take(*args)

    monkeypatch.setattr(leases, "take", slow)
    change = dev_rig.wake(change)
    assert change.lease_fence == 1


def test_a_console_error_is_an_answer_of_a_thread() -> None:
    class Odd(ConsoleError):
        pass

    def odd() -> None:
        raise Odd("no")

    assert isinstance(at_once([odd])[0], Odd)
