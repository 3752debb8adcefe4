"""Answering a PAUSE hook: continue or roll back, once, and never what waits no longer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from deployments import observe
from deployments.actions.ending import ROLLBACK_LIMIT
from deployments.errors import ChangeRefused, InvalidSpec
from deployments.models import Attempt, Change
from deployments.running import Run
from deployments.states import State
from tests.deployments.rig import Killed, Rig, dies_after, dies_before, fresh, loses_answer
from tests.deployments.staged import answer_spec, newest, paused, staged, until_paused

ANSWER = "ecs:ContinueServiceDeployment"


def hook_of(rig: Rig) -> dict[str, Any]:
    rig.sync()
    found: dict[str, Any] = newest(rig).facts["lifecycleHookDetails"][-1]
    return found


def test_continue_lets_the_deployment_go_on(dev_rig: Rig) -> None:
    pause = paused(dev_rig)
    change = dev_rig.until(dev_rig.ask("continue", answer_spec(pause)))
    assert change.state == State.SUCCEEDED, change.outcome
    assert "goes on" in change.outcome
    assert dev_rig.calls == [ANSWER]
    dev_rig.world.advance(600)
    dev_rig.sync()
    assert newest(dev_rig).status == "SUCCESSFUL"


def test_rollback_is_watched_to_its_end(dev_rig: Rig) -> None:
    before = dev_rig.facts()["taskDefinition"]
    pause = paused(dev_rig)
    change = dev_rig.wake(dev_rig.ask("continue", answer_spec(pause, "ROLLBACK")))
    assert change.state == State.RUNNING
    change = dev_rig.until(change)
    assert change.state == State.SUCCEEDED, change.outcome
    assert "ECS rolled back" in change.outcome
    assert dev_rig.facts()["taskDefinition"] == before


def test_pause_knows_its_stage_its_traffic_and_its_end(dev_rig: Rig) -> None:
    pause = paused(dev_rig, minutes=45)
    assert pause.stage == "POST_TEST_TRAFFIC_SHIFT"
    assert (pause.outgoing.percent, pause.incoming.percent) == ("100%", "0%")
    assert (pause.outgoing.running, pause.incoming.running) == (2, 2)
    assert pause.since is not None
    assert pause.expires_at == pause.since + timedelta(minutes=45)
    assert pause.expiry(pause.since + timedelta(minutes=21)) == "rolls back by itself in 24 min"


def test_plan_is_the_call_that_is_made(dev_rig: Rig) -> None:
    pause = paused(dev_rig)
    change = dev_rig.wake(dev_rig.ask("continue", answer_spec(pause)))
    call = change.plan["calls"][0]
    assert call["params"] == Attempt.objects.get(change=change).request
    assert call["cli"] == (
        f"aws ecs continue-service-deployment --region us-east-1 --service-deployment-arn {pause.arn}"
        f" --hook-id {pause.hook_id} --action CONTINUE"
    )


def test_it_takes_no_slot_and_our_deploy_stays_running_and_says_so(dev_rig: Rig) -> None:
    staged(dev_rig)
    deploy = dev_rig.wake(dev_rig.deploy("v2"))
    for _ in range(60):
        deploy = dev_rig.pass_time(deploy, 10, step=10)
        if (deploy.progress["rollout"].get("waiting_for") or {}).get("id") == "paused_hook":
            break
    assert deploy.state == State.RUNNING
    assert (
        "holds the deployment at POST_TEST_TRAFFIC_SHIFT"
        in deploy.progress["rollout"]["waiting_for"]["sentence"]
    )
    pause = until_paused(dev_rig)
    answer = dev_rig.until(dev_rig.ask("continue", answer_spec(pause), by="bob"))
    assert answer.state == State.SUCCEEDED
    assert fresh(deploy).state == State.RUNNING
    assert dev_rig.until(fresh(deploy)).state == State.SUCCEEDED


def test_time_at_a_pause_does_not_count_against_the_deploy(dev_rig: Rig) -> None:
    staged(dev_rig, minutes=120)
    change = dev_rig.wake(dev_rig.deploy("v2"))
    change = dev_rig.pass_time(change, 3600, step=60)
    assert change.state == State.RUNNING
    assert change.deadline_at is not None
    assert change.deadline_at > dev_rig.now


def test_rollback_asked_for_during_a_look_keeps_its_own_deadline(
    dev_rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged(dev_rig, minutes=120)
    change = dev_rig.wake(dev_rig.deploy("v2"))
    change = dev_rig.pass_time(change, 300, step=60)
    assert change.deadline_at is not None
    assert change.deadline_at > dev_rig.now + ROLLBACK_LIMIT
    look = observe.look

    def asked_meanwhile(run: Run) -> observe.Sight:
        dev_rig.roll_back(change)
        return look(run)

    monkeypatch.setattr(observe, "look", asked_meanwhile)
    dev_rig.world.advance(60)
    change = dev_rig.wake(change)
    assert change.state == State.ROLLING_BACK
    assert change.deadline_at == dev_rig.now + ROLLBACK_LIMIT


def test_what_is_not_asked_of_this_service_is_no_spec(dev_rig: Rig) -> None:
    pause = paused(dev_rig)
    for wrong in ({"hook_id": "other"}, {"action": "ABORT"}, {"service_deployment_arn": "arn:other"}):
        with pytest.raises(InvalidSpec):
            dev_rig.plan("continue", {**answer_spec(pause), **wrong})


def test_pause_that_somebody_answered_is_refused(dev_rig: Rig) -> None:
    pause = paused(dev_rig)
    dev_rig.call("ContinueServiceDeployment", serviceDeploymentArn=pause.arn, hookId=pause.hook_id)
    with pytest.raises(ChangeRefused, match="waits no longer: it is SUCCEEDED"):
        dev_rig.ask("continue", answer_spec(pause))
    assert not Change.objects.exists()


def test_pause_that_ran_out_before_the_worker_came_fails_and_sends_nothing(dev_rig: Rig) -> None:
    pause = paused(dev_rig, minutes=10)
    change = dev_rig.ask("continue", answer_spec(pause))
    dev_rig.world.advance(900)
    change = dev_rig.until(change)
    assert change.state == State.FAILED
    assert "TIMED_OUT" in change.outcome
    assert "Nothing was sent" in change.outcome
    assert dev_rig.calls == []


def test_other_deployment_in_its_place_makes_it_stale(dev_rig: Rig) -> None:
    pause = paused(dev_rig)
    change = dev_rig.ask("continue", answer_spec(pause))
    dev_rig.call("UpdateService", cluster="prod", service="checkout-api", forceNewDeployment=True)
    change = dev_rig.until(change)
    assert change.state == State.STALE
    assert dev_rig.calls == []


def answered_elsewhere(rig: Rig, pause: Any, action: str) -> Callable[[str, Callable[[], Any]], Any]:
    """Somebody answers between our look and our call."""

    def around(name: str, make: Callable[[], Any]) -> Any:
        rig.call(
            "ContinueServiceDeployment", serviceDeploymentArn=pause.arn, hookId=pause.hook_id, action=action
        )
        return make()

    return around


@pytest.mark.parametrize("theirs", ["CONTINUE", "ROLLBACK"])
def test_answer_that_came_second_is_no_success(dev_rig: Rig, theirs: str) -> None:
    pause = paused(dev_rig)
    change = dev_rig.ask("continue", answer_spec(pause))
    dev_rig.around = answered_elsewhere(dev_rig, pause, theirs)
    change = dev_rig.until(change)
    assert change.state == State.FAILED
    assert "Somebody else had answered" in change.outcome


@pytest.mark.parametrize("action", ["CONTINUE", "ROLLBACK"])
@pytest.mark.parametrize("happened", [True, False])
def test_lost_answer_is_looked_for_and_then_given_once(dev_rig: Rig, happened: bool, action: str) -> None:
    pause = paused(dev_rig)
    change = dev_rig.ask("continue", answer_spec(pause, action))
    dev_rig.around = loses_answer(ANSWER, happened=happened)
    dev_rig.wake(change)
    dev_rig.around = None
    dev_rig.world.advance(10)
    change = dev_rig.until(change)
    assert change.state == State.SUCCEEDED, change.outcome
    assert dev_rig.calls == [ANSWER] * (1 if happened else 2)


@pytest.mark.parametrize("dies", [dies_after, dies_before])
def test_worker_that_dies_at_the_call_leaves_one_answer(dev_rig: Rig, dies: Any) -> None:
    pause = paused(dev_rig)
    change = dev_rig.ask("continue", answer_spec(pause))
    dev_rig.around = dies(ANSWER)
    with pytest.raises(Killed):
        dev_rig.wake(change)
    dev_rig.around = None
    dev_rig.world.advance(70)
    change = dev_rig.until(change)
    assert change.state == State.SUCCEEDED, change.outcome
    assert hook_of(dev_rig)["status"] == "SUCCEEDED"


def test_it_can_be_cancelled_before_it_begins_and_not_rolled_back(dev_rig: Rig) -> None:
    pause = paused(dev_rig)
    change = dev_rig.ask("continue", answer_spec(pause))
    dev_rig.cancel(change)
    assert fresh(change).state == State.CANCELLED
    running = dev_rig.wake(dev_rig.ask("continue", answer_spec(pause, "ROLLBACK")))
    with pytest.raises(ChangeRefused):
        dev_rig.roll_back(running)
    assert hook_of(dev_rig)["status"] == "SUCCEEDED"
