from __future__ import annotations

import re
from typing import Any

import pytest

from sandbox.ports import ApiError
from tests.sandbox.ecs import ACCOUNT, DEV, NETWORK, REGION, TARGET_GROUP, Ecs


def test_a_new_service_reaches_its_desired_count_and_a_steady_state() -> None:
    ecs = Ecs()
    created = ecs.serve(2)
    assert created["serviceArn"] == f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/prod/web"
    assert (created["runningCount"], created["pendingCount"], created["events"]) == (0, 0, [])
    assert created["createdBy"] == DEV.principal_arn
    first = created["deployments"][0]
    assert re.fullmatch(r"ecs-svc/\d{19}", first["id"])
    assert (first["status"], first["rolloutState"], first["desiredCount"]) == ("PRIMARY", "IN_PROGRESS", 2)
    assert first["rolloutStateReason"] == f"ECS deployment {first['id']} in progress."
    ecs.advance(10)
    assert ecs.service()["pendingCount"] == 2
    ecs.advance(170)
    service = ecs.service()
    assert (service["runningCount"], service["pendingCount"]) == (2, 0)
    assert service["deployments"][0]["rolloutState"] == "COMPLETED"
    assert service["deployments"][0]["rolloutStateReason"] == f"ECS deployment {first['id']} completed."
    started, completed, steady = ecs.messages()
    assert re.fullmatch(
        r"\(service web\) has started 2 tasks: \(task [0-9a-f]{32}\) \(task [0-9a-f]{32}\)\.", started
    )
    assert completed == f"(service web) (deployment {first['id']}) deployment completed."
    assert steady == "(service web) has reached a steady state."


def test_the_same_client_token_creates_one_service() -> None:
    ecs = Ecs()
    arn = ecs.define()
    first = ecs.serve(taskDefinition=arn, clientToken="abc")
    again = ecs.serve(taskDefinition=arn, clientToken="abc")
    assert first["deployments"][0]["id"] == again["deployments"][0]["id"]
    for change in ({"clientToken": "def"}, {"clientToken": "abc", "enableExecuteCommand": True}):
        with pytest.raises(ApiError, match="Creation of service was not idempotent"):
            ecs.serve(taskDefinition=arn, **change)


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"cluster": "nowhere"}, "ClusterNotFoundException", "Cluster not found."),
    ({"taskDefinition": "web:9"}, "ClientException", "Unable to describe task definition."),
    ({"serviceName": "no spaces"}, "InvalidParameterException", "invalid characters"),
    ({"desiredCount": None}, "InvalidParameterException", "Desired count can not be blank"),
    ({"desiredCount": -1}, "InvalidParameterException", "Desired count"),
    ({"networkConfiguration": None}, "InvalidParameterException", "Network Configuration must be provided"),
    ({"tags": [{"key": "aws:x", "value": "y"}]}, "InvalidParameterException", "aws:"),
    (
        {"loadBalancers": [{"targetGroupArn": TARGET_GROUP, "containerName": "app", "containerPort": 9}]},
        "InvalidParameterException",
        "did not have a container port 9 defined",
    ),
    ({"healthCheckGracePeriodSeconds": 30}, "InvalidParameterException", "Health check grace period"),
    (
        {"deploymentConfiguration": {"maximumPercent": 100, "minimumHealthyPercent": 100}},
        "InvalidParameterException",
        "block deployments",
    ),
]


@pytest.mark.parametrize(("change", "code", "message"), BAD)
def test_a_bad_service_is_refused(change: dict[str, Any], code: str, message: str) -> None:
    ecs = Ecs()
    ecs.define()
    with pytest.raises(ApiError) as error:
        ecs.serve(**{"taskDefinition": "web:1", **change})
    assert error.value.code == code
    assert message in error.value.message
    assert ecs.call("ListServices", cluster="prod")["serviceArns"] == []


def test_services_are_listed_ten_a_page_unless_asked_for_more() -> None:
    ecs = Ecs()
    arn = ecs.define()
    for number in range(25):
        ecs.serve(0, name=f"s{number:02}", taskDefinition=arn)
    first = ecs.call("ListServices", cluster="prod")
    assert len(first["serviceArns"]) == 10
    second = ecs.call("ListServices", cluster="prod", nextToken=first["nextToken"])
    third = ecs.call("ListServices", cluster="prod", nextToken=second["nextToken"])
    assert len(third["serviceArns"]) == 5
    assert "nextToken" not in third
    assert len({*first["serviceArns"], *second["serviceArns"], *third["serviceArns"]}) == 25
    everything = ecs.call("ListServices", cluster="prod", maxResults=100)
    assert len(everything["serviceArns"]) == 25
    with pytest.raises(ApiError):
        ecs.call("ListServices", cluster="prod", maxResults=101)
    assert ecs.call("ListServices", cluster="prod", launchType="EC2")["serviceArns"] == []


def test_describe_takes_ten_services_and_answers_for_the_missing() -> None:
    ecs = Ecs()
    ecs.serve(0)
    arn = f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/prod"
    answer = ecs.call(
        "DescribeServices", cluster="prod", services=["web", "ghost", f"{arn}/web", f"{arn}/gone"]
    )
    assert [item["serviceName"] for item in answer["services"]] == ["web", "web"]
    assert answer["failures"] == [
        {"arn": f"{arn}/ghost", "reason": "MISSING"},
        {"arn": f"{arn}/gone", "reason": "MISSING"},
    ]
    for references, message in (([f"s{n}" for n in range(11)], "at most 10"), ([], "cannot be empty")):
        with pytest.raises(ApiError, match=message):
            ecs.call("DescribeServices", cluster="prod", services=references)


def test_one_call_describes_services_of_one_cluster() -> None:
    ecs = Ecs()
    ecs.serve(0)
    ecs.call("CreateCluster", clusterName="other")
    arn = f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/prod/web"
    answer = ecs.call("DescribeServices", cluster="other", services=[arn])
    assert answer["services"] == []
    assert answer["failures"] == [{"arn": arn, "reason": "MISSING"}]


def test_tags_are_shown_when_asked_for_and_can_be_changed() -> None:
    ecs = Ecs()
    arn = ecs.serve(0, tags=[{"key": "team", "value": "a"}])["serviceArn"]
    assert "tags" not in ecs.service()
    ecs.call("TagResource", resourceArn=arn, tags=[{"key": "team", "value": "b"}, {"key": "x", "value": "y"}])
    ecs.call("UntagResource", resourceArn=arn, tagKeys=["x", "never-there"])
    shown = ecs.call("DescribeServices", cluster="prod", services=["web"], include=["TAGS"])["services"][0]
    assert shown["tags"] == [{"key": "team", "value": "b"}]
    assert ecs.call("ListTagsForResource", resourceArn=arn)["tags"] == shown["tags"]
    with pytest.raises(ApiError, match="Tags can not be empty"):
        ecs.call("TagResource", resourceArn=arn, tags=[])
    with pytest.raises(ApiError) as error:
        ecs.call("ListTagsForResource", resourceArn=arn + "x")
    assert error.value.code == "ResourceNotFoundException"


def test_scaling_starts_no_deployment() -> None:
    ecs = Ecs()
    before = ecs.steady(2)
    ecs.update(desiredCount=5)
    assert ecs.service()["desiredCount"] == 5
    ecs.advance(120)
    up = ecs.service()
    assert up["runningCount"] == 5
    ecs.update(desiredCount=1)
    ecs.advance(120)
    down = ecs.service()
    assert (down["runningCount"], down["desiredCount"]) == (1, 1)
    assert [item["id"] for item in down["deployments"]] == [before["deployments"][0]["id"]]
    assert len(ecs.history()) == 1
    assert any(
        re.match(r"\(service web\) has stopped 4 running tasks: \(task ", text) for text in ecs.messages()
    )
    assert ecs.messages()[-1] == "(service web) has reached a steady state."
    stopped = ecs.tasks("STOPPED")
    assert {task["stopCode"] for task in stopped} == {"ServiceSchedulerInitiated"}
    assert {task["stoppedReason"] for task in stopped} == {
        f"Scaling activity initiated by (deployment {before['deployments'][0]['id']})"
    }


def test_naming_what_is_there_already_starts_no_deployment() -> None:
    ecs = Ecs()
    before = ecs.steady(1)
    ecs.update(taskDefinition="web:1", networkConfiguration=NETWORK, enableExecuteCommand=True)
    after = ecs.service()
    assert [item["id"] for item in after["deployments"]] == [before["deployments"][0]["id"]]
    assert after["enableExecuteCommand"] is True


def test_deletion_drains_and_leaves_an_inactive_service() -> None:
    ecs = Ecs()
    ecs.steady(2)
    with pytest.raises(ApiError, match="The service cannot be stopped while it is scaled above 0"):
        ecs.call("DeleteService", cluster="prod", service="web")
    draining = ecs.call("DeleteService", cluster="prod", service="web", force=True)["service"]
    assert (draining["status"], draining["desiredCount"]) == ("DRAINING", 0)
    with pytest.raises(ApiError) as error:
        ecs.update(desiredCount=1)
    assert error.value.code == "ServiceNotActiveException"
    with pytest.raises(ApiError, match="still Draining"):
        ecs.serve(1)
    ecs.advance(120)
    assert ecs.service()["status"] == "INACTIVE"
    assert ecs.call("ListServices", cluster="prod")["serviceArns"] == []
    with pytest.raises(ApiError) as error:
        ecs.call("DeleteService", cluster="prod", service="web")
    assert error.value.code == "ServiceNotFoundException"
    assert ecs.serve(1)["status"] == "ACTIVE"


def test_changing_a_service_that_is_not_there() -> None:
    with pytest.raises(ApiError) as error:
        Ecs().update(name="ghost", desiredCount=1)
    assert (error.value.code, error.value.message) == ("ServiceNotFoundException", "Service not found.")


def test_a_service_keeps_its_last_hundred_events() -> None:
    ecs = Ecs()
    ecs.steady(1, tag="v1-crash")
    ecs.advance(3 * 86400)
    events = ecs.service()["events"]
    assert len(events) == 100
    moments = [event["createdAt"] for event in events]
    assert moments == sorted(moments, reverse=True)


def test_a_steady_service_repeats_itself_every_six_hours() -> None:
    ecs = Ecs()
    ecs.steady(1)
    ecs.advance(12 * 3600 + 60)
    assert ecs.messages().count("(service web) has reached a steady state.") == 3


def test_without_capacity_the_service_says_so_and_recovers() -> None:
    ecs = Ecs()
    ecs.world.capacity_shortage.add((ACCOUNT, REGION))
    ecs.serve(2)
    ecs.advance(240)
    assert ecs.service()["runningCount"] == 0
    assert ecs.messages() == [
        "(service web) was unable to place a task. Reason: Capacity is unavailable at this time. Please try again"
        " later or in a different availability zone. For more information, see the Troubleshooting section of the"
        " Amazon ECS Developer Guide."
    ]
    ecs.world.capacity_shortage.clear()
    ecs.advance(240)
    assert ecs.service()["runningCount"] == 2


def test_protected_tasks_survive_scale_in_until_protection_ends() -> None:
    ecs = Ecs()
    ecs.steady(3)
    arns = [task["taskArn"] for task in ecs.tasks()]
    answer = ecs.call(
        "UpdateTaskProtection", cluster="prod", tasks=arns, protectionEnabled=True, expiresInMinutes=30
    )
    assert all(item["protectionEnabled"] for item in answer["protectedTasks"])
    ecs.update(desiredCount=1)
    ecs.advance(300)
    assert ecs.service()["runningCount"] == 3
    assert ecs.messages()[-1].endswith("was unable to scale in due to (reason 2 tasks under protection)")
    ecs.advance(1800)
    assert ecs.service()["runningCount"] == 1
    states = ecs.call("GetTaskProtection", cluster="prod", tasks=arns)
    assert not any(item["protectionEnabled"] for item in states["protectedTasks"])


@pytest.mark.parametrize("kind", ["CODE_DEPLOY", "EXTERNAL"])
def test_other_deployment_controllers_are_refused_rather_than_faked(kind: str) -> None:
    with pytest.raises(ApiError) as error:
        Ecs().serve(deploymentController={"type": kind})
    assert error.value.code == "UnsupportedFeatureException"
