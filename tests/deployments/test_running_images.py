"""Requested against running: a rollout is called succeeded only when its tasks run what was asked for."""

from __future__ import annotations

from typing import Any

import pytest

from deployments.running_images import DIFFERS, OK, UNKNOWN, compare
from deployments.states import State
from deployments.verbs.rollout import IMAGE_LOOKS
from tests.deployments.rig import REPOSITORY, Rig

ONE, TWO = "sha256:" + "1" * 64, "sha256:" + "2" * 64


def task(number: int, status: str = "RUNNING", **digests: str | None) -> dict[str, Any]:
    containers = [{"name": name, "imageDigest": digest} for name, digest in digests.items()]
    return {"taskArn": f"arn:task/{number:08d}rest", "lastStatus": status, "containers": containers}


def test_all_tasks_run_what_was_asked_for() -> None:
    found = compare({"app": ONE}, [task(1, app=ONE), task(2, app=ONE)])
    assert (found.state, found.sentence) == (OK, "All 2 tasks run sha256:111111111111.")
    found = compare({"app": ONE, "proxy": TWO}, [task(1, app=ONE, proxy=TWO)])
    assert found.sentence == "The task runs app sha256:111111111111, proxy sha256:222222222222."


def test_those_that_run_something_else_are_named() -> None:
    found = compare({"app": ONE}, [task(1, app=ONE), task(2, app=TWO)])
    assert found.state == DIFFERS
    assert found.sentence == (
        "1 of 2 tasks runs another image than was asked for: "
        "app of task 00000002 runs sha256:222222222222 and not sha256:111111111111."
    )
    many = compare({"app": ONE}, [task(number, app=TWO) for number in range(5)])
    assert many.sentence.endswith("; and 2 more.")
    assert len(many.differences) == 5


@pytest.mark.parametrize(
    ("asked", "tasks", "why"),
    [
        ({"app": ONE}, [], "No task of it runs"),
        ({"app": ONE}, [task(1, "PENDING", app=None)], "No task of it runs"),
        ({"app": ""}, [task(1, app=ONE)], "ECS pinned no digest of app"),
        ({"app": ONE}, [task(1, app=None)], "ECS tells no digest of the running app"),
    ],
)
def test_what_cannot_be_known_says_why(asked: dict[str, str], tasks: list[dict[str, Any]], why: str) -> None:
    found = compare(asked, tasks)
    assert found.state == UNKNOWN
    assert why in found.sentence


def test_a_difference_counts_though_another_container_cannot_be_known() -> None:
    assert compare({"app": ONE, "side": ""}, [task(1, app=TWO, side=ONE)]).state == DIFFERS


def test_containers_that_ecs_adds_are_left_out() -> None:
    assert compare({"app": ONE}, [task(1, app=ONE, **{"ecs-service-connect-x": TWO})]).state == OK


def test_tasks_that_only_start_are_not_looked_at() -> None:
    assert compare({"app": ONE}, [task(1, app=ONE), task(2, "PENDING", app=TWO)]).state == OK


def test_the_outcome_says_which_digest_runs(dev_rig: Rig) -> None:
    change = dev_rig.until(dev_rig.deploy("v2"))
    assert change.state == State.SUCCEEDED
    assert "All 2 tasks run sha256:" in change.outcome
    assert change.progress["images_run"]["state"] == OK
    running = dev_rig.call("DescribeTasks", cluster="prod", tasks=tasks_of(dev_rig))["tasks"]
    assert change.progress["images_run"]["digests"]["app"] == running[0]["containers"][0]["imageDigest"]


def test_another_digest_than_asked_for_is_no_success(dev_rig: Rig) -> None:
    change = dev_rig.deploy("v2")
    other = "sha256:" + "e" * 64
    change = dev_rig.until(change, State.RUNNING)
    for _ in range(60):
        dev_rig.world.advance(5)
        tamper(dev_rig, other)
        change = dev_rig.wake(change)
        if change.state != State.RUNNING:
            break
    assert change.state == State.NEEDS_ATTENTION
    assert "another image than was asked for: app of task" in change.outcome
    assert "runs sha256:eeeeeeeeeeee" in change.outcome
    assert change.progress["image_looks"] == IMAGE_LOOKS
    asked = change.progress["images_run"]["digests"]["app"]
    tamper(dev_rig, asked)
    change = dev_rig.until(change, State.SUCCEEDED, limit=120)
    assert "All 2 tasks run" in change.outcome


def test_a_digest_in_the_spec_is_what_is_compared_with(dev_rig: Rig) -> None:
    dev_rig.push("v2")
    image = dev_rig.sandbox.surroundings.find_image(
        dev_rig.world.region(*place(dev_rig)).caller, f"{REPOSITORY}:v2"
    )
    assert image is not None
    spec = {"containers": {"app": {"image": f"{REPOSITORY}@{image.digest}"}}}
    change = dev_rig.until(dev_rig.ask("deploy", spec))
    assert change.state == State.SUCCEEDED, change.outcome
    assert change.progress["images_run"]["digests"] == {"app": image.digest}


def test_without_permission_to_look_it_says_which_is_missing(dev_rig: Rig) -> None:
    change = dev_rig.deploy("v2")
    dev_rig.sandbox.faults.add(kind="access-denied", operation="ListTasks")
    change = dev_rig.until(change)
    assert change.state == State.SUCCEEDED
    assert "ecs:ListTasks" in change.outcome
    assert change.progress["images_run"]["state"] == UNKNOWN


def place(rig: Rig) -> tuple[str, str]:
    return rig.cluster.account.account_id, rig.cluster.region


def tasks_of(rig: Rig) -> list[str]:
    found: list[str] = rig.call("ListTasks", cluster="prod", serviceName="checkout-api")["taskArns"]
    return found


def tamper(rig: Rig, digest: str) -> None:
    """Let the running tasks of the newest revision have another image than ECS pinned."""
    newest = rig.facts()["deployments"][0]["id"]
    for arn in tasks_of(rig):
        found = rig.world.find_task(arn)
        if found is not None and found.started_by == newest:
            for container in found.containers:
                container.digest = digest
