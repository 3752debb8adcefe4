"""Scaling beside an autoscaler: who undoes it, and bounds that move in the order in which nothing flaps."""

from __future__ import annotations

from typing import Any

import pytest

from aws.autoscaling import SWITCHES
from deployments.errors import ChangeRefused, InvalidSpec
from deployments.models import Attempt, Change
from deployments.scaling import Limits, ordered_moves
from deployments.states import State
from deployments.terms import IfBusy, Terms
from deployments.verbs.scale import Scale
from sandbox.scenarios.empty import ACCOUNT_ID
from tests.deployments.pages import at
from tests.deployments.rig import Killed, Rig, dies_after, dies_before, fresh, loses_answer

UPDATE = "ecs:UpdateService"
REGISTER = "application-autoscaling:RegisterScalableTarget"
RESOURCE = {
    "ServiceNamespace": "ecs",
    "ResourceId": "service/prod/checkout-api",
    "ScalableDimension": "ecs:service:DesiredCount",
}


def scaler(rig: Rig) -> Any:
    return rig.sandbox.client("application-autoscaling", account_id=ACCOUNT_ID)


def bound(rig: Rig, least: int = 1, most: int = 4, **more: Any) -> None:
    scaler(rig).register_scalable_target(**RESOURCE, MinCapacity=least, MaxCapacity=most, **more)


def bounds(rig: Rig) -> tuple[int, int, bool]:
    found = scaler(rig).describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"][0]
    return found["MinCapacity"], found["MaxCapacity"], any(found["SuspendedState"].values())


def track(rig: Rig) -> None:
    scaler(rig).put_scaling_policy(
        **RESOURCE,
        PolicyName="cpu-60",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 60.0,
            "PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"},
        },
    )


def warning(rig: Rig, spec: dict[str, Any]) -> str:
    return next(item.text for item in rig.plan("scale", spec).checks if item.id == "autoscaler")


@pytest.mark.parametrize(
    ("desired", "spec", "moves"),
    [
        (2, {"desired_count": 6}, ["update"]),
        (2, {"desired_count": 6, "max_capacity": 8}, ["widen 1-8", "update"]),
        (6, {"desired_count": 2, "max_capacity": 3}, ["update", "narrow 1-3"]),
        (
            2,
            {"desired_count": 6, "min_capacity": 5, "max_capacity": 8},
            ["widen 1-8", "update", "narrow 5-8"],
        ),
        (2, {"desired_count": 0, "min_capacity": 0}, ["widen 0-4", "update"]),
        (2, {"desired_count": 2, "min_capacity": 2, "max_capacity": 9}, ["widen 2-9"]),
        (2, {"desired_count": 6, "suspend": True}, ["widen 1-4s", "update"]),
        (2, {"desired_count": 2}, []),
    ],
)
def test_bounds_widen_before_the_count_and_narrow_after_it(
    desired: int, spec: dict[str, Any], moves: list[str]
) -> None:
    found = ordered_moves(desired, Limits(1, 4, False), spec)
    said = [
        f"{step} {limits.least}-{limits.most}{'s' if limits.is_suspended else ''}" if limits else step
        for step, limits in found
    ]
    assert said == moves


def test_resuming_comes_last() -> None:
    found = ordered_moves(2, Limits(1, 4, True), {"desired_count": 3, "suspend": False})
    assert [step for step, _ in found] == ["update", "narrow"]


def test_count_outside_the_bounds_is_warned_of(dev_rig: Rig) -> None:
    bound(dev_rig)
    assert "The maximum is 4: Application Auto Scaling lowers 6 to it at once." in warning(
        dev_rig, {"desired_count": 6}
    )
    assert "The minimum is 1" in warning(dev_rig, {"desired_count": 0})
    assert "nothing else sets the count" in warning(dev_rig, {"desired_count": 3})


def test_policies_and_schedules_that_undo_it_are_named(dev_rig: Rig) -> None:
    bound(dev_rig)
    track(dev_rig)
    scaler(dev_rig).put_scheduled_action(
        **RESOURCE,
        ScheduledActionName="night",
        Schedule="cron(0 22 * * ? *)",
        Timezone="Europe/Berlin",
        ScalableTargetAction={"MinCapacity": 1, "MaxCapacity": 2},
    )
    said = warning(dev_rig, {"desired_count": 3})
    assert "cpu-60 keeps ECSServiceAverageCPUUtilization at 60" in said
    assert "night sets 1 to 2 on cron(0 22 * * ? *) Europe/Berlin" in said
    assert "cpu-60" not in warning(dev_rig, {"desired_count": 3, "suspend": True})


def test_maximum_moves_first_and_the_count_stays(dev_rig: Rig) -> None:
    bound(dev_rig)
    change = dev_rig.ask("scale", {"desired_count": 6, "max_capacity": 8})
    planned = change.plan["calls"]
    assert [call["action"] for call in planned] == [REGISTER, UPDATE]
    assert planned[0]["cli"] == (
        "aws application-autoscaling register-scalable-target --region us-east-1 --service-namespace ecs"
        " --resource-id service/prod/checkout-api --scalable-dimension ecs:service:DesiredCount"
        " --min-capacity 1 --max-capacity 8"
    )
    change = dev_rig.until(change)
    assert change.state == State.SUCCEEDED, change.outcome
    assert dev_rig.calls == [REGISTER, UPDATE]
    assert [call["params"] for call in planned] == [
        item.request for item in Attempt.objects.filter(change=change)
    ]
    dev_rig.world.advance(180)
    assert dev_rig.facts()["desiredCount"] == 6
    assert bounds(dev_rig) == (1, 8, False)


def test_minimum_is_raised_after_the_count(dev_rig: Rig) -> None:
    bound(dev_rig)
    change = dev_rig.until(dev_rig.ask("scale", {"desired_count": 4, "min_capacity": 3}))
    assert change.state == State.SUCCEEDED, change.outcome
    assert dev_rig.calls == [UPDATE, REGISTER]
    assert bounds(dev_rig) == (3, 4, False)


def test_bounds_alone_leave_the_count_to_the_autoscaler(dev_rig: Rig) -> None:
    bound(dev_rig, 1, 2)
    # A task is being replaced, so that fewer run than are wanted while the autoscaler goes on to more.
    task = dev_rig.call("ListTasks", cluster="prod", serviceName="checkout-api")["taskArns"][0]
    dev_rig.call("StopTask", cluster="prod", task=task)
    dev_rig.world.advance(5)
    change = dev_rig.wake(dev_rig.ask("scale", {"desired_count": 2, "max_capacity": 8}))
    dev_rig.call("UpdateService", cluster="prod", service="checkout-api", desiredCount=5)
    change = dev_rig.until(fresh(change))
    assert change.state == State.SUCCEEDED, change.outcome
    assert change.outcome == "The bounds are 1 to 8; the count was not set."
    assert dev_rig.calls == [REGISTER]


def test_suspending_keeps_a_count_outside_the_policies(dev_rig: Rig) -> None:
    bound(dev_rig)
    change = dev_rig.until(dev_rig.ask("scale", {"desired_count": 3, "suspend": True}))
    assert change.state == State.SUCCEEDED, change.outcome
    assert bounds(dev_rig) == (1, 4, True)


def test_what_the_autoscaler_undoes_is_told_in_its_own_words(dev_rig: Rig) -> None:
    bound(dev_rig)
    change = dev_rig.wake(dev_rig.ask("scale", {"desired_count": 6}))
    assert change.state == State.RUNNING
    dev_rig.sandbox.around.scaling.tick()
    change = dev_rig.until(change, step=5)
    assert change.state == State.FAILED
    assert "set it to 4" in change.outcome
    assert "maximum capacity was set to 4" in change.outcome


def widen(rig: Rig) -> None:
    bound(rig, 1, 5)


def suspend(rig: Rig) -> None:
    bound(rig, SuspendedState=dict.fromkeys(SWITCHES, True))


def deregister(rig: Rig) -> None:
    scaler(rig).deregister_scalable_target(**RESOURCE)


@pytest.mark.parametrize("spec", [{"desired_count": 3}, {"desired_count": 6, "max_capacity": 8}])
@pytest.mark.parametrize(
    ("move", "now"), [(widen, "1 to 5"), (suspend, "1 to 4, suspended"), (deregister, "none")]
)
def test_bounds_that_moved_meanwhile_make_it_stale(
    dev_rig: Rig, spec: dict[str, Any], move: Any, now: str
) -> None:
    bound(dev_rig)
    change = dev_rig.ask("scale", spec)
    move(dev_rig)
    change = dev_rig.until(change)
    assert (change.state, change.dispatched_at) == (State.STALE, None)
    assert f"were 1 to 4 when this was asked and are {now} now. Nothing was done" in change.outcome
    assert dev_rig.calls == []


def test_bounds_that_moved_after_the_approval_void_it(rig: Rig) -> None:
    bound(rig)
    change = rig.ask("scale", {"desired_count": 0, "min_capacity": 0})
    rig.approve(change)
    widen(rig)
    change = rig.until(change)
    assert change.state == State.STALE
    approval = change.approvals.get()
    assert (approval.consumed_at, approval.void_reason) == (None, change.outcome)
    assert rig.calls == []


@pytest.mark.parametrize(
    "first", [{"desired_count": 3, "max_capacity": 8}, {"desired_count": 2, "max_capacity": 8}]
)
def test_change_that_waited_behind_one_that_moved_the_bounds_is_stale(
    dev_rig: Rig, first: dict[str, Any]
) -> None:
    bound(dev_rig)
    before = dev_rig.ask("scale", first)
    behind = dev_rig.ask("scale", {"desired_count": 4}, terms=Terms(if_busy=IfBusy.QUEUE))
    assert dev_rig.until(before).state == State.SUCCEEDED
    dev_rig.sync()
    behind = dev_rig.until(fresh(behind))
    assert behind.state == State.STALE
    assert "were 1 to 4 when this was asked and are 1 to 8 now" in behind.outcome


def test_change_that_awaits_approval_behind_one_that_moved_the_bounds_is_stale(rig: Rig) -> None:
    bound(rig)
    before = rig.ask("scale", {"desired_count": 3, "max_capacity": 8})
    behind = rig.ask("scale", {"desired_count": 0, "min_capacity": 0}, terms=Terms(if_busy=IfBusy.QUEUE))
    assert behind.state == State.AWAITING_APPROVAL
    assert rig.until(before).state == State.SUCCEEDED
    rig.sync()
    behind = rig.until(fresh(behind))
    assert behind.state == State.STALE
    assert "are 1 to 8 now" in behind.outcome


def test_bounds_that_move_under_a_worker_that_died_at_the_beginning_stop_it(
    dev_rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound(dev_rig)
    change = dev_rig.ask("scale", {"desired_count": 6, "max_capacity": 8})

    def die(*args: object) -> Any:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Scale, "step", die)
        with pytest.raises(Killed):
            dev_rig.wake(change)
    widen(dev_rig)
    dev_rig.world.advance(70)
    change = dev_rig.until(fresh(change))
    assert change.state == State.FAILED
    assert "are 1 to 5 now. Nothing was sent." in change.outcome
    assert dev_rig.calls == []


def test_count_that_moved_meanwhile_is_stale(dev_rig: Rig) -> None:
    bound(dev_rig)
    change = dev_rig.ask("scale", {"desired_count": 4})
    dev_rig.call("UpdateService", cluster="prod", service="checkout-api", desiredCount=3)
    assert dev_rig.until(change).state == State.STALE
    assert dev_rig.calls == []


def test_bounds_without_an_autoscaler_and_crossed_bounds_are_no_spec(dev_rig: Rig) -> None:
    with pytest.raises(InvalidSpec, match="No autoscaler"):
        dev_rig.plan("scale", {"desired_count": 3, "max_capacity": 8})
    bound(dev_rig)
    with pytest.raises(InvalidSpec, match="below the minimum"):
        dev_rig.plan("scale", {"desired_count": 3, "min_capacity": 9})


def test_nothing_to_move_is_refused(dev_rig: Rig) -> None:
    bound(dev_rig)
    with pytest.raises(ChangeRefused, match="already"):
        dev_rig.ask("scale", {"desired_count": 2, "max_capacity": 4})
    assert not Change.objects.exists()


@pytest.mark.parametrize("happened", [True, False])
@pytest.mark.parametrize("action", [REGISTER, UPDATE])
def test_lost_answers_end_where_they_should(dev_rig: Rig, action: str, happened: bool) -> None:
    bound(dev_rig)
    change = dev_rig.ask("scale", {"desired_count": 6, "max_capacity": 8})
    dev_rig.around = loses_answer(action, happened=happened)
    dev_rig.wake(change)
    dev_rig.around = None
    dev_rig.world.advance(10)
    change = dev_rig.until(change)
    assert change.state == State.SUCCEEDED, change.outcome
    assert dev_rig.calls.count(action) == (1 if happened else 2)
    assert (dev_rig.facts()["desiredCount"], bounds(dev_rig)) == (6, (1, 8, False))


@pytest.mark.parametrize("dies", [dies_after, dies_before])
@pytest.mark.parametrize("action", [REGISTER, UPDATE])
def test_worker_that_dies_leaves_the_rest_to_the_next(dev_rig: Rig, action: str, dies: Any) -> None:
    bound(dev_rig)
    change = dev_rig.ask("scale", {"desired_count": 6, "max_capacity": 8})
    dev_rig.around = dies(action)
    with pytest.raises(Killed):
        dev_rig.wake(change)
    dev_rig.around = None
    dev_rig.world.advance(70)
    change = dev_rig.until(change)
    assert change.state == State.SUCCEEDED, change.outcome
    assert (dev_rig.facts()["desiredCount"], bounds(dev_rig)) == (6, (1, 8, False))


def test_page_shows_the_autoscaler_and_offers_to_move_its_bounds(dev_rig: Rig, as_: Any) -> None:
    bound(dev_rig)
    track(dev_rig)
    address, alice = at("scale", dev_rig.service), as_("alice")
    html = alice.get(address).content.decode()
    assert "Application Auto Scaling keeps 1 to 4 tasks" in html
    assert "cpu-60 keeps" in html
    html = alice.get(address, {"desired_count": 6}).content.decode()
    assert "The autoscaler lowers 6 to 4 at once." in html
    assert 'href="?desired_count=6&amp;max_capacity=6"' in html
    html = alice.get(address, {"desired_count": 6, "max_capacity": 6}).content.decode()
    assert "The autoscaler lowers" not in html
    assert REGISTER in html
    form = {"desired_count": "6", "max_capacity": "6", "do": "request"}
    form["plan_id"] = html.split('name="plan_id" value="', 1)[1].split('"', 1)[0]
    assert alice.post(address, form).status_code == 303
    assert Change.objects.get().spec == {"desired_count": 6, "max_capacity": 6, "seen": [1, 4, False]}
    assert alice.get(address, {"desired_count": 6, "min_capacity": "x"}).status_code == 200
