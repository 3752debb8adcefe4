from __future__ import annotations

import math
import re

import pytest

from sandbox.ports import ApiError
from tests.sandbox.ecs import BREAKER, DEV, TARGET_GROUP, Ecs

BALANCED = [{"targetGroupArn": TARGET_GROUP, "containerName": "app", "containerPort": 8080}]


def test_a_rolling_deployment_from_start_to_end() -> None:
    ecs = Ecs()
    old = ecs.steady(4)["deployments"][0]
    updated = ecs.update(taskDefinition=ecs.define("v2"))
    new = updated["deployments"][0]
    assert [item["status"] for item in updated["deployments"]] == ["PRIMARY", "ACTIVE"]
    assert new["id"] != old["id"]
    assert updated["taskDefinition"] == new["taskDefinition"]
    assert new["taskDefinition"].endswith("web:2")
    fewest = 99
    while ecs.service()["deployments"][0]["rolloutState"] == "IN_PROGRESS":
        ecs.advance(2)
        service = ecs.service()
        fewest = min(fewest, service["runningCount"])
        assert service["runningCount"] + service["pendingCount"] <= 8
    assert fewest >= 4
    service = ecs.service()
    done = service["deployments"][0]
    assert (done["id"], done["rolloutState"], done["runningCount"]) == (new["id"], "COMPLETED", 4)
    assert service["runningCount"] == 4
    assert {task["taskDefinitionArn"] for task in ecs.tasks()} == {new["taskDefinition"]}
    told = [re.sub(r"\(task [0-9a-f]+\)", "(task)", text) for text in ecs.messages()[3:]]
    assert told[0] == "(service web) has started 4 tasks: (task) (task) (task) (task)."
    assert any("has stopped" in text for text in told)
    assert told[-2:] == [
        f"(service web) (deployment {new['id']}) deployment completed.",
        "(service web) has reached a steady state.",
    ]


PERCENTS = [(100, 200), (50, 100), (50, 150), (100, 125), (0, 100), (75, 133)]


def bounds(desired: int, lowest: int, highest: int) -> tuple[int, int]:
    return math.ceil(desired * lowest / 100), math.floor(desired * highest / 100)


# Bounds that leave no room lock a deployment; they have a test of their own.
ROOMY = [
    (desired, *percents)
    for desired in (1, 3, 4, 10)
    for percents in PERCENTS
    if bounds(desired, *percents) != (desired, desired)
]


@pytest.mark.parametrize(("desired", "lowest", "highest"), ROOMY)
def test_healthy_and_maximum_percent_are_honoured(desired: int, lowest: int, highest: int) -> None:
    least, most = bounds(desired, lowest, highest)
    ecs = Ecs()
    percents = {"minimumHealthyPercent": lowest, "maximumPercent": highest}
    ecs.steady(desired, deploymentConfiguration=percents)
    ecs.update(taskDefinition=ecs.define("v2"))
    for _ in range(900):
        ecs.advance(2)
        service = ecs.service()
        assert service["runningCount"] >= least
        assert service["runningCount"] + service["pendingCount"] <= most
        if service["deployments"][0]["rolloutState"] == "COMPLETED":
            break
    assert ecs.service()["deployments"][0]["taskDefinition"].endswith(":2")
    assert ecs.service()["deployments"][0]["rolloutState"] == "COMPLETED"


def test_percents_that_lock_each_other_are_named_and_can_be_changed() -> None:
    ecs = Ecs()
    percents = {"minimumHealthyPercent": 50, "maximumPercent": 150}
    ecs.steady(1, deploymentConfiguration=percents)
    ecs.update(taskDefinition=ecs.define("v2"))
    ecs.advance(900)
    assert len(ecs.service()["deployments"]) == 2
    assert ecs.messages()[-1].startswith(
        "(service web) was unable to stop or start tasks during a deployment"
    )
    ecs.update(deploymentConfiguration={"maximumPercent": 200})
    ecs.advance(300)
    assert len(ecs.service()["deployments"]) == 1


def test_the_deployment_history_follows_a_deployment() -> None:
    ecs = Ecs()
    first = ecs.steady(2)
    ecs.update(taskDefinition=ecs.define("v2"))
    entry = ecs.history()[0]
    assert entry["status"] == "PENDING"
    assert "startedAt" not in entry
    ecs.advance(5)
    entry = ecs.history()[0]
    assert (entry["status"], entry["targetServiceRevision"]["requestedTaskCount"]) == ("IN_PROGRESS", 2)
    assert [item["runningTaskCount"] for item in entry["sourceServiceRevisions"]] == [2]
    assert entry["sourceServiceRevisions"][0]["arn"] == first["currentServiceRevisions"][0]["arn"]
    assert ecs.service()["currentServiceDeployment"] == entry["serviceDeploymentArn"]
    assert len(ecs.service()["currentServiceRevisions"]) == 2
    ecs.advance(300)
    entry = ecs.history()[0]
    assert entry["status"] == "SUCCESSFUL"
    assert entry["createdAt"] < entry["startedAt"] < entry["finishedAt"]
    assert entry["targetServiceRevision"]["runningTaskCount"] == 2
    assert "rollback" not in entry
    assert len(ecs.service()["currentServiceRevisions"]) == 1


def test_a_service_revision_remembers_what_was_deployed() -> None:
    ecs = Ecs()
    ecs.steady(1)
    arn = ecs.history()[0]["targetServiceRevision"]["arn"]
    answer = ecs.call("DescribeServiceRevisions", serviceRevisionArns=[arn, arn + "0"])
    assert answer["failures"] == [{"arn": arn + "0", "reason": "MISSING"}]
    revision = answer["serviceRevisions"][0]
    assert revision["taskDefinition"].endswith("web:1")
    assert revision["launchType"] == "FARGATE"
    assert revision["containerImages"][0]["imageDigest"] == ecs.tasks()[0]["containers"][0]["imageDigest"]


def test_a_forced_deployment_replaces_tasks_of_the_same_definition() -> None:
    ecs = Ecs()
    before = {task["taskArn"] for task in (ecs.steady(2), ecs.tasks())[1]}
    ecs.update(forceNewDeployment=True)
    ecs.advance(300)
    after = {task["taskArn"] for task in ecs.tasks()}
    assert not before & after
    assert len(ecs.history()) == 2
    assert ecs.service()["taskDefinition"].endswith(":1")


def test_a_newer_deployment_supersedes_the_one_in_flight() -> None:
    ecs = Ecs()
    ecs.steady(2)
    ecs.update(taskDefinition=ecs.define("v2"))
    ecs.advance(25)
    service = ecs.update(taskDefinition=ecs.define("v3"))
    assert [item["status"] for item in service["deployments"]] == ["PRIMARY", "ACTIVE", "ACTIVE"]
    newest, superseded, _ = ecs.history()
    assert superseded["status"] == "STOPPED"
    assert "stoppedAt" in superseded
    assert len(newest["sourceServiceRevisions"]) == 2
    ecs.advance(300)
    assert [item["status"] for item in ecs.history()] == ["SUCCESSFUL", "STOPPED", "SUCCESSFUL"]
    assert {task["taskDefinitionArn"][-2:] for task in ecs.tasks()} == {":3"}
    assert len(ecs.service()["deployments"]) == 1


def test_a_deployment_can_be_stopped_and_rolls_back() -> None:
    ecs = Ecs()
    before = {task["taskArn"] for task in (ecs.steady(2), ecs.tasks())[1]}
    failed = ecs.update(taskDefinition=ecs.define("v2"))["deployments"][0]
    ecs.advance(20)
    arn = ecs.history()[0]["serviceDeploymentArn"]
    assert ecs.call("StopServiceDeployment", serviceDeploymentArn=arn) == {"serviceDeploymentArn": arn}
    assert ecs.history()[0]["status"] == "ROLLBACK_REQUESTED"
    ecs.advance(5)
    entry = ecs.history()[0]
    assert entry["status"] == "ROLLBACK_IN_PROGRESS"
    assert entry["rollback"]["serviceRevisionArn"] == ecs.history()[1]["targetServiceRevision"]["arn"]
    primary, old = ecs.service()["deployments"]
    assert primary["taskDefinition"].endswith(":1")
    assert (old["id"], old["rolloutState"]) == (failed["id"], "FAILED")
    ecs.call("StopServiceDeployment", serviceDeploymentArn=arn)
    ecs.advance(300)
    assert ecs.history()[0]["status"] == "ROLLBACK_SUCCESSFUL"
    assert {task["taskArn"] for task in ecs.tasks()} == before
    assert ecs.service()["taskDefinition"].endswith(":1")


def test_what_cannot_be_stopped() -> None:
    ecs = Ecs()
    ecs.steady(1)
    arn = ecs.history()[0]["serviceDeploymentArn"]
    with pytest.raises(ApiError) as error:
        ecs.call("StopServiceDeployment", serviceDeploymentArn=arn)
    assert error.value.code == "ConflictException"
    with pytest.raises(ApiError) as error:
        ecs.call("StopServiceDeployment", serviceDeploymentArn=arn + "x")
    assert error.value.code == "ServiceDeploymentNotFoundException"


def test_a_first_deployment_has_nothing_to_return_to() -> None:
    ecs = Ecs()
    ecs.serve(1)
    ecs.advance(10)
    arn = ecs.history()[0]["serviceDeploymentArn"]
    ecs.call("StopServiceDeployment", serviceDeploymentArn=arn)
    ecs.advance(10)
    entry = ecs.history()[0]
    assert (entry["status"], entry["statusReason"]) == (
        "ROLLBACK_FAILED",
        "No rollback candidate was found to run the rollback.",
    )


def test_the_history_is_paged_and_filtered() -> None:
    ecs = Ecs()
    ecs.steady(1)
    moments = []
    for _ in range(24):
        moments.append(ecs.world.now)
        ecs.update(forceNewDeployment=True)
        ecs.advance(300)
    first = ecs.call("ListServiceDeployments", cluster="prod", service="web")
    assert len(first["serviceDeployments"]) == 20
    rest = ecs.call("ListServiceDeployments", cluster="prod", service="web", nextToken=first["nextToken"])
    assert len(rest["serviceDeployments"]) == 5
    created = [item["createdAt"] for item in first["serviceDeployments"] + rest["serviceDeployments"]]
    assert created == sorted(created, reverse=True)
    late = ecs.call("ListServiceDeployments", cluster="prod", service="web", createdAt={"after": moments[-2]})
    assert len(late["serviceDeployments"]) == 1
    none = ecs.call("ListServiceDeployments", cluster="prod", service="web", status=["IN_PROGRESS"])
    assert none["serviceDeployments"] == []
    arns = [item["serviceDeploymentArn"] for item in first["serviceDeployments"]]
    assert len(ecs.call("DescribeServiceDeployments", serviceDeploymentArns=arns)["serviceDeployments"]) == 20
    with pytest.raises(ApiError, match="at most 20"):
        ecs.call("DescribeServiceDeployments", serviceDeploymentArns=[*arns, arns[0]])
    with pytest.raises(ApiError, match="at most 20"):
        ecs.call("DescribeServiceRevisions", serviceRevisionArns=[*arns, arns[0]])


def test_the_history_reaches_back_ninety_days() -> None:
    ecs = Ecs()
    ecs.steady(1)
    arn = ecs.history()[0]["serviceDeploymentArn"]
    ecs.advance(91 * 86400)
    assert ecs.call("ListServiceDeployments", cluster="prod", service="web")["serviceDeployments"] == []
    answer = ecs.call("DescribeServiceDeployments", serviceDeploymentArns=[arn])
    assert answer["failures"] == [{"arn": arn, "reason": "MISSING"}]


def test_tasks_behind_a_load_balancer_drain_before_they_stop() -> None:
    ecs = Ecs()
    ecs.world.deregistration_delays[TARGET_GROUP] = 120.0
    ecs.steady(2, loadBalancers=BALANCED)
    assert f"(service web) registered 2 targets in (target-group {TARGET_GROUP})" in ecs.messages()
    ecs.update(taskDefinition=ecs.define("v2"))
    ecs.until(lambda: ecs.tasks("STOPPED"))
    draining = ecs.tasks("STOPPED")
    assert {task["lastStatus"] for task in draining} == {"DEACTIVATING"}
    assert any("has begun draining connections on" in text for text in ecs.messages())
    assert any("deregistered" in text and TARGET_GROUP in text for text in ecs.messages())
    ecs.advance(100)
    assert len(ecs.service()["deployments"]) == 2
    ecs.advance(90)
    assert len(ecs.service()["deployments"]) == 1
    stopped = ecs.tasks("STOPPED")
    assert all(task["lastStatus"] == "STOPPED" for task in stopped)


def test_a_crashed_task_is_replaced_without_a_deployment() -> None:
    ecs = Ecs()
    ecs.steady(3)
    lost = ecs.tasks()[0]["taskArn"]
    ecs.world.stop_task(
        lost, stop_code="EssentialContainerExited", reason="Essential container in task exited"
    )
    ecs.advance(8)
    assert ecs.service()["runningCount"] == 2
    ecs.advance(120)
    assert ecs.service()["runningCount"] == 3
    assert lost not in {task["taskArn"] for task in ecs.tasks()}
    assert len(ecs.history()) == 1
    assert ecs.service()["deployments"][0]["rolloutState"] == "COMPLETED"
    assert ecs.messages()[-1] == "(service web) has reached a steady state."


def test_the_digest_of_a_deployment_is_pinned() -> None:
    ecs = Ecs()
    ecs.steady(1)
    digest = ecs.tasks()[0]["containers"][0]["imageDigest"]
    find = ecs.surroundings.find_image
    ecs.surroundings.find_image = lambda caller, reference: (  # type: ignore[method-assign]
        None if "@sha256:" in reference else find(caller, reference)
    )
    ecs.call("StopTask", cluster="prod", task=ecs.tasks()[0]["taskArn"])
    ecs.until(lambda: any(task["stopCode"] == "TaskFailedToStart" for task in ecs.tasks("STOPPED")))
    reasons = [
        task["stoppedReason"] for task in ecs.tasks("STOPPED") if task["stopCode"] == "TaskFailedToStart"
    ]
    assert reasons[0].startswith("CannotPullContainerError: pull image manifest has been retried")
    assert f":v1@{digest}: not found" in reasons[0]


def test_scaling_while_a_deployment_is_in_flight() -> None:
    ecs = Ecs()
    ecs.steady(2)
    ecs.update(taskDefinition=ecs.define("v2"), desiredCount=4)
    ecs.advance(15)
    ecs.update(desiredCount=3)
    ecs.advance(400)
    service = ecs.service()
    assert (service["runningCount"], len(service["deployments"])) == (3, 1)
    assert [item["status"] for item in ecs.history()] == ["SUCCESSFUL", "SUCCESSFUL"]


def test_a_service_of_nothing_still_deploys() -> None:
    ecs = Ecs()
    ecs.steady(0, deploymentConfiguration=BREAKER)
    ecs.update(taskDefinition=ecs.define("v2"))
    ecs.advance(60)
    assert ecs.history()[0]["status"] == "SUCCESSFUL"
    assert ecs.history()[0]["targetServiceRevision"]["requestedTaskCount"] == 0
    assert ecs.service()["createdBy"] == DEV.principal_arn
