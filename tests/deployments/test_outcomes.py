"""How changes end, judged by what ECS says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from audit.models import AuditEntry
from aws.errors import AwsAccessDenied
from deployments import sweeping
from deployments.fingerprint import spec_sha256
from deployments.models import Attempt, Change
from deployments.sealing import seal
from deployments.states import State
from tests.deployments.rig import REPOSITORY, Killed, Rig, dies_before, fresh


def denies(wanted: str) -> Callable[[str, Callable[[], Any]], Any]:
    """IAM refuses one action of the changing role."""

    def around(action: str, make: Callable[[], Any]) -> Any:
        if action == wanted:
            raise AwsAccessDenied("not authorized", action=action, code="AccessDeniedException")
        return make()

    return around


def delete_service(rig: Rig) -> None:
    rig.call("DeleteService", cluster="prod", service=rig.name, force=True)


def test_deploy_succeeds_and_touches_aws_exactly_twice(dev_rig: Rig) -> None:
    change = dev_rig.until(dev_rig.deploy("v2"))
    assert change.state == State.SUCCEEDED, change.outcome
    assert dev_rig.calls == ["ecs:RegisterTaskDefinition", "ecs:UpdateService"]
    definition = dev_rig.call(
        "DescribeTaskDefinition", taskDefinition=change.progress["registered_arn"], include=["TAGS"]
    )
    assert definition["taskDefinition"]["containerDefinitions"][0]["image"] == f"{REPOSITORY}:v2"
    assert {"key": "ecsconsole:change", "value": str(change.pk)} in definition["tags"]
    assert {"key": "team", "value": "shop"} in definition["tags"]
    assert dev_rig.facts()["taskDefinition"] == change.progress["registered_arn"]


def test_deploy_of_a_crashing_image_ends_rolled_back_in_ecs_own_words(dev_rig: Rig) -> None:
    before = dev_rig.facts()["taskDefinition"]
    change = dev_rig.until(dev_rig.deploy("v2-crash"))
    assert change.state == State.ROLLED_BACK
    assert "circuit breaker threshold was exceeded" in change.outcome
    assert dev_rig.facts()["taskDefinition"] == before
    moves = list(change.transitions.values_list("to_state", flat=True))
    assert moves == ["queued", "running", "rolling_back", "rolled_back"]


def test_deploy_keeps_the_values_that_nobody_touched_and_seals_the_new_one(dev_rig: Rig) -> None:
    change = dev_rig.until(dev_rig.deploy("v2", environment={"LOG_LEVEL": seal("debug-secret")}))
    assert change.state == State.SUCCEEDED, change.outcome
    definition = dev_rig.call("DescribeTaskDefinition", taskDefinition=change.progress["registered_arn"])
    environment = definition["taskDefinition"]["containerDefinitions"][0]["environment"]
    assert environment == [
        {"name": "LOG_LEVEL", "value": "debug-secret"},
        {"name": "API_TOKEN", "value": "tok-1"},
    ]
    stored = [str(list(rows.values())) for rows in (Change.objects, Attempt.objects, AuditEntry.objects)]
    for text in stored:
        assert "debug-secret" not in text
        assert "tok-1" not in text


def test_restart_replaces_the_tasks_by_one_forced_deployment(dev_rig: Rig) -> None:
    before = dev_rig.facts()["deployments"][0]
    change = dev_rig.until(dev_rig.ask("restart"))
    assert change.state == State.SUCCEEDED, change.outcome
    assert dev_rig.calls == ["ecs:UpdateService"]
    after = dev_rig.facts()["deployments"][0]
    assert after["id"] != before["id"]
    assert after["taskDefinition"] == before["taskDefinition"]


def test_scale_waits_until_that_many_tasks_run(dev_rig: Rig) -> None:
    change = dev_rig.ask("scale", {"desired_count": 4})
    change = dev_rig.wake(change)
    assert change.state == State.RUNNING
    change = dev_rig.until(change)
    assert change.state == State.SUCCEEDED
    assert change.outcome == "4 of 4 tasks run."
    assert dev_rig.facts()["runningCount"] == 4
    assert dev_rig.calls == ["ecs:UpdateService"]


def test_scale_that_something_else_undoes_is_no_success(dev_rig: Rig) -> None:
    change = dev_rig.wake(dev_rig.ask("scale", {"desired_count": 6}))
    dev_rig.call("UpdateService", cluster="prod", service="checkout-api", desiredCount=3)
    change = dev_rig.until(change)
    assert change.state == State.FAILED
    assert "set it to 3" in change.outcome


def test_scale_of_a_service_that_is_deleted_says_so(dev_rig: Rig) -> None:
    change = dev_rig.wake(dev_rig.ask("scale", {"desired_count": 4}))
    change = dev_rig.pass_time(change, 5)
    delete_service(dev_rig)
    change = dev_rig.until(change)
    assert (change.state, change.outcome) == (
        State.FAILED,
        "Somebody deleted the service: it is DRAINING.",
    )


def test_nothing_is_registered_for_a_service_that_was_deleted_meanwhile(dev_rig: Rig) -> None:
    change = dev_rig.deploy("v2")
    delete_service(dev_rig)
    change = dev_rig.wake(change)
    assert change.state == State.STALE
    assert change.outcome == "Somebody deleted the service: it is DRAINING. Nothing was done."
    assert dev_rig.calls == []


def test_stopped_task_ends_the_change_when_it_has_stopped(dev_rig: Rig) -> None:
    task = dev_rig.service.tasks.first()
    assert task is not None
    change = dev_rig.until(dev_rig.ask("stop_task", {"task_id": task.task_id}))
    assert change.state == State.SUCCEEDED
    assert f"CR-{change.pk} by alice: because" in change.outcome
    assert dev_rig.calls == ["ecs:StopTask"]


def test_finished_deployment_is_rolled_back_to_what_succeeded_before(dev_rig: Rig) -> None:
    first = dev_rig.facts()["taskDefinition"]
    dev_rig.until(dev_rig.deploy("v2"))
    dev_rig.sync()
    target = dev_rig.service.service_deployments.get(task_definition_arn=first)
    change = dev_rig.until(dev_rig.ask("rollback", {"service_deployment_id": target.pk}))
    assert change.state == State.SUCCEEDED, change.outcome
    assert dev_rig.facts()["taskDefinition"] == first
    assert dev_rig.calls[-1] == "ecs:UpdateService"


def test_running_deploy_is_rolled_back_in_flight(dev_rig: Rig) -> None:
    first = dev_rig.facts()["taskDefinition"]
    change = dev_rig.until(dev_rig.deploy("v2-slow"), State.RUNNING)
    change = dev_rig.pass_time(change, 15)
    dev_rig.roll_back(change)
    change = dev_rig.until(change)
    assert change.state == State.ROLLED_BACK, change.outcome
    assert change.rollback_requested_by == dev_rig.people["alice"]
    assert "user request" in change.outcome
    assert dev_rig.calls == [
        "ecs:RegisterTaskDefinition",
        "ecs:UpdateService",
        "ecs:StopServiceDeployment",
    ]
    assert dev_rig.facts()["taskDefinition"] == first


def test_rollback_that_was_refused_is_sent_again_when_a_person_asks_again(dev_rig: Rig) -> None:
    change = dev_rig.pass_time(dev_rig.deploy("v2-slow"), 10)
    dev_rig.around = denies("ecs:StopServiceDeployment")
    dev_rig.roll_back(change)
    change = dev_rig.until(change, State.NEEDS_ATTENTION)
    assert "not authorized. ECS goes on with the deployment." in change.outcome
    change = dev_rig.pass_time(change, 20)
    assert dev_rig.calls.count("ecs:StopServiceDeployment") == 1, "nobody asked again"
    dev_rig.around = None
    dev_rig.roll_back(change)
    change = dev_rig.until(change)
    assert change.state == State.ROLLED_BACK, change.outcome
    assert dev_rig.calls.count("ecs:StopServiceDeployment") == 2


def test_rollback_asked_before_anything_was_sent_sends_nothing(dev_rig: Rig) -> None:
    change = dev_rig.deploy("v2")
    dev_rig.around = dies_before("ecs:RegisterTaskDefinition")
    with pytest.raises(Killed):
        dev_rig.wake(change)
    dev_rig.around = None
    dev_rig.roll_back(change)
    change = dev_rig.until(change)
    assert change.state == State.ROLLED_BACK
    assert "never changed" in change.outcome
    assert "ecs:UpdateService" not in dev_rig.calls


def test_rollback_that_comes_too_late_says_so_and_tells_the_truth(dev_rig: Rig) -> None:
    change = dev_rig.until(dev_rig.deploy("v2"), State.RUNNING)
    dev_rig.world.advance(300)
    dev_rig.roll_back(change)
    change = dev_rig.until(change)
    assert change.state == State.SUCCEEDED
    notes = " ".join(change.transitions.values_list("note", flat=True))
    assert "completed the deployment before the rollback reached it" in notes


def test_deployment_in_flight_from_outside_is_rolled_back_on_request(dev_rig: Rig) -> None:
    first = dev_rig.facts()["taskDefinition"]
    dev_rig.call(
        "UpdateService", cluster="prod", service="checkout-api", taskDefinition=dev_rig.define("v9-slow")
    )
    dev_rig.world.advance(20)
    dev_rig.sync()
    change = dev_rig.until(dev_rig.ask("rollback", {"in_flight": True}))
    assert change.state == State.SUCCEEDED, change.outcome
    assert dev_rig.calls == ["ecs:StopServiceDeployment"]
    assert dev_rig.facts()["taskDefinition"] == first


def test_deployment_that_another_one_replaces_is_no_success(dev_rig: Rig) -> None:
    change = dev_rig.until(dev_rig.deploy("v2-slow"), State.RUNNING)
    change = dev_rig.pass_time(change, 10)
    dev_rig.call("UpdateService", cluster="prod", service="checkout-api", taskDefinition=dev_rig.define("v3"))
    change = dev_rig.until(change)
    assert change.state == State.FAILED
    assert "newer service deployment" in change.outcome


def test_rollout_past_its_deadline_needs_attention_with_a_reason_and_never_fails(dev_rig: Rig) -> None:
    dev_rig.call(
        "UpdateService",
        cluster="prod",
        service="checkout-api",
        deploymentConfiguration={"deploymentCircuitBreaker": {"enable": False, "rollback": False}},
    )
    dev_rig.sync()
    change = dev_rig.until(dev_rig.deploy("v2-crash"), State.RUNNING)
    change = dev_rig.until(change, State.NEEDS_ATTENTION, limit=3600, step=60)
    assert "have failed in a row" in change.outcome or "keep failing" in change.outcome
    dev_rig.roll_back(change)
    change = dev_rig.until(change)
    assert change.state == State.ROLLED_BACK, change.outcome


def test_what_needs_attention_still_succeeds_on_evidence(dev_rig: Rig) -> None:
    change = dev_rig.until(dev_rig.deploy("v2"), State.RUNNING)
    Change.objects.filter(pk=change.pk).update(deadline_at=dev_rig.now)
    change = dev_rig.until(change, State.NEEDS_ATTENTION)
    assert change.outcome.startswith("Not finished after 0 min.")
    assert dev_rig.until(change).state == State.SUCCEEDED


def test_values_are_dropped_with_the_end_and_their_fingerprints_stay(dev_rig: Rig) -> None:
    entry = seal("debug-secret")
    change = dev_rig.deploy("v2", environment={"LOG_LEVEL": entry, "API_TOKEN": None})
    assert change.spec["containers"]["app"]["environment"]["LOG_LEVEL"]["sealed"] == entry["sealed"]
    change = dev_rig.until(change)
    kept = change.spec["containers"]["app"]["environment"]
    assert kept == {
        "LOG_LEVEL": {"fingerprint": entry["fingerprint"], "length": entry["length"]},
        "API_TOKEN": None,
    }
    assert spec_sha256("deploy", change.spec) == change.spec_sha256


def test_a_cancelled_request_keeps_no_value(rig: Rig) -> None:
    change = rig.deploy("v2", approve=False, environment={"LOG_LEVEL": seal("debug-secret")})
    rig.cancel(change)
    assert "sealed" not in str(fresh(change).spec)


def test_whoever_asked_is_named_beside_the_deployment(dev_rig: Rig) -> None:
    change = dev_rig.wake(dev_rig.deploy("v2"))
    dev_rig.sync()
    change = dev_rig.pass_time(change, 30)
    deployment = dev_rig.service.service_deployments.get(arn=change.progress["service_deployment_arn"])
    assert deployment.created_by == (change.requester.get_full_name() or "alice")
    change = dev_rig.until(change)
    assert change.next_wake_at is None


def test_a_deployment_that_is_read_after_the_end_is_still_named(dev_rig: Rig) -> None:
    change = dev_rig.until(dev_rig.deploy("v2"))
    assert sweeping.due(dev_rig.now) == [change.pk], "the inventory has not read the deployment yet"
    change = dev_rig.wake(change)
    assert change.next_wake_at is not None
    dev_rig.sync()
    dev_rig.world.advance(10)
    change = dev_rig.wake(change)
    deployment = dev_rig.service.service_deployments.get(arn=change.progress["service_deployment_arn"])
    assert deployment.created_by == (change.requester.get_full_name() or "alice")
    assert (change.state, change.next_wake_at) == (State.SUCCEEDED, None)


def test_naming_is_given_up_when_the_deployment_is_never_read(dev_rig: Rig) -> None:
    change = dev_rig.until(dev_rig.deploy("v2"))
    dev_rig.world.advance(3700)
    assert dev_rig.wake(change).next_wake_at is None


def test_a_value_that_aws_repeats_in_its_refusal_is_kept_nowhere(
    dev_rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    value, word = "qcanary-repeated-value", "qcanary-repeated-password"
    text = f"1 validation error detected: Value '{value}' at 'containerDefinitions', command: serve --password {word}"
    dev_rig.sandbox.faults.add(
        kind="access-denied",
        operation="RegisterTaskDefinition",
        code="ClientException",
        message=text,
        status=400,
    )
    sealed = {"environment": {"LOG_LEVEL": seal(value)}, "command": ["serve", "--password", word]}
    change = dev_rig.until(dev_rig.deploy("v2", **sealed))
    assert change.state == "failed"
    assert "1 validation error detected: Value '" in change.outcome
    assert "at 'containerDefinitions', command: serve" in change.outcome
    kept = [
        change.outcome,
        *change.attempts.values_list("error_message", flat=True),
        *change.transitions.values_list("note", flat=True),
        *(bytes(entry.canonical).decode() for entry in AuditEntry.objects.all()),
        caplog.text,
    ]
    assert all(value not in part and word not in part for part in kept)
