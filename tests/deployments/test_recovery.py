"""Workers that die, answers that get lost, brokers that are away: nothing is done twice, nothing is forgotten."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from kombu.exceptions import OperationalError

from aws.errors import AwsAccessDenied, AwsThrottled
from deployments import dispatch, leases, sweeping, tasks
from deployments.gateway import AwsGateway
from deployments.leases import LEASE
from deployments.models import Attempt, Change
from deployments.states import State
from tests.deployments.rig import Killed, Rig, dies_after, dies_before, fresh, loses_answer

UPDATE = "ecs:UpdateService"
REGISTER = "ecs:RegisterTaskDefinition"
STOP_TASK = "ecs:StopTask"


def deploy(rig: Rig) -> Change:
    return rig.deploy("v2")


def restart(rig: Rig) -> Change:
    return rig.ask("restart")


def scale(rig: Rig) -> Change:
    return rig.ask("scale", {"desired_count": 3})


def stop_task(rig: Rig) -> Change:
    task = rig.service.tasks.first()
    assert task is not None
    return rig.ask("stop_task", {"task_id": task.task_id})


def roll_back(rig: Rig) -> Change:
    first = rig.facts()["taskDefinition"]
    rig.until(rig.deploy("v2"), step=15)
    rig.calls.clear()
    rig.sync()
    target = rig.service.service_deployments.get(task_definition_arn=first)
    return rig.ask("rollback", {"service_deployment_id": target.pk})


def stop_in_flight(rig: Rig) -> Change:
    # Without a circuit breaker it goes on failing, and stays in flight for as long as the test looks.
    rig.call(
        "UpdateService",
        cluster="prod",
        service="checkout-api",
        taskDefinition=rig.define("v9-crash"),
        deploymentConfiguration={"deploymentCircuitBreaker": {"enable": False, "rollback": False}},
    )
    rig.world.advance(20)
    rig.sync()
    return rig.ask("rollback", {"in_flight": True})


MUTATIONS: list[tuple[Callable[[Rig], Change], str]] = [
    (deploy, REGISTER),
    (deploy, UPDATE),
    (restart, UPDATE),
    (scale, UPDATE),
    (roll_back, UPDATE),
    (stop_in_flight, "ecs:StopServiceDeployment"),
    (stop_task, STOP_TASK),
]
NAMES = [f"{ask.__name__}-{action.removeprefix('ecs:')}" for ask, action in MUTATIONS]


def die_in(rig: Rig, change: Change, around: Callable[[str, Callable[[], Any]], Any]) -> None:
    """Let a worker take the change and die in the call; its lease stays taken, as when a process is killed."""
    rig.around = around
    release = leases.release
    leases.release = lambda lease: None
    try:
        with pytest.raises(Killed):
            rig.wake(change)
    finally:
        leases.release = release
        rig.around = None
    assert Attempt.objects.filter(change=change).latest("pk").outcome == Attempt.Outcome.OPEN


@pytest.mark.parametrize(("ask", "action"), MUTATIONS, ids=NAMES)
def test_call_whose_answer_died_with_the_worker_is_observed_and_not_repeated(
    dev_rig: Rig, ask: Callable[[Rig], Change], action: str
) -> None:
    change = ask(dev_rig)
    die_in(dev_rig, change, dies_after(action))
    made = list(dev_rig.calls)
    assert dev_rig.wake(change).state == State.RUNNING
    assert dev_rig.calls == made, "the dead worker's lease still holds"
    dev_rig.world.advance(LEASE.total_seconds() + 1)
    change = dev_rig.until(change, step=15)
    assert change.state == State.SUCCEEDED, change.outcome
    assert dev_rig.calls.count(action) == 1
    attempt = Attempt.objects.get(change=change, action=action)
    assert attempt.outcome == Attempt.Outcome.OK
    assert attempt.response["observed"] is True


@pytest.mark.parametrize(("ask", "action"), MUTATIONS, ids=NAMES)
def test_call_that_was_never_sent_is_made_again_only_after_looking_for_half_a_minute(
    dev_rig: Rig, ask: Callable[[Rig], Change], action: str
) -> None:
    change = ask(dev_rig)
    die_in(dev_rig, change, dies_before(action))
    dev_rig.world.advance(LEASE.total_seconds() + 1)
    dev_rig.wake(change)
    dev_rig.pass_time(change, 25)
    assert dev_rig.calls.count(action) == 1, "two looks over thirty seconds come first"
    change = dev_rig.until(change, State.SUCCEEDED, State.NEEDS_ATTENTION, step=15)
    if ask is restart:
        assert change.state == State.NEEDS_ATTENTION
        assert "not made a second time" in change.outcome
        dev_rig.pass_time(change, 120, step=30)
        assert dev_rig.calls.count(action) == 1
        dev_rig.cancel(change)
        assert fresh(change).state == State.CANCELLED
    else:
        assert change.state == State.SUCCEEDED, change.outcome
        assert dev_rig.calls.count(action) == 2
        outcomes = list(
            Attempt.objects.filter(change=change, action=action).values_list("outcome", flat=True)
        )
        assert outcomes == ["error", "ok"]


@pytest.mark.parametrize("happened", [True, False])
def test_lost_answer_of_a_deploy_ends_in_one_deployment(dev_rig: Rig, happened: bool) -> None:
    change = dev_rig.deploy("v2")
    dev_rig.around = loses_answer(UPDATE, happened=happened)
    change = dev_rig.wake(change)
    assert Attempt.objects.get(change=change, action=UPDATE).outcome == Attempt.Outcome.UNKNOWN
    assert "Read timeout" in change.progress["rollout"]["waiting_for"]["sentence"]
    dev_rig.around = None
    change = dev_rig.until(change, step=10)
    assert change.state == State.SUCCEEDED, change.outcome
    brief = dev_rig.call("ListServiceDeployments", cluster="prod", service="checkout-api")
    assert len(brief["serviceDeployments"]) == 2, "the first one of the service, and ours"


def test_throttled_call_is_made_again_and_a_refused_one_ends_the_change(dev_rig: Rig) -> None:
    refusals: list[Exception] = [AwsThrottled("Rate exceeded", action=UPDATE, code="ThrottlingException")]

    def around(action: str, make: Callable[[], Any]) -> Any:
        if refusals:
            raise refusals.pop()
        return make()

    change = dev_rig.ask("scale", {"desired_count": 3})
    dev_rig.around = around
    change = dev_rig.until(change)
    assert change.state == State.SUCCEEDED
    assert dev_rig.actions_of(change) == [(UPDATE, "error"), (UPDATE, "ok")]
    dev_rig.sync()
    refusals.append(AwsAccessDenied("not authorized", action=UPDATE, code="AccessDeniedException"))
    change = dev_rig.until(dev_rig.ask("scale", {"desired_count": 4}))
    assert change.state == State.FAILED
    assert "refused ecs:UpdateService (AccessDeniedException): not authorized" in change.outcome


def test_rollback_that_a_person_asks_for_under_a_step_stops_the_next_call(dev_rig: Rig) -> None:
    change = dev_rig.deploy("v2")

    def around(action: str, make: Callable[[], Any]) -> Any:
        answer = make()
        if action == REGISTER:
            dev_rig.roll_back(change)
        return answer

    dev_rig.around = around
    after = dev_rig.wake(change)
    assert after.state == State.ROLLING_BACK
    assert dev_rig.calls == [REGISTER]
    assert dev_rig.until(after).state == State.ROLLED_BACK


def test_step_under_a_lease_that_was_lost_writes_nothing(dev_rig: Rig) -> None:
    change = dev_rig.ask("scale", {"desired_count": 3})

    def around(action: str, make: Callable[[], Any]) -> Any:
        Change.objects.filter(pk=change.pk).update(lease_fence=99)
        return make()

    dev_rig.around = around
    change = dev_rig.wake(change)
    assert change.step == "start"
    dev_rig.around = None
    Change.objects.filter(pk=change.pk).update(lease_expires_at=None)
    assert dev_rig.until(change).state == State.SUCCEEDED
    assert dev_rig.calls == [UPDATE]


def test_early_and_repeated_wake_ups_do_nothing(dev_rig: Rig) -> None:
    change = dev_rig.ask("restart")
    for _ in range(3):
        change = dev_rig.wake(change)
    assert dev_rig.calls == [UPDATE]
    assert Attempt.objects.count() == 1
    change = dev_rig.until(change)
    dev_rig.wake(change)
    assert fresh(change).version == change.version


@pytest.mark.django_db(transaction=True)
def test_request_stands_when_the_broker_is_away_and_the_sweeper_finds_it(
    dev_rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*args: object, **kwargs: object) -> None:
        raise OperationalError("Connection refused")

    monkeypatch.setattr(tasks.wake, "apply_async", away)
    change = dev_rig.ask("scale", {"desired_count": 3})
    assert fresh(change).state == State.QUEUED
    assert sweeping.due(dev_rig.now) == [change.pk]
    assert sweeping.sweep(now=dev_rig.now) == 0, "the broker is still away"
    woken: list[int] = []
    monkeypatch.setattr(tasks.wake, "apply_async", lambda args, **_: woken.extend(args))
    assert sweeping.sweep(now=dev_rig.now) == 1
    assert woken == [change.pk]


def test_sweeper_leaves_what_is_not_due_and_what_is_under_a_lease(dev_rig: Rig) -> None:
    change = dev_rig.wake(dev_rig.ask("scale", {"desired_count": 3}))
    assert sweeping.due(dev_rig.now) == []
    later = dev_rig.now + timedelta(seconds=10)
    assert sweeping.due(later) == [change.pk]
    leases.take(change.pk, later)
    assert sweeping.due(later) == []
    assert sweeping.due(later + LEASE) == [change.pk]


def test_unreadable_aws_is_trouble_and_not_an_outcome(dev_rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    change = dev_rig.wake(dev_rig.ask("restart"))
    readable = AwsGateway.service

    def throttled(gateway: AwsGateway) -> None:
        raise AwsThrottled("Rate exceeded", action="ecs:DescribeServices", code="ThrottlingException")

    monkeypatch.setattr(AwsGateway, "service", throttled)
    change = dev_rig.pass_time(change, 60)
    assert change.state == State.RUNNING
    assert "Rate exceeded" in change.progress["trouble"]
    # Only this patch: the environment that leads to the sandbox stays.
    monkeypatch.setattr(AwsGateway, "service", readable)
    change = dev_rig.until(change, step=10)
    assert change.state == State.SUCCEEDED
    assert change.progress["trouble"] == ""


def test_fault_of_our_own_is_shown_and_brings_a_person_in_the_end(
    dev_rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = dev_rig.wake(dev_rig.ask("scale", {"desired_count": 3}))

    def broken(run: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(dispatch, "decide", broken)
    change = dev_rig.pass_time(change, 60, step=30)
    assert "ZeroDivisionError" in change.progress["trouble"]
    change = dev_rig.until(change, State.NEEDS_ATTENTION, limit=1800, step=60)
    assert "ZeroDivisionError" in change.outcome


def test_rollback_after_an_unknown_update_finds_the_deployment_first_and_then_stops_it(dev_rig: Rig) -> None:
    change = dev_rig.deploy("v2-slow")
    die_in(dev_rig, change, dies_after(UPDATE))
    dev_rig.roll_back(change)
    dev_rig.world.advance(LEASE.total_seconds() + 1)
    change = dev_rig.until(change)
    assert change.state == State.ROLLED_BACK, change.outcome
    assert dev_rig.calls == [REGISTER, UPDATE, "ecs:StopServiceDeployment"]


def test_answer_of_a_worker_that_was_given_up_changes_nothing(dev_rig: Rig) -> None:
    change = dev_rig.ask("scale", {"desired_count": 3})

    def around(action: str, make: Callable[[], Any]) -> Any:
        answer = make()
        Attempt.objects.update(outcome=Attempt.Outcome.OK, response={"observed": True})
        return answer

    dev_rig.around = around
    dev_rig.wake(change)
    assert Attempt.objects.get().response == {"observed": True}


def test_call_of_somebody_else_between_check_and_call_is_told(dev_rig: Rig) -> None:
    change = dev_rig.deploy("v2")

    def around(action: str, make: Callable[[], Any]) -> Any:
        if action == REGISTER:
            dev_rig.call(
                UPDATE.removeprefix("ecs:"), cluster="prod", service="checkout-api", forceNewDeployment=True
            )
            dev_rig.world.advance(200)
        return make()

    dev_rig.around = around
    change = dev_rig.until(change)
    assert change.state == State.SUCCEEDED
    assert "something else changed the service just before" in change.outcome
