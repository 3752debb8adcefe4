"""Asking for changes: plans, confirmation, the one slot of a service."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import RequestFactory

from access.decisions import PermissionMissing
from access.queries import access_for
from audit.models import AuditEntry
from aws import ecr, ecs
from aws.errors import AwsAccessDenied, AwsThrottled
from deployments import actions
from deployments.actions import requesting
from deployments.errors import (
    AnotherChangeActive,
    ChangeRefused,
    ConfirmationMissing,
    InvalidSpec,
    PlanMoved,
    WrongState,
)
from deployments.models import Change
from deployments.sealing import seal
from deployments.states import State
from sandbox.scenarios.empty import ACCOUNT_ID
from tests.deployments.rig import REPOSITORY, Rig, fresh, image_spec


def levels(plan: Any) -> dict[str, str]:
    return {check.id: check.level for check in plan.checks}


def test_plan_shows_the_exact_calls_with_values_masked(rig: Rig) -> None:
    rig.push("v2")
    plan = rig.plan("deploy", image_spec("v2", environment={"LOG_LEVEL": seal("very-secret")}))
    assert [call.action for call in plan.calls] == ["ecs:RegisterTaskDefinition", "ecs:UpdateService"]
    assert plan.calls[0].params["containerDefinitions"][0]["image"] == f"{REPOSITORY}:v2"
    assert plan.calls[1].params["cluster"] == "prod"
    assert plan.cli[1].startswith(
        "aws ecs update-service --region us-east-1 --cluster prod --service checkout-api"
    )
    assert "very-secret" not in str(plan)
    assert "tok-1" not in str(plan)
    app = next(group for group in plan.diff if group.title == "app")
    changed = [row.name for row in app.rows if row.is_changed]
    assert changed == ["image", "environment.LOG_LEVEL"]
    assert (plan.needs_approval, plan.confirmation, plan.refused) == (True, "typed", False)
    assert {"tasks_started": 2, "tasks_stopped": 2, "peak": 4, "lowest": 2}.items() <= plan.churn.items()
    assert levels(plan)["image-app"] == "ok"


def test_plan_refuses_an_image_that_ecr_does_not_have(rig: Rig) -> None:
    plan = rig.plan("deploy", image_spec("v404"))
    assert levels(plan)["image-app"] == "refuse"
    with pytest.raises(ChangeRefused, match="not in ECR"):
        rig.ask("deploy", image_spec("v404"))


def test_plan_says_what_it_could_not_check(rig: Rig) -> None:
    spec = {"containers": {"app": {"image": "docker.io/library/nginx:1.29"}}}
    check = next(one for one in rig.plan("deploy", spec).checks if one.id == "image-app")
    assert check.level == "warn"
    assert "cannot be checked" in check.text


def test_plan_says_when_the_role_may_not_look_into_ecr(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(scope: object, reference: str) -> None:
        raise AwsAccessDenied("not authorized", action="ecr:DescribeImages", code="AccessDeniedException")

    monkeypatch.setattr(ecr, "find_image", denied)
    check = next(one for one in rig.plan("deploy", image_spec("v2")).checks if one.id == "image-app")
    assert check.level == "warn"
    assert "cannot be checked: the read role may not call ecr:DescribeImages" in check.text


def test_plan_refuses_a_size_that_fargate_does_not_have(rig: Rig) -> None:
    check = next(one for one in rig.plan("deploy", {"task": {"cpu": "1024"}}).checks if one.id == "task-size")
    assert check.level == "refuse"
    assert "takes 2,048 to 8,192 MiB" in check.text


def test_rollback_to_an_image_that_is_gone_is_refused(dev_rig: Rig) -> None:
    first = dev_rig.facts()["taskDefinition"]
    dev_rig.until(dev_rig.deploy("v2"))
    dev_rig.sync()
    target = dev_rig.service.service_deployments.get(task_definition_arn=first)
    digest = target.images[0]["digest"]
    dev_rig.sandbox.client("ecr", account_id=ACCOUNT_ID).batch_delete_image(
        repositoryName="shop/checkout-api", imageIds=[{"imageDigest": digest}]
    )
    assert levels(dev_rig.plan("rollback", {"service_deployment_id": target.pk}))["image-app"] == "refuse"


def test_plan_warns_without_a_circuit_breaker_and_refuses_bounds_that_deadlock(rig: Rig) -> None:
    # ECS refuses 100 and 100 where it sees it; services from before that, and rounding, still get there.
    rig.service.facts["deploymentConfiguration"] = {"minimumHealthyPercent": 51, "maximumPercent": 149}
    rig.service.desired_count = 1
    found = levels(rig.plan("restart", {}))
    assert found["circuit-breaker"] == "warn"
    assert found["bounds"] == "refuse"


def test_plan_refuses_while_a_rollout_is_in_flight_but_lets_it_be_scaled(rig: Rig) -> None:
    rig.call("UpdateService", cluster="prod", service="checkout-api", forceNewDeployment=True)
    rig.world.advance(10)
    rig.sync()
    assert levels(rig.plan("restart", {}))["rollout-in-flight"] == "refuse"
    assert not rig.plan("scale", {"desired_count": 3}).refused
    assert not rig.plan("rollback", {"in_flight": True}).refused


def test_plan_of_nothing_is_refused(rig: Rig) -> None:
    assert levels(rig.plan("deploy", image_spec("v1")))["nothing-changes"] == "refuse"
    assert levels(rig.plan("scale", {"desired_count": 2}))["nothing-changes"] == "refuse"
    target = rig.service.service_deployments.get()
    found = levels(rig.plan("rollback", {"service_deployment_id": target.pk}))
    assert found["nothing-changes"] == "refuse"
    assert levels(rig.plan("rollback", {"in_flight": True}))["in-flight"] == "refuse"


def test_rollback_to_an_inactive_definition_is_refused_with_the_reason(dev_rig: Rig) -> None:
    first = dev_rig.facts()["taskDefinition"]
    dev_rig.until(dev_rig.deploy("v2"), step=15)
    dev_rig.call("DeregisterTaskDefinition", taskDefinition=first)
    dev_rig.sync()
    target = dev_rig.service.service_deployments.get(task_definition_arn=first)
    with pytest.raises(ChangeRefused, match="checkout-api:1 is INACTIVE"):
        dev_rig.ask("rollback", {"service_deployment_id": target.pk})


def test_rollback_to_a_definition_that_became_inactive_since_it_was_read_is_refused(dev_rig: Rig) -> None:
    first = dev_rig.facts()["taskDefinition"]
    dev_rig.until(dev_rig.deploy("v2"), step=15)
    dev_rig.sync()
    target = dev_rig.service.service_deployments.get(task_definition_arn=first)
    assert levels(dev_rig.plan("rollback", {"service_deployment_id": target.pk}))["target-active"] == "ok"
    dev_rig.call("DeregisterTaskDefinition", taskDefinition=first)
    assert levels(dev_rig.plan("rollback", {"service_deployment_id": target.pk}))["target-active"] == "refuse"


def test_rollback_is_not_refused_because_aws_cannot_be_asked(
    dev_rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = dev_rig.facts()["taskDefinition"]
    dev_rig.until(dev_rig.deploy("v2"), step=15)
    dev_rig.sync()
    target = dev_rig.service.service_deployments.get(task_definition_arn=first)

    def throttled(scope: object, arn: str) -> None:
        raise AwsThrottled("Rate exceeded", action="ecs:DescribeTaskDefinition", code="ThrottlingException")

    monkeypatch.setattr(ecs, "describe_task_definition", throttled)
    plan = dev_rig.plan("rollback", {"service_deployment_id": target.pk})
    assert levels(plan)["target-active"] == "warn"
    assert not plan.refused


@pytest.mark.parametrize("status", ["ROLLBACK_SUCCESSFUL", "STOPPED", "IN_PROGRESS"])
def test_rollback_to_what_never_succeeded_is_refused(rig: Rig, status: str) -> None:
    target = rig.service.service_deployments.get()
    target.status = status
    target.save()
    assert levels(rig.plan("rollback", {"service_deployment_id": target.pk}))["target-succeeded"] == "refuse"


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("scale", {"desired_count": "many"}),
        ("scale", {"desired_count": -1}),
        ("rollback", {"service_deployment_id": "x"}),
        ("rollback", {"service_deployment_id": 999}),
        ("stop_task", {"task_id": "nope"}),
        ("deploy", {"containers": {"app": {"image": "!"}}}),
        ("teleport", {}),
    ],
)
def test_request_that_cannot_be_meant_is_invalid(rig: Rig, kind: str, spec: dict[str, Any]) -> None:
    with pytest.raises(InvalidSpec):
        rig.plan(kind, spec)


def test_production_asks_for_the_typed_name_and_a_reason(rig: Rig) -> None:
    with pytest.raises(ConfirmationMissing) as caught:
        rig.ask("restart", confirm="checkout", reason=" ")
    assert set(caught.value.errors) == {"confirm", "reason"}
    with pytest.raises(PlanMoved):
        rig.ask("restart", plan_id="")
    assert not Change.objects.exists()


def test_development_takes_one_click(dev_rig: Rig) -> None:
    change = dev_rig.ask("restart", confirm="", reason="", plan_id="")
    assert change.state == State.QUEUED
    assert change.plan["confirmation"] == "click"


def test_plan_that_moved_between_seeing_and_asking_is_refused(rig: Rig) -> None:
    seen = rig.plan("scale", {"desired_count": 5}).id
    rig.call("UpdateService", cluster="prod", service="checkout-api", desiredCount=3)
    rig.sync()
    with pytest.raises(PlanMoved):
        rig.ask("scale", {"desired_count": 5}, plan_id=seen)


@pytest.mark.parametrize("person", ["carol", "dan", "erin", "mallory"])
def test_without_the_right_nothing_is_written_but_the_refusal(rig: Rig, person: str) -> None:
    with pytest.raises(PermissionMissing):
        rig.ask("restart", by=person)
    assert not Change.objects.exists()
    entry = AuditEntry.objects.get(action="access.refused")
    assert (entry.actor, entry.outcome, entry.data["permission"]) == (person, "refused", "service.restart")


def test_second_change_is_refused_with_the_name_of_the_first(rig: Rig) -> None:
    first = rig.ask("restart")
    with pytest.raises(AnotherChangeActive) as caught:
        rig.ask("scale", {"desired_count": 3})
    assert caught.value.change == first
    assert f"CR-{first.pk}" in caught.value.sentence


def earlier_success(rig: Rig) -> dict[str, int]:
    """Deploy once more, so that there is something to go back to, and return the spec that does."""
    first = rig.facts()["taskDefinition"]
    rig.until(rig.deploy("v2"))
    rig.sync()
    return {"service_deployment_id": rig.service.service_deployments.get(task_definition_arn=first).pk}


def test_request_that_has_not_begun_gives_way_to_a_rollback(dev_rig: Rig) -> None:
    spec = earlier_success(dev_rig)
    waiting = dev_rig.ask("restart")
    plan = dev_rig.plan("rollback", spec)
    assert levels(plan)["another-change"] == "warn"
    rollback = dev_rig.ask("rollback", spec)
    waiting.refresh_from_db()
    assert (waiting.state, rollback.state) == (State.CANCELLED, State.QUEUED)
    assert "rollback that alice asked for" in waiting.transitions.last().note
    assert dev_rig.until(rollback).state == State.SUCCEEDED


def test_change_that_runs_does_not_give_way(dev_rig: Rig) -> None:
    spec = earlier_success(dev_rig)
    running = dev_rig.ask("restart")
    Change.objects.filter(pk=running.pk).update(state=State.RUNNING)
    with pytest.raises(AnotherChangeActive) as caught:
        dev_rig.ask("rollback", spec)
    assert caught.value.change == running


def test_rollback_does_not_cancel_what_a_worker_has_just_begun(
    dev_rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = earlier_success(dev_rig)
    queued = dev_rig.ask("restart")
    check_plan = requesting.check_plan

    def worker_first(*args: Any, **kwargs: Any) -> None:
        Change.objects.filter(pk=queued.pk).update(state=State.RUNNING, version=queued.version + 1)
        check_plan(*args, **kwargs)

    monkeypatch.setattr(requesting, "check_plan", worker_first)
    with pytest.raises(AnotherChangeActive):
        dev_rig.ask("rollback", spec)
    queued.refresh_from_db()
    assert queued.state == State.RUNNING
    assert Change.objects.filter(kind="rollback").count() == 0


def test_task_may_be_stopped_beside_another_change(rig: Rig) -> None:
    rig.ask("restart")
    task = rig.service.tasks.first()
    assert task is not None
    assert rig.ask("stop_task", {"task_id": task.task_id}).state == State.QUEUED


def test_of_two_that_ask_at_once_the_database_lets_one_through(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_plan = requesting.check_plan

    def rival_first(*args: Any, **kwargs: Any) -> None:
        monkeypatch.setattr(requesting, "check_plan", check_plan)
        rig.ask("scale", {"desired_count": 3}, by="bob")
        check_plan(*args, **kwargs)

    # Both have seen a free slot by the time the first one writes.
    monkeypatch.setattr(requesting, "check_plan", rival_first)
    with pytest.raises(AnotherChangeActive) as caught:
        rig.ask("restart")
    assert caught.value.change == Change.objects.get()
    assert Change.objects.get().kind == "scale"


@pytest.mark.parametrize("state", list(State))
def test_cancel_in_each_state(rig: Rig, state: State) -> None:
    change = rig.ask("restart")
    Change.objects.filter(pk=change.pk).update(state=state)
    if state in (State.AWAITING_APPROVAL, State.QUEUED, State.NEEDS_ATTENTION):
        rig.cancel(change)
        assert fresh(change).state == State.CANCELLED
        assert "alice" in fresh(change).outcome
    else:
        with pytest.raises(WrongState):
            rig.cancel(change)
        assert fresh(change).state == state


@pytest.mark.parametrize(
    ("kind", "spec"), [("restart", {}), ("deploy", {"service": {"platformVersion": "1.4.0"}})]
)
def test_rollout_of_a_definition_that_was_deregistered_is_refused(
    dev_rig: Rig, kind: str, spec: dict[str, Any]
) -> None:
    dev_rig.call("DeregisterTaskDefinition", taskDefinition=dev_rig.service.task_definition_arn)
    with pytest.raises(ChangeRefused, match="checkout-api:1 is INACTIVE"):
        dev_rig.ask(kind, spec)
    assert dev_rig.ask("scale", {"desired_count": 3}).state == State.QUEUED, "ECS scales it all the same"


def test_whoever_cannot_cancel_is_told_what_can_be_done(dev_rig: Rig) -> None:
    change = dev_rig.wake(dev_rig.ask("scale", {"desired_count": 4}))
    with pytest.raises(WrongState) as caught:
        dev_rig.cancel(change)
    assert "Roll it back" not in caught.value.advice, "a scale began no service deployment"
    assert "set aside" in caught.value.advice
    change = dev_rig.until(change)
    dev_rig.sync()
    change = dev_rig.wake(dev_rig.ask("restart"))
    with pytest.raises(WrongState) as caught:
        dev_rig.cancel(change)
    assert caught.value.advice == "ECS is working on it. Roll it back instead."


def test_others_may_cancel_only_by_right(rig: Rig) -> None:
    change = rig.ask("restart")
    with pytest.raises(PermissionMissing):
        rig.cancel(change, by="carol")
    rig.cancel(change, by="bob")
    assert fresh(change).state == State.CANCELLED


@pytest.mark.parametrize("state", [s for s in State if s not in (State.RUNNING, State.NEEDS_ATTENTION)])
def test_only_what_runs_can_be_rolled_back(rig: Rig, state: State) -> None:
    change = rig.ask("restart")
    Change.objects.filter(pk=change.pk).update(state=state)
    with pytest.raises(WrongState):
        rig.roll_back(change)


def test_scaling_has_no_service_deployment_to_roll_back(rig: Rig) -> None:
    change = rig.wake(rig.ask("scale", {"desired_count": 3}))
    with pytest.raises(WrongState, match="began no service deployment"):
        rig.roll_back(change)


def test_ledger_tells_from_where_it_was_asked(rig: Rig) -> None:
    request = RequestFactory().post("/", REMOTE_ADDR="10.8.1.44")
    change = rig.ask("restart", request=request)
    alice = rig.people["alice"]
    actions.cancel_change(change=change, actor=alice, access=access_for(alice), now=rig.now, request=request)
    entries = AuditEntry.objects.filter(target=f"CR-{change.pk}").order_by("seq")
    assert [(entry.action, entry.actor, entry.ip) for entry in entries] == [
        ("change.requested", "alice", "10.8.1.44"),
        ("change.state", "alice", "10.8.1.44"),
    ]
