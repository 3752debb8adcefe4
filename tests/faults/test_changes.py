"""Changes in trouble: at most one effect, no lost change, and an end that is true."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.config import Config

from aws import sessions as sessions_module
from aws.errors import AwsError
from deployments.models import Change
from deployments.states import TERMINAL, State
from tests.deployments.asked import ASKED, BOUNDS, roll_back_to_digest
from tests.deployments.rig import Rig
from tests.deployments.test_recovery import MUTATIONS, NAMES, deploy, restart, roll_back
from tests.faults.conftest import Clock
from tests.faults.control import calm, control, trouble

REFUSED_BEFORE = ["throttle", "expired-credentials"]
UNANSWERED = ["error", "outage", "reset", "reset-after"]
ANY = [
    "throttle",
    "error",
    "outage",
    "reset",
    "reset-after",
    "access-denied",
    "expired-credentials",
    "latency",
]

ENDS = (*TERMINAL, State.NEEDS_ATTENTION)
ROLLS_OUT = (deploy, restart, roll_back, roll_back_to_digest)


def effects(rig: Rig) -> int:
    """Return how many service deployments ECS has begun."""
    brief = rig.call("ListServiceDeployments", cluster="prod", service="checkout-api")
    return len(brief["serviceDeployments"])


def with_trouble_at_assume_role(rig: Rig, kind: str) -> Callable[[str, Callable[[], Any]], Any]:
    """Let the first changing call fail before it is made, when its credentials are fetched."""
    made: list[str] = []

    def around(action: str, make: Callable[[], Any]) -> Any:
        if not made:
            trouble(rig.sandbox, kind, service="sts", operation="AssumeRole", count=1)
        made.append(action)
        return make()

    return around


def until_settled(rig: Rig, change: Change) -> Change:
    return rig.until(change, State.SUCCEEDED, State.FAILED, State.ROLLED_BACK, State.NEEDS_ATTENTION, step=15)


@pytest.mark.parametrize("kind", [*REFUSED_BEFORE, *UNANSWERED])
@pytest.mark.parametrize(("ask", "action"), MUTATIONS, ids=NAMES)
def test_trouble_at_a_changing_call_acts_once_and_goes_on_alone(
    dev_rig: Rig, clock: Clock, ask: Callable[[Rig], Change], action: str, kind: str
) -> None:
    change = ask(dev_rig)
    before = effects(dev_rig)
    trouble(dev_rig.sandbox, kind, operation=action.removeprefix("ecs:"), count=1)
    change = until_settled(dev_rig, change)
    if change.state == State.NEEDS_ATTENTION:
        # A restart that was perhaps made is never made twice; a person decides.
        assert change.kind == "restart"
        assert kind in UNANSWERED
        assert "It is not made a second time" in change.outcome
        assert effects(dev_rig) == before
        return
    assert change.state == State.SUCCEEDED, change.outcome
    rolled_out = change.kind in ("deploy", "restart") or "service_deployment_id" in change.spec
    assert effects(dev_rig) == before + int(rolled_out)


@pytest.mark.parametrize("kind", [*REFUSED_BEFORE, *UNANSWERED])
def test_trouble_in_fetching_credentials_never_leaves_a_call_in_doubt(
    dev_rig: Rig, clock: Clock, kind: str
) -> None:
    """A restart is made once at most, but one that was surely not made may still be."""
    change = dev_rig.ask("restart")
    before = effects(dev_rig)
    dev_rig.around = with_trouble_at_assume_role(dev_rig, kind)
    change = until_settled(dev_rig, change)
    assert change.state == State.SUCCEEDED, change.outcome
    assert effects(dev_rig) == before + 1


@pytest.mark.parametrize(("ask", "action"), MUTATIONS, ids=NAMES)
def test_a_denied_call_ends_the_change_and_names_the_action(
    dev_rig: Rig, clock: Clock, ask: Callable[[Rig], Change], action: str
) -> None:
    change = ask(dev_rig)
    before = effects(dev_rig)
    trouble(dev_rig.sandbox, "access-denied", operation=action.removeprefix("ecs:"))
    change = until_settled(dev_rig, change)
    assert change.state == State.FAILED
    assert f"AWS refused {action} (AccessDeniedException)" in change.outcome
    assert effects(dev_rig) == before
    assert dev_rig.calls.count(action) == 1


@pytest.mark.parametrize("kind", ANY)
def test_trouble_while_watching_is_shown_and_changes_nothing(dev_rig: Rig, clock: Clock, kind: str) -> None:
    change = dev_rig.pass_time(dev_rig.deploy("v2"), 10)
    made = list(dev_rig.calls)
    trouble(dev_rig.sandbox, kind, operation="DescribeServices", milliseconds=20)
    change = dev_rig.pass_time(change, 300, step=15)
    if kind != "latency":
        assert change.state == State.RUNNING
        assert "ecs:DescribeServices" in change.progress["trouble"]
    calm(dev_rig.sandbox)
    change = until_settled(dev_rig, change)
    assert change.state == State.SUCCEEDED
    assert not change.progress.get("trouble")
    assert dev_rig.calls == made


@pytest.mark.parametrize("kind", ANY[:-1])
def test_trouble_before_the_begin_only_delays_it(dev_rig: Rig, clock: Clock, kind: str) -> None:
    change = dev_rig.deploy("v2")
    trouble(dev_rig.sandbox, kind, service="ecs", operation="DescribeServices")
    change = dev_rig.pass_time(change, 60, step=15)
    assert (change.state, dev_rig.calls) == (State.QUEUED, [])
    calm(dev_rig.sandbox)
    assert until_settled(dev_rig, change).state == State.SUCCEEDED


def test_stale_reads_after_the_call_never_make_it_twice(dev_rig: Rig, clock: Clock) -> None:
    change = dev_rig.deploy("v2")
    before = effects(dev_rig)
    trouble(dev_rig.sandbox, "stale", operation="DescribeServices")
    change = dev_rig.pass_time(change, 120, step=15)
    assert change.state == State.RUNNING
    calm(dev_rig.sandbox)
    assert until_settled(dev_rig, change).state == State.SUCCEEDED
    assert effects(dev_rig) == before + 1


def first_call(ask: Callable[[Rig], Change]) -> str:
    """Return the operation that a verb calls first of those that change the service."""
    return next(action for action in ASKED[ask] if action != BOUNDS).removeprefix("ecs:")


@pytest.mark.parametrize("kind", [*REFUSED_BEFORE, "error", "reset", "reset-after"])
@pytest.mark.parametrize("ask", ASKED, ids=[ask.__name__ for ask in ASKED])
def test_trouble_at_a_call_of_the_other_verbs_acts_once(
    dev_rig: Rig, clock: Clock, ask: Callable[[Rig], Change], kind: str
) -> None:
    change = ask(dev_rig)
    dev_rig.calls.clear()
    trouble(dev_rig.sandbox, kind, operation=first_call(ask), count=1)
    change = until_settled(dev_rig, change)
    assert change.state == State.SUCCEEDED, change.outcome
    done = change.attempts.filter(outcome="ok").values_list("action", flat=True)
    assert list(done) == ASKED[ask]
    # One that reached AWS is not sent again; one that did not is sent once more.
    assert len(dev_rig.calls) == len(ASKED[ask]) + int(kind != "reset-after")


EVERY = [*dict.fromkeys(ask for ask, _ in MUTATIONS), *ASKED]
EVERY_NAME = [ask.__name__ for ask in EVERY]


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the console wait for an answer for a third of a second, not for ten."""
    for name in ("READS", "WRITES"):
        config = getattr(sessions_module, name).merge(Config(read_timeout=0.3))
        monkeypatch.setattr(sessions_module, name, config)
    sessions_module.sessions.clear()


@pytest.mark.parametrize("ask", EVERY, ids=EVERY_NAME)
def test_aws_that_acts_after_nobody_waits_any_more_acts_once(
    dev_rig: Rig, clock: Clock, hasty: None, ask: Callable[[Rig], Change]
) -> None:
    change = ask(dev_rig)
    before = effects(dev_rig)
    action = main_action(ask)
    trouble(dev_rig.sandbox, "latency", operation=action, count=1, milliseconds=600)
    change = dev_rig.until(change, *ENDS, State.RUNNING)
    # The call reaches ECS while the console counts it as unknown.
    time.sleep(0.5)
    change = until_settled(dev_rig, change)
    assert change.state == State.SUCCEEDED, change.outcome
    assert effects(dev_rig) == before + int(ask in ROLLS_OUT)
    assert dev_rig.calls.count(f"ecs:{action}") == 1
    assert change.attempts.get(action=f"ecs:{action}").response["observed"] is True


@pytest.mark.parametrize("ask", [ask for ask in EVERY if ask is not restart])
def test_request_that_arrives_twice_has_one_effect(dev_rig: Rig, clock: Clock, ask: Any) -> None:
    """A restart alone has no protection against this: forced, ECS begins a second deployment for a second request."""
    change = ask(dev_rig)
    before = effects(dev_rig)

    def twice(action: str, make: Callable[[], Any]) -> Any:
        answer = make()
        with contextlib.suppress(AwsError):
            make()
        return answer

    dev_rig.around = twice
    change = until_settled(dev_rig, change)
    assert change.state == State.SUCCEEDED, change.outcome
    assert effects(dev_rig) == before + int(ask in ROLLS_OUT)


@pytest.mark.parametrize("polls", [1, 5])
@pytest.mark.parametrize("ask", EVERY, ids=EVERY_NAME)
def test_reads_older_than_the_call_never_make_it_twice_or_fail_it(
    dev_rig: Rig, clock: Clock, ask: Callable[[Rig], Change], polls: int
) -> None:
    change = ask(dev_rig)
    before = effects(dev_rig)
    dev_rig.calls.clear()
    for operation in (
        "DescribeServices",
        "ListServiceDeployments",
        "DescribeServiceDeployments",
        "DescribeTasks",
    ):
        # Answered as before the call for as many reads as this, from the first one on.
        trouble(dev_rig.sandbox, "stale", operation=operation, count=polls)
    change = until_settled(dev_rig, change)
    assert change.state == State.SUCCEEDED, change.outcome
    assert effects(dev_rig) == before + int(ask in ROLLS_OUT)
    assert dev_rig.calls == ASKED.get(ask, dev_rig.calls)
    assert dev_rig.calls.count(f"ecs:{main_action(ask)}") == 1


def main_action(ask: Callable[[Rig], Change]) -> str:
    """Return the operation by which a verb has its effect."""
    found = {**dict(MUTATIONS), **{ask: calls[-1] for ask, calls in ASKED.items()}}
    return "UpdateService" if found[ask] == BOUNDS else found[ask].removeprefix("ecs:")


def test_a_rollback_that_is_denied_leaves_the_rollout_to_be_watched(dev_rig: Rig, clock: Clock) -> None:
    change = dev_rig.pass_time(dev_rig.deploy("v2"), 10)
    trouble(dev_rig.sandbox, "access-denied", operation="StopServiceDeployment")
    dev_rig.roll_back(change)
    change = dev_rig.until(change, *State)
    change = dev_rig.pass_time(change, 30)
    assert change.state == State.NEEDS_ATTENTION, "ECS goes on with the deployment"
    assert "ecs:StopServiceDeployment (AccessDeniedException)" in change.outcome
    change = dev_rig.until(change, State.SUCCEEDED, step=15)
    assert dev_rig.facts()["taskDefinition"] == change.progress["task_definition_arn"]


def test_a_deploy_without_capacity_waits_and_says_so(dev_rig: Rig, clock: Clock) -> None:
    place: dict[str, Any] = {"account": dev_rig.cluster.account.account_id, "region": "us-east-1"}
    control(dev_rig.sandbox, "POST", "capacity", {**place, "available": False})
    change = dev_rig.pass_time(dev_rig.deploy("v2"), 40, step=10)
    assert change.state == State.RUNNING
    said = change.progress["rollout"]["waiting_for"]
    assert said["id"] == "capacity", said
    control(dev_rig.sandbox, "POST", "capacity", {**place, "available": True})
    assert until_settled(dev_rig, change).state == State.SUCCEEDED
