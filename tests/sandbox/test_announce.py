from __future__ import annotations

import json

from sandbox.announce import Announcement
from tests.sandbox.ecs import ACCOUNT, BREAKER, REGION, Ecs


def listened() -> tuple[Ecs, list[Announcement]]:
    ecs, heard = Ecs(), list[Announcement]()
    ecs.world.listeners.append(heard.append)
    return ecs, heard


def test_every_state_of_a_task_is_announced_with_a_rising_version() -> None:
    ecs, heard = listened()
    ecs.steady(1)
    ecs.call("StopTask", cluster="prod", task=ecs.tasks()[0]["taskArn"])
    ecs.advance(60)
    first = next(item for item in heard if item.detail_type == "ECS Task State Change")
    mine = [item for item in heard if item.resources == first.resources]
    assert [item.detail["lastStatus"] for item in mine] == [
        "PROVISIONING",
        "PENDING",
        "ACTIVATING",
        "RUNNING",
        "DEACTIVATING",
        "STOPPING",
        "DEPROVISIONING",
        "STOPPED",
    ]
    versions = [item.detail["version"] for item in mine]
    assert versions == sorted(set(versions))
    assert {(item.account_id, item.region) for item in heard} == {(ACCOUNT, REGION)}
    assert mine[-1].detail["stopCode"] == "UserInitiated"
    assert mine[-1].detail["stoppedAt"].endswith("Z")
    json.dumps([item.detail for item in heard])


def test_a_rollback_is_announced_as_failed_then_in_progress_then_completed() -> None:
    ecs, heard = listened()
    ecs.steady(2, deploymentConfiguration=BREAKER)
    ecs.update(taskDefinition=ecs.define("v2-crash"))
    ecs.until(lambda: ecs.history()[0]["status"] == "ROLLBACK_SUCCESSFUL")
    told = [item.detail for item in heard if item.detail_type == "ECS Deployment State Change"]
    assert [detail["eventName"].removeprefix("SERVICE_DEPLOYMENT_") for detail in told] == [
        "IN_PROGRESS",
        "COMPLETED",
        "IN_PROGRESS",
        "FAILED",
        "IN_PROGRESS",
        "COMPLETED",
    ]
    assert told[3]["eventType"] == "ERROR"
    assert told[4]["reason"].startswith("ECS deployment circuit breaker: rolling back to deploymentId")


def test_what_the_scheduler_cannot_do_is_announced() -> None:
    ecs, heard = listened()
    ecs.world.capacity_shortage.add((ACCOUNT, REGION))
    ecs.serve(1)
    ecs.advance(60)
    actions = [item.detail for item in heard if item.detail_type == "ECS Service Action"]
    assert [(item["eventName"], item["eventType"], item["reason"]) for item in actions] == [
        ("SERVICE_TASK_PLACEMENT_FAILURE", "ERROR", "RESOURCE:FARGATE")
    ]
    ecs.world.capacity_shortage.clear()
    ecs.advance(240)
    assert heard[-1].detail["eventName"] == "SERVICE_STEADY_STATE"


def test_a_waiting_pause_hook_is_announced() -> None:
    ecs, heard = listened()
    hook = {"targetType": "PAUSE", "lifecycleStages": ["POST_SCALE_UP"]}
    ecs.serve(1, deploymentConfiguration={"strategy": "BLUE_GREEN", "lifecycleHooks": [hook]})
    ecs.advance(300)
    told = [item.detail for item in heard if item.detail_type == "ECS Hook State Change"]
    assert [(item["eventName"], item["lifecycleStage"]) for item in told] == [
        ("HOOK_AWAITING_ACTION", "POST_SCALE_UP")
    ]
    assert told[0]["hookId"] == ecs.history()[0]["lifecycleHookDetails"][0]["hookId"]
