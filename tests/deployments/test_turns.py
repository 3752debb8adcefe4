"""Turns, hours and plans: what waits behind what, what is looked at again, and what a plan's id is bound to."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from access.decisions import ROLES, PermissionMissing
from access.models import ApiToken, RoleBinding
from access.queries import access_for
from audit.models import AuditEntry
from deployments import actions
from deployments.actions import requesting
from deployments.errors import (
    AnotherChangeActive,
    ConfirmationMissing,
    KeyReused,
    PlanExpired,
    PlanMoved,
    WrongState,
)
from deployments.models import ApprovalPolicy, Change
from deployments.preflight.gathering import answers
from deployments.states import State
from deployments.terms import IfBusy, Terms
from tests.deployments.governing import only_policy
from tests.deployments.rig import Rig, fresh, image_spec
from tests.deployments.test_approve import outside_change
from tests.deployments.test_rollback import forget_image, retag

QUEUE = Terms(if_busy=IfBusy.QUEUE)


def test_second_change_is_refused_and_names_the_first(dev_rig: Rig) -> None:
    first = dev_rig.ask("restart")
    with pytest.raises(AnotherChangeActive, match=f"CR-{first.pk} Restart checkout-api is queued"):
        dev_rig.ask("scale", {"desired_count": 3}, plan_id="")


def test_second_change_waits_its_turn_and_builds_on_what_the_first_left(dev_rig: Rig) -> None:
    first = dev_rig.deploy("v2")
    dev_rig.push("v3")
    second = dev_rig.ask("deploy", image_spec("v3"), terms=QUEUE)
    assert (second.state, second.holds_slot) == (State.QUEUED, False)
    second = dev_rig.wake(second)
    assert "Waits its turn: CR-" in second.progress["rollout"]["waiting_for"]["sentence"]
    assert dev_rig.calls == []
    assert dev_rig.until(first).state == State.SUCCEEDED
    dev_rig.sync()
    second = dev_rig.until(fresh(second))
    assert second.state == State.SUCCEEDED
    assert dev_rig.calls.count("ecs:UpdateService") == 2
    assert second.base["task_definition"].endswith("checkout-api:2")
    assert AuditEntry.objects.filter(action="change.rebased", target=f"CR-{second.pk}").count() == 1


def test_change_may_wait_behind_one_that_rolls_out(dev_rig: Rig) -> None:
    first = dev_rig.wake(dev_rig.deploy("v2"))
    dev_rig.world.advance(20)
    dev_rig.sync()
    assert first.state == State.RUNNING
    with pytest.raises(AnotherChangeActive):
        dev_rig.ask("restart", plan_id="x")
    second = dev_rig.ask("restart", terms=QUEUE)
    dev_rig.until(first)
    dev_rig.sync()
    assert dev_rig.until(fresh(second)).state == State.SUCCEEDED


def test_change_whose_turn_comes_waits_for_the_inventory(dev_rig: Rig) -> None:
    first = dev_rig.deploy("v2")
    dev_rig.push("v3")
    second = dev_rig.ask("deploy", image_spec("v3"), terms=QUEUE)
    dev_rig.until(first)
    second = dev_rig.wake(fresh(second))
    assert second.state == State.QUEUED
    assert "inventory" in second.progress["rollout"]["waiting_for"]["sentence"]
    dev_rig.sync()
    dev_rig.world.advance(5)
    second = dev_rig.wake(second)
    assert second.state == State.RUNNING, second.outcome


def test_turn_that_comes_while_the_inventory_shows_the_last_rollout_waits_for_it(dev_rig: Rig) -> None:
    first, second = dev_rig.ask("restart"), dev_rig.ask("restart", terms=QUEUE)
    for _ in range(60):
        first = dev_rig.wake(first)
        if first.state == State.SUCCEEDED:
            break
        # The inventory is read before the last look of the change, and so never shows its end.
        dev_rig.sync()
        dev_rig.world.advance(5)
    second = dev_rig.wake(fresh(second))
    assert second.state == State.QUEUED, second.outcome
    dev_rig.sync()
    assert dev_rig.until(second).state == State.SUCCEEDED


def test_turns_are_taken_in_the_order_of_asking(dev_rig: Rig) -> None:
    first = dev_rig.ask("restart")
    second = dev_rig.ask("restart", terms=QUEUE)
    third = dev_rig.ask("restart", terms=QUEUE)
    dev_rig.until(first)
    dev_rig.sync()
    assert dev_rig.wake(third).state == State.QUEUED
    dev_rig.until(fresh(second))
    dev_rig.sync()
    assert dev_rig.until(fresh(third)).state == State.SUCCEEDED
    assert dev_rig.calls == ["ecs:UpdateService"] * 3


def test_change_whose_turn_comes_with_nothing_left_to_do_is_stale(dev_rig: Rig) -> None:
    first = dev_rig.deploy("v2")
    second = dev_rig.ask("deploy", image_spec("v2"), terms=QUEUE)
    dev_rig.until(first)
    dev_rig.sync()
    second = dev_rig.until(fresh(second))
    assert second.state == State.STALE
    assert "Its turn came" in second.outcome


def test_hour_that_passed_without_an_approval_holds_nobody_up(rig: Rig) -> None:
    rig.push("v2")
    late = rig.ask("deploy", image_spec("v2"), terms=Terms(scheduled_at=rig.now + timedelta(seconds=30)))
    first, second = rig.ask("restart"), rig.ask("restart", terms=QUEUE)
    rig.until(first)
    rig.sync()
    assert fresh(late).state == State.AWAITING_APPROVAL
    assert rig.wake(fresh(second)).state == State.RUNNING


def test_nobody_approves_what_waits_its_turn(rig: Rig) -> None:
    rig.ask("restart")
    rig.push("v2")
    second = rig.ask("deploy", image_spec("v2"), terms=QUEUE)
    assert second.state == State.AWAITING_APPROVAL
    with pytest.raises(WrongState, match="waits its turn"):
        rig.approve(second)


def test_approval_is_asked_for_once_the_turn_has_come(rig: Rig) -> None:
    first = rig.ask("restart")
    rig.push("v2")
    second = rig.ask("deploy", image_spec("v2"), terms=QUEUE)
    rig.until(first)
    rig.sync()
    second = rig.wake(fresh(second))
    assert second.holds_slot
    rig.approve(second)
    assert rig.until(second).state == State.SUCCEEDED


def test_rollback_goes_before_those_that_wait(dev_rig: Rig) -> None:
    dev_rig.until(dev_rig.deploy("v2"))
    dev_rig.sync()
    good = dev_rig.service.service_deployments.order_by("created_at")[0]
    dev_rig.ask("restart")
    waiting = dev_rig.ask("restart", terms=QUEUE)
    back = dev_rig.ask("rollback", {"service_deployment_id": good.pk})
    assert dev_rig.wake(back).state == State.RUNNING
    assert fresh(waiting).state == State.QUEUED


def test_rollback_at_an_hour_of_its_own_cancels_nothing_and_says_so(dev_rig: Rig) -> None:
    dev_rig.until(dev_rig.deploy("v2"))
    dev_rig.sync()
    good = dev_rig.service.service_deployments.order_by("created_at")[0]
    waiting = dev_rig.ask("restart")
    spec, terms = {"service_deployment_id": good.pk}, Terms(scheduled_at=dev_rig.now + timedelta(hours=1))
    plan = dev_rig.plan("rollback", spec, terms=terms)
    said = next(check.text for check in plan.checks if check.id == "another-change")
    assert said.endswith("This begins at its hour, or after it.")
    dev_rig.ask("rollback", spec, terms=terms)
    assert fresh(waiting).state == State.QUEUED


def test_superseding_what_another_asked_for_needs_the_right(dev_rig: Rig) -> None:
    first = dev_rig.ask("restart", by="bob")
    terms = Terms(if_busy=IfBusy.SUPERSEDE)
    second = dev_rig.ask("restart", by="alice", terms=terms)
    assert fresh(first).state == State.CANCELLED
    dev_rig.wake(second)
    with pytest.raises(AnotherChangeActive):
        dev_rig.ask("restart", by="bob", terms=terms)


def test_replacing_what_another_asked_for_needs_the_right(
    dev_rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = dev_rig.ask("restart", by="bob")
    monkeypatch.setitem(ROLES, "operator", ROLES["operator"] - {"change.cancel"})
    with pytest.raises(PermissionMissing) as caught:
        dev_rig.ask("restart", by="alice", terms=Terms(replaces=first))
    assert caught.value.action == "change.cancel"
    assert fresh(first).state == State.QUEUED
    assert dev_rig.ask("restart", by="bob", terms=Terms(replaces=first)).replaces == first


def test_change_begins_at_its_hour(dev_rig: Rig) -> None:
    at = dev_rig.now + timedelta(minutes=30)
    change = dev_rig.ask("restart", terms=Terms(scheduled_at=at))
    assert not change.holds_slot
    change = dev_rig.wake(change)
    assert (change.state, change.next_wake_at) == (State.QUEUED, at)
    # Until then the service takes other changes.
    other = dev_rig.ask("scale", {"desired_count": 2 + 1})
    assert dev_rig.until(other).state == State.SUCCEEDED
    dev_rig.world.advance((at - dev_rig.now).total_seconds() + 1)
    assert dev_rig.wake(change).state == State.RUNNING


def test_change_may_be_scheduled_while_another_deployment_rolls_out(dev_rig: Rig) -> None:
    dev_rig.call("UpdateService", cluster="prod", service="checkout-api", taskDefinition=dev_rig.define("v1"))
    dev_rig.world.advance(10)
    dev_rig.sync()
    plan = dev_rig.plan("restart", {})
    assert [check.id for check in plan.refusals] == ["rollout-in-flight"]
    terms = Terms(scheduled_at=dev_rig.now + timedelta(hours=1))
    assert dev_rig.ask("restart", terms=terms).state == State.QUEUED


def test_scheduled_change_is_stale_when_its_base_moved(dev_rig: Rig) -> None:
    change = dev_rig.ask("restart", terms=Terms(scheduled_at=dev_rig.now + timedelta(minutes=30)))
    outside_change(dev_rig)
    dev_rig.world.advance(1801)
    change = dev_rig.wake(change)
    assert change.state == State.STALE
    assert dev_rig.calls == []


def test_scheduled_change_that_a_check_refuses_at_its_hour_does_nothing(dev_rig: Rig) -> None:
    dev_rig.push("v2")
    change = dev_rig.ask(
        "deploy", image_spec("v2"), terms=Terms(scheduled_at=dev_rig.now + timedelta(minutes=30))
    )
    forget_image(retag(dev_rig, "v2"))
    answers.clear()
    dev_rig.world.advance(1801)
    change = dev_rig.wake(change)
    assert change.state == State.STALE
    assert "v2 is not in ECR" in change.outcome
    assert dev_rig.calls == []


def test_scheduled_rollback_to_what_was_deregistered_meanwhile_does_nothing(dev_rig: Rig) -> None:
    dev_rig.until(dev_rig.deploy("v2"))
    dev_rig.sync()
    dev_rig.calls.clear()
    good = dev_rig.service.service_deployments.order_by("created_at")[0]
    change = dev_rig.ask(
        "rollback",
        {"service_deployment_id": good.pk},
        terms=Terms(scheduled_at=dev_rig.now + timedelta(minutes=30)),
    )
    dev_rig.call("DeregisterTaskDefinition", taskDefinition=good.task_definition_arn)
    dev_rig.world.advance(1801)
    change = dev_rig.wake(change)
    assert change.state == State.STALE
    assert "checkout-api:1 is INACTIVE" in change.outcome
    assert dev_rig.calls == []


def test_scheduled_change_of_somebody_who_lost_the_right_is_cancelled(dev_rig: Rig) -> None:
    change = dev_rig.ask("restart", terms=Terms(scheduled_at=dev_rig.now + timedelta(minutes=30)))
    RoleBinding.objects.filter(user=dev_rig.people["alice"]).delete()
    dev_rig.world.advance(1801)
    assert dev_rig.wake(change).state == State.CANCELLED


def test_scheduled_change_waits_for_approval_before_its_hour(rig: Rig) -> None:
    rig.push("v2")
    at = rig.now + timedelta(hours=2)
    change = rig.ask("deploy", image_spec("v2"), terms=Terms(scheduled_at=at))
    rig.approve(change)
    change = rig.wake(change)
    assert (change.state, change.next_wake_at) == (State.QUEUED, at)
    rig.world.advance(7201)
    assert rig.wake(change).state == State.RUNNING


def test_hour_before_the_end_of_a_wait_begins_at_that_end(rig: Rig) -> None:
    only_policy(subjects=["restart"], approvals=0, wait_minutes=180)
    change = rig.ask("restart", terms=Terms(scheduled_at=rig.now + timedelta(minutes=30)))
    for _ in range(10):
        rig.world.advance(20 * 60)
        change = rig.wake(change)
    assert change.state == State.SUCCEEDED, change.outcome
    assert change.dispatched_at == change.created_at + timedelta(hours=3)


def test_scheduled_change_that_needs_no_approval_any_more_still_begins_at_its_hour(rig: Rig) -> None:
    rig.push("v2")
    change = rig.ask("deploy", image_spec("v2"), terms=Terms(scheduled_at=rig.now + timedelta(hours=5)))
    ApprovalPolicy.objects.all().delete()
    assert rig.wake(change).state == State.QUEUED
    rig.world.advance(5 * 3600 + 1)
    change = rig.wake(change)
    assert change.state == State.RUNNING, change.outcome


@pytest.mark.parametrize("minutes", [-5, 0, 60 * 24 * 31])
def test_hour_must_lie_ahead_and_not_too_far(dev_rig: Rig, minutes: int) -> None:
    with pytest.raises(ConfirmationMissing) as caught:
        dev_rig.ask("restart", terms=Terms(scheduled_at=dev_rig.now + timedelta(minutes=minutes)))
    assert "scheduled_at" in caught.value.errors


def test_plan_is_applied_on_the_terms_on_which_it_was_shown(rig: Rig) -> None:
    seen = rig.plan("restart", {})
    with pytest.raises(PlanMoved):
        rig.ask("restart", plan_id=seen.id, terms=Terms(scheduled_at=rig.now + timedelta(hours=1)))
    assert rig.ask("restart", plan_id=seen.id).state == State.QUEUED


def test_plan_expires(rig: Rig) -> None:
    seen = rig.plan("restart", {})
    rig.world.advance(31 * 60)
    rig.sync()
    with pytest.raises(PlanExpired, match="older than 30 min"):
        rig.ask("restart", plan_id=seen.id)
    assert not Change.objects.exists()


@pytest.mark.parametrize("plan_id", ["forged", "", "a:b:c"])
def test_forged_plan_is_no_plan(rig: Rig, plan_id: str) -> None:
    with pytest.raises(PlanMoved):
        rig.ask("restart", plan_id=plan_id)


def test_same_key_makes_one_change(dev_rig: Rig) -> None:
    terms = Terms(idempotency_key="build-7", request_sha256="a" * 64)
    first = dev_rig.ask("restart", terms=terms)
    assert dev_rig.ask("restart", terms=terms) == first
    with pytest.raises(KeyReused):
        dev_rig.ask("restart", terms=Terms(idempotency_key="build-7", request_sha256="b" * 64))
    assert Change.objects.count() == 1


def test_same_request_whose_twin_was_faster_gets_its_change(
    dev_rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    terms = Terms(idempotency_key="build-7", request_sha256="a" * 64)
    plan = requesting.make_plan
    plan_id = dev_rig.plan("restart", {}, terms=terms).id
    twins: list[Change] = []

    def slow(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(requesting, "make_plan", plan)
        twins.append(dev_rig.ask("restart", terms=terms, plan_id=plan_id))
        return plan(*args, **kwargs)

    monkeypatch.setattr(requesting, "make_plan", slow)
    assert dev_rig.ask("restart", terms=terms, plan_id=plan_id) == twins[0]
    assert Change.objects.count() == 1


def test_revoked_token_no_longer_begins_what_it_asked_for(dev_rig: Rig) -> None:
    alice = dev_rig.people["alice"]
    token = ApiToken.objects.create(
        user=alice,
        name="ci",
        prefix="x",
        sha256="0" * 64,
        scope="operate",
        expires_at=dev_rig.now + timedelta(days=1),
    )
    change = dev_rig.ask("restart", terms=Terms(via="api", token=token))
    ApiToken.objects.update(revoked_at=dev_rig.now)
    change = dev_rig.wake(change)
    assert change.state == State.CANCELLED
    assert "token ci" in change.outcome


def test_cancelling_the_first_lets_the_second_have_its_turn(dev_rig: Rig) -> None:
    first = dev_rig.ask("restart")
    second = dev_rig.ask("restart", terms=QUEUE)
    alice = dev_rig.people["alice"]
    actions.cancel_change(change=first, actor=alice, access=access_for(alice), now=dev_rig.now)
    assert dev_rig.wake(fresh(second)).state == State.RUNNING
