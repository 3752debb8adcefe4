"""Running a task once: watched to its end, decided by exit codes, started once whatever happens."""

from __future__ import annotations

from typing import Any

import pytest

from audit.models import AuditEntry
from deployments.errors import InvalidSpec
from deployments.models import Attempt, Change
from deployments.sealing import seal
from deployments.states import State
from sandbox import lifecycle
from sandbox.images import Behaviour
from tests.deployments.pages import at
from tests.deployments.rig import Killed, Rig, dies_after, dies_before, fresh, loses_answer
from tests.deployments.test_outcomes import denies

RUN, STOP = "ecs:RunTask", "ecs:StopTask"


def ours(rig: Rig, change: Change) -> list[dict[str, Any]]:
    found = []
    for status in ("RUNNING", "STOPPED"):
        arns = rig.call(
            "ListTasks", cluster="prod", startedBy=f"ecsconsole/CR-{change.pk}", desiredStatus=status
        )["taskArns"]
        if arns:
            found += rig.call("DescribeTasks", cluster="prod", tasks=arns, include=["TAGS"])["tasks"]
    return found


def exits(rig: Rig, change: Change, *codes: int) -> None:
    """Let the tasks of a change end by themselves, with these exit codes."""
    cluster = rig.world.region("123456789012", "us-east-1").clusters["prod"]
    mine = [task for task in cluster.tasks.values() if task.started_by == f"ecsconsole/CR-{change.pk}"]
    for task, code in zip(mine, codes, strict=True):
        lifecycle._exit(rig.world, task, task.containers[0], Behaviour("ends", exit_code=code))


def started(rig: Rig, **spec: Any) -> Change:
    change = rig.wake(rig.ask("run_task", {"count": 1, **spec}))
    return rig.pass_time(change, 60, step=10)


def test_task_that_exits_with_zero_succeeds(dev_rig: Rig) -> None:
    change = started(dev_rig)
    assert change.state == State.RUNNING
    assert "It ends when they do" in change.progress["rollout"]["waiting_for"]["sentence"]
    exits(dev_rig, change, 0)
    change = dev_rig.until(change)
    assert change.state == State.SUCCEEDED, change.outcome
    assert dev_rig.calls == [RUN]
    assert dev_rig.facts()["runningCount"] == 2, "the service is as it was"


def test_task_runs_where_the_service_runs_and_bears_the_change(dev_rig: Rig) -> None:
    change = started(dev_rig)
    task = ours(dev_rig, change)[0]
    assert task["taskDefinitionArn"] == dev_rig.facts()["taskDefinition"]
    assert task["launchType"] == "FARGATE"
    assert {"key": "ecsconsole:change", "value": str(change.pk)} in task["tags"]
    assert {"key": "team", "value": "shop"} in task["tags"]


def test_overrides_reach_ecs_and_secrets_reach_nothing_else(dev_rig: Rig) -> None:
    override = {
        "command": ["migrate", "--password", "hunter2-secret"],
        "environment": {"API_TOKEN": seal("tok-9-secret")},
        "memory": 256,
    }
    change = started(dev_rig, containers={"app": override})
    container = ours(dev_rig, change)[0]["overrides"]["containerOverrides"][0]
    assert container["command"] == ["migrate", "--password", "hunter2-secret"]
    assert container["environment"] == [{"name": "API_TOKEN", "value": "tok-9-secret"}]
    assert container["memory"] == 256
    stored = [str(list(rows.values())) for rows in (Change.objects, Attempt.objects, AuditEntry.objects)]
    for text in stored:
        assert "hunter2-secret" not in text
        assert "tok-9-secret" not in text


@pytest.mark.parametrize(("command", "state"), [("migrate", "succeeded"), ("exit 3", "failed")])
def test_command_is_watched_to_its_end(dev_rig: Rig, command: str, state: str) -> None:
    spec = {"count": 1, "containers": {"app": {"command": ["sh", "-c", command]}}}
    assert dev_rig.until(dev_rig.ask("run_task", spec)).state == state


def test_values_are_dropped_at_the_end(dev_rig: Rig) -> None:
    override = {"command": ["migrate"], "environment": {"A": seal("value-1")}}
    change = dev_rig.until(dev_rig.ask("run_task", {"count": 1, "containers": {"app": override}}))
    assert "sealed" not in str(change.spec)
    assert change.spec["containers"]["app"]["command"]["words"] == ["migrate"]


def test_exit_code_decides_and_is_told(dev_rig: Rig) -> None:
    change = started(dev_rig, count=2)
    exits(dev_rig, change, 0, 3)
    change = dev_rig.until(change)
    assert change.state == State.FAILED
    assert "1 of 2 tasks failed" in change.outcome
    assert "app exited with 3" in change.outcome


def test_task_that_never_ran_is_no_success(dev_rig: Rig) -> None:
    dev_rig.push("v3")
    dev_rig.call(
        "UpdateService", cluster="prod", service="checkout-api", taskDefinition=dev_rig.define("v3-missing")
    )
    dev_rig.world.advance(5)
    dev_rig.sync()
    change = dev_rig.until(dev_rig.ask("run_task", {"count": 1}))
    assert change.state == State.FAILED
    assert "has no exit code" in change.outcome


def test_plan_is_what_is_sent(dev_rig: Rig) -> None:
    change = dev_rig.wake(dev_rig.ask("run_task", {"count": 2, "containers": {"app": {"command": ["true"]}}}))
    planned, sent = change.plan["calls"][0]["params"], Attempt.objects.get(change=change).request
    different = {name for name in sent if sent[name] != planned.get(name)}
    assert different == {"startedBy", "clientToken", "tags"}, "only what bears the number of the change"
    assert set(planned) == set(sent)
    assert len(sent["clientToken"]) == 64


@pytest.mark.parametrize(
    "spec",
    [
        {"count": 0},
        {"count": 11},
        {"count": "many"},
        {"count": 1, "containers": {"other": {"cpu": 1}}},
        {"count": 1, "containers": {"app": {"cpu": "x"}}},
        {"count": 1, "containers": {"app": {"command": "not a list"}}},
        {"count": 1, "containers": {"app": {"environment": {"A": "plain"}}}},
    ],
)
def test_what_cannot_be_meant_is_no_spec(dev_rig: Rig, spec: dict[str, Any]) -> None:
    with pytest.raises(InvalidSpec):
        dev_rig.plan("run_task", spec)


def test_other_definition_on_the_service_makes_it_stale(dev_rig: Rig) -> None:
    change = dev_rig.ask("run_task", {"count": 1})
    dev_rig.push("v2")
    dev_rig.call("UpdateService", cluster="prod", service="checkout-api", taskDefinition=dev_rig.define("v2"))
    assert dev_rig.until(change).state == State.STALE
    assert dev_rig.calls == []


def test_task_that_runs_past_its_hour_needs_a_person_and_may_still_succeed(dev_rig: Rig) -> None:
    change = started(dev_rig)
    change = dev_rig.until(change, State.NEEDS_ATTENTION, limit=5400, step=120)
    assert "Not finished after" in change.outcome
    exits(dev_rig, change, 0)
    assert dev_rig.until(change).state == State.SUCCEEDED


@pytest.mark.parametrize("happened", [True, False])
def test_lost_answer_starts_no_second_task(dev_rig: Rig, happened: bool) -> None:
    change = dev_rig.ask("run_task", {"count": 1})
    dev_rig.around = loses_answer(RUN, happened=happened)
    dev_rig.wake(change)
    dev_rig.around = None
    change = dev_rig.pass_time(change, 90, step=10)
    assert len(ours(dev_rig, change)) == 1
    assert dev_rig.calls.count(RUN) == (1 if happened else 2)
    exits(dev_rig, change, 0)
    assert dev_rig.until(change).state == State.SUCCEEDED


@pytest.mark.parametrize("dies", [dies_after, dies_before])
def test_worker_that_dies_leaves_one_task(dev_rig: Rig, dies: Any) -> None:
    change = dev_rig.ask("run_task", {"count": 1})
    dev_rig.around = dies(RUN)
    with pytest.raises(Killed):
        dev_rig.wake(change)
    dev_rig.around = None
    dev_rig.world.advance(70)
    change = dev_rig.pass_time(fresh(change), 90, step=10)
    assert len(ours(dev_rig, change)) == 1


def test_running_tasks_can_be_stopped(dev_rig: Rig) -> None:
    change = started(dev_rig, count=2)
    dev_rig.roll_back(change)
    change = dev_rig.until(change)
    assert change.state == State.ROLLED_BACK, change.outcome
    assert dev_rig.calls == [RUN, STOP, STOP]
    assert all(task["desiredStatus"] == "STOPPED" for task in ours(dev_rig, change))


def test_tasks_that_could_not_be_stopped_keep_their_change_open(dev_rig: Rig) -> None:
    change = started(dev_rig, count=2)
    dev_rig.around = denies(STOP)
    dev_rig.roll_back(change)
    change = dev_rig.wake(change)
    assert change.state == State.NEEDS_ATTENTION
    assert "not authorized. 2 tasks may still run." in change.outcome
    dev_rig.around = None
    dev_rig.roll_back(change)
    change = dev_rig.until(change)
    assert change.state == State.ROLLED_BACK, change.outcome
    assert dev_rig.calls == [RUN, STOP, STOP, STOP, STOP]


def test_stopping_before_anything_was_sent_sends_nothing(dev_rig: Rig) -> None:
    change = dev_rig.ask("run_task", {"count": 1})
    dev_rig.cancel(change)
    assert fresh(change).state == State.CANCELLED
    assert dev_rig.calls == []


def test_page_asks_for_a_task_and_shows_no_value(dev_rig: Rig, as_: Any) -> None:
    address, alice = at("run-task", dev_rig.service), as_("alice")
    assert "Run a task of checkout-api" in alice.get(address).content.decode()
    fields = {"count": "2", "container": "app", "command": "sh -c 'exit 0'", "environment": "MODE=canary-77"}
    html = alice.post(address, fields, headers={"HX-Request": "true"}).content.decode()
    assert "ecs:RunTask" in html
    # Where it was typed, and nowhere else on the page.
    assert html.count("canary-77") == 1
    assert not Change.objects.exists()
    plan_id = html.split('name="plan_id" value="', 1)[1].split('"', 1)[0]
    answer = alice.post(address, {**fields, "plan_id": plan_id, "do": "request"})
    assert answer.status_code == 303
    change = dev_rig.until(Change.objects.get())
    assert change.state == State.SUCCEEDED, change.outcome
    html = alice.get(change.get_absolute_url()).content.decode()
    assert "app exited with 0" in html
    assert "canary-77" not in html


def test_what_is_typed_wrong_is_marked(dev_rig: Rig, as_: Any) -> None:
    address, alice = at("run-task", dev_rig.service), as_("alice")
    for fields, said in (
        ({"command": "sh -c 'open"}, "This is no command line"),
        ({"environment": "novalue"}, "One variable a line"),
    ):
        answer = alice.post(address, {"count": "1", "container": "app", "do": "request", **fields})
        assert answer.status_code == 422
        assert said in answer.content.decode()
    assert as_("carol").get(address).status_code == 403
    assert not Change.objects.exists()
