from __future__ import annotations

import re
from typing import Any

import pytest

from sandbox.ports import ApiError
from tests.sandbox.ecs import ACCOUNT, NETWORK, REGION, REPOSITORY, Ecs

MISSING_TASK = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/prod/{'0' * 32}"


def run(ecs: Ecs, tag: str = "v1", **more: Any) -> dict[str, Any]:
    """Start one Fargate task outside any service."""
    params = {"launchType": "FARGATE", "networkConfiguration": NETWORK, **more}
    params.setdefault("taskDefinition", ecs.define(tag))
    task: dict[str, Any] = ecs.call("RunTask", cluster="prod", **params)["tasks"][0]
    return task


def described(ecs: Ecs, task: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = ecs.call("DescribeTasks", cluster="prod", tasks=[task["taskArn"]])["tasks"][0]
    return found


def test_a_task_goes_through_its_states_in_twenty_to_forty_five_seconds() -> None:
    ecs = Ecs()
    task = run(ecs)
    seen, versions = [task["lastStatus"]], [task["version"]]
    while seen[-1] != "RUNNING":
        ecs.advance(0.5)
        now = described(ecs, task)
        if now["lastStatus"] != seen[-1]:
            seen.append(now["lastStatus"])
            versions.append(now["version"])
    assert seen == ["PROVISIONING", "PENDING", "ACTIVATING", "RUNNING"]
    assert versions == sorted(set(versions))
    running = described(ecs, task)
    assert 20 <= (running["startedAt"] - running["createdAt"]).total_seconds() <= 45
    assert (
        running["createdAt"]
        < running["connectivityAt"]
        < running["pullStartedAt"]
        < running["pullStoppedAt"]
        < running["startedAt"]
    )
    assert "stoppedAt" not in running


def test_a_running_task_shows_its_parts() -> None:
    ecs = Ecs()
    task = run(ecs)
    assert re.fullmatch(rf"arn:aws:ecs:{REGION}:{ACCOUNT}:task/prod/[0-9a-f]{{32}}", task["taskArn"])
    ecs.advance(60)
    running = described(ecs, task)
    container = running["containers"][0]
    assert container["image"] == f"{REPOSITORY}:v1"
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", container["imageDigest"])
    assert container["runtimeId"].startswith(running["taskArn"].rsplit("/", 1)[1])
    details = {item["name"]: item["value"] for item in running["attachments"][0]["details"]}
    assert running["attachments"][0]["status"] == "ATTACHED"
    assert details["subnetId"] in ("subnet-a", "subnet-b")
    assert details["privateIPv4Address"] == container["networkInterfaces"][0]["privateIpv4Address"]
    assert running["availabilityZone"].startswith(REGION)
    assert (running["group"], running["launchType"], running["cpu"], running["memory"]) == (
        "family:web",
        "FARGATE",
        "256",
        "512",
    )


def test_tasks_of_a_service_spread_over_zones_and_know_their_deployment() -> None:
    ecs = Ecs()
    service = ecs.steady(4)
    tasks = ecs.tasks()
    assert sorted(task["availabilityZone"] for task in tasks) == [f"{REGION}a"] * 2 + [f"{REGION}b"] * 2
    assert {task["startedBy"] for task in tasks} == {service["deployments"][0]["id"]}
    assert {task["group"] for task in tasks} == {"service:web"}
    addresses = {task["containers"][0]["networkInterfaces"][0]["privateIpv4Address"] for task in tasks}
    assert len(addresses) == 4


def test_stopping_a_task_keeps_the_given_reason() -> None:
    ecs = Ecs()
    task = run(ecs)
    ecs.advance(60)
    answer = ecs.call("StopTask", cluster="prod", task=task["taskArn"], reason="bad config")["task"]
    assert (answer["desiredStatus"], answer["lastStatus"], answer["stopCode"]) == (
        "STOPPED",
        "DEACTIVATING",
        "UserInitiated",
    )
    seen = [answer["lastStatus"]]
    while seen[-1] != "STOPPED":
        ecs.advance(0.5)
        status = described(ecs, task)["lastStatus"]
        if status != seen[-1]:
            seen.append(status)
    assert seen == ["DEACTIVATING", "STOPPING", "DEPROVISIONING", "STOPPED"]
    stopped = described(ecs, task)
    assert stopped["stoppedReason"] == "bad config"
    assert stopped["stoppingAt"] < stopped["executionStoppedAt"] < stopped["stoppedAt"]
    assert stopped["containers"][0]["exitCode"] in (0, 143)
    assert stopped["attachments"][0]["status"] == "DELETED"


def test_a_task_stopped_before_it_ran_has_no_execution_end() -> None:
    ecs = Ecs()
    task = run(ecs)
    ecs.advance(2)
    ecs.call("StopTask", cluster="prod", task=task["taskArn"])
    ecs.advance(60)
    stopped = described(ecs, task)
    assert (stopped["lastStatus"], stopped["stoppedReason"]) == ("STOPPED", "Task stopped by user")
    assert not {"executionStoppedAt", "startedAt", "pullStartedAt"} & stopped.keys()
    assert "exitCode" not in stopped["containers"][0]


def test_stopping_twice_keeps_the_first_reason_and_an_unknown_task_is_refused() -> None:
    ecs = Ecs()
    task = run(ecs)
    ecs.call("StopTask", cluster="prod", task=task["taskArn"], reason="first")
    again = ecs.call("StopTask", cluster="prod", task=task["taskArn"], reason="second")["task"]
    assert again["stoppedReason"] == "first"
    with pytest.raises(ApiError, match="The referenced task was not found"):
        ecs.call("StopTask", cluster="prod", task="0" * 32)


def test_stopped_tasks_are_visible_for_an_hour() -> None:
    ecs = Ecs()
    task = run(ecs)
    ecs.call("StopTask", cluster="prod", task=task["taskArn"])
    ecs.advance(3500)
    assert len(ecs.tasks("STOPPED")) == 1
    ecs.advance(200)
    assert ecs.tasks("STOPPED") == []
    answer = ecs.call("DescribeTasks", cluster="prod", tasks=[task["taskArn"]])
    assert answer["tasks"] == []
    assert answer["failures"] == [{"arn": task["taskArn"], "reason": "MISSING"}]


FAILURES: list[tuple[str, str]] = [
    (
        "-missing",
        "CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve ref",
    ),
    ("-noauth", "403 Forbidden"),
    ("-arch", "image Manifest does not contain descriptor matching platform 'linux/amd64'"),
]


@pytest.mark.parametrize(("ending", "text"), FAILURES)
def test_an_image_that_cannot_be_pulled(ending: str, text: str) -> None:
    ecs = Ecs()
    task = run(ecs, f"v2{ending}")
    ecs.advance(120)
    stopped = described(ecs, task)
    assert (stopped["lastStatus"], stopped["stopCode"]) == ("STOPPED", "TaskFailedToStart")
    assert text in stopped["stoppedReason"]
    assert stopped["containers"][0]["reason"] == stopped["stoppedReason"]
    assert not {"executionStoppedAt", "startedAt"} & stopped.keys()
    assert not {"exitCode", "imageDigest", "runtimeId"} & stopped["containers"][0].keys()
    assert ecs.surroundings.log_lines == {}


def test_a_missing_log_group_keeps_a_task_from_starting() -> None:
    ecs = Ecs()
    ecs.surroundings.missing_log_groups.add("/ecs/web")
    task = run(ecs)
    ecs.advance(120)
    stopped = described(ecs, task)
    assert stopped["stopCode"] == "TaskFailedToStart"
    assert stopped["stoppedReason"].startswith("ResourceInitializationError: failed to validate logger args")
    assert "pullStartedAt" not in stopped


@pytest.mark.parametrize(
    ("value_from", "service"),
    [(f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:db-AbCdEf", "asm"), ("/web/db", "ssm")],
)
def test_a_missing_secret_keeps_a_task_from_starting(value_from: str, service: str) -> None:
    ecs = Ecs()
    ecs.surroundings.missing_secrets.add(value_from)
    definition = ecs.define(container={"secrets": [{"name": "DB", "valueFrom": value_from}]})
    task = run(ecs, taskDefinition=definition)
    ecs.advance(120)
    reason = described(ecs, task)["stoppedReason"]
    assert reason.startswith("ResourceInitializationError: unable to pull secrets or registry auth")
    assert f"from {service}" in reason
    assert value_from in reason


def test_running_out_of_memory() -> None:
    ecs = Ecs()
    task = run(ecs, "v2-oom")
    ecs.advance(180)
    stopped = described(ecs, task)
    container = stopped["containers"][0]
    assert (stopped["stopCode"], stopped["stoppedReason"]) == (
        "EssentialContainerExited",
        "Essential container in task exited",
    )
    assert (container["exitCode"], container["reason"]) == (
        137,
        "OutOfMemoryError: Container killed due to memory usage",
    )
    assert "executionStoppedAt" in stopped
    lines = [line for lines in ecs.surroundings.log_lines.values() for _, line in lines]
    heap = [int(match[1]) for line in lines if (match := re.search(r"heap (\d+) MiB of 512 MiB", line))]
    assert len(heap) >= 4
    assert heap == sorted(heap)
    assert "heap is full" in lines[-1]


def test_a_crash_takes_down_the_task_only_when_its_container_is_essential() -> None:
    ecs = Ecs()
    app = {"name": "app", "image": f"{REPOSITORY}:v1", "essential": True}
    side = {"name": "side", "image": f"{REPOSITORY}:v1-crash", "essential": False}
    optional = run(ecs, taskDefinition=ecs.define(containerDefinitions=[app, side]))
    essential = run(ecs, taskDefinition=ecs.define(containerDefinitions=[app, {**side, "essential": True}]))
    ecs.advance(120)
    kept, lost = described(ecs, optional), described(ecs, essential)
    assert kept["lastStatus"] == "RUNNING"
    assert [item["lastStatus"] for item in kept["containers"]] == ["RUNNING", "STOPPED"]
    assert kept["containers"][1]["exitCode"] == 1
    assert lost["lastStatus"] == "STOPPED"
    assert lost["containers"][1]["exitCode"] == 1
    assert lost["containers"][0]["exitCode"] in (0, 143)


def test_log_lines_go_to_the_task_s_own_stream() -> None:
    ecs = Ecs(log_interval=20.0)
    task = run(ecs)
    ecs.advance(600)
    task_id = task["taskArn"].rsplit("/", 1)[1]
    lines = ecs.surroundings.log_lines[ACCOUNT, REGION, "/ecs/web", f"web/app/{task_id}"]
    assert "starting" in lines[0][1]
    assert 15 <= len([line for _, line in lines if "GET" in line]) <= 60
    assert [moment for moment, _ in lines] == sorted(moment for moment, _ in lines)
    ecs.call("StopTask", cluster="prod", task=task["taskArn"])
    ecs.advance(60)
    assert lines[-1][1].endswith("received SIGTERM, shutting down")
    count = len(lines)
    ecs.advance(600)
    assert len(lines) == count


def test_run_task_is_idempotent_by_client_token_and_limited_to_ten() -> None:
    ecs = Ecs()
    definition = ecs.define()
    first = run(ecs, taskDefinition=definition, clientToken="one")
    again = run(ecs, taskDefinition=definition, clientToken="one")
    assert first["taskArn"] == again["taskArn"]
    with pytest.raises(ApiError) as error:
        run(ecs, taskDefinition=definition, clientToken="one", startedBy="other")
    assert error.value.code == "ConflictException"
    with pytest.raises(ApiError):
        run(ecs, taskDefinition=definition, count=11)


def test_run_task_without_capacity_answers_in_failures() -> None:
    ecs = Ecs()
    ecs.world.capacity_shortage.add((ACCOUNT, REGION))
    answer = ecs.call(
        "RunTask",
        cluster="prod",
        taskDefinition=ecs.define(),
        launchType="FARGATE",
        networkConfiguration=NETWORK,
    )
    assert answer["tasks"] == []
    assert answer["failures"][0]["reason"].startswith("Capacity is unavailable at this time.")


def test_list_tasks_by_every_filter() -> None:
    ecs = Ecs()
    ecs.steady(2)
    ecs.steady(1, name="api", taskDefinition=ecs.define(family="api"))
    alone = run(ecs, taskDefinition=ecs.define(family="job"), startedBy="me")

    def count(**filters: Any) -> int:
        return len(ecs.call("ListTasks", cluster="prod", **filters)["taskArns"])

    deployment = ecs.service("api")["deployments"][0]["id"]
    assert count() == 4
    assert count(serviceName="web") == 2
    assert count(serviceName=f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/prod/api") == 1
    assert count(family="job") == count(startedBy="me") == count(startedBy=deployment) == 1
    assert (count(launchType="FARGATE"), count(launchType="EC2")) == (4, 0)
    assert (count(desiredStatus="STOPPED"), count(desiredStatus="PENDING")) == (0, 0)
    ecs.call("StopTask", cluster="prod", task=alone["taskArn"])
    assert count(desiredStatus="STOPPED", family="job") == 1
    with pytest.raises(ApiError) as error:
        count(serviceName="ghost")
    assert error.value.code == "ServiceNotFoundException"


def test_tasks_come_a_hundred_a_page_and_a_hundred_a_batch() -> None:
    ecs = Ecs()
    ecs.steady(130)
    first = ecs.call("ListTasks", cluster="prod", serviceName="web")
    rest = ecs.call("ListTasks", cluster="prod", serviceName="web", nextToken=first["nextToken"])
    assert (len(first["taskArns"]), len(rest["taskArns"])) == (100, 30)
    assert len({*first["taskArns"], *rest["taskArns"]}) == 130
    assert len(ecs.call("DescribeTasks", cluster="prod", tasks=first["taskArns"])["tasks"]) == 100
    with pytest.raises(ApiError, match="at most 100"):
        ecs.call("DescribeTasks", cluster="prod", tasks=[*first["taskArns"], MISSING_TASK])
    with pytest.raises(ApiError, match="Tasks cannot be empty"):
        ecs.call("DescribeTasks", cluster="prod", tasks=[])


def test_a_cause_outside_the_api_stops_a_task_and_the_service_replaces_it() -> None:
    ecs = Ecs()
    ecs.steady(1)
    arn = ecs.tasks()[0]["taskArn"]
    ecs.world.stop_task(arn, stop_code="SpotInterruption", reason="Your Spot Task was interrupted.")
    ecs.advance(180)
    assert ecs.service()["runningCount"] == 1
    lost = ecs.tasks("STOPPED")[0]
    assert (lost["taskArn"], lost["stopCode"]) == (arn, "SpotInterruption")
    assert ecs.tasks()[0]["taskArn"] != arn


def test_execute_command_opens_a_session_only_where_it_is_enabled() -> None:
    ecs = Ecs()
    definition = ecs.define()
    closed = run(ecs, taskDefinition=definition)
    opened = run(ecs, taskDefinition=definition, enableExecuteCommand=True)
    ask: dict[str, Any] = {"cluster": "prod", "command": "sh", "interactive": True}
    with pytest.raises(ApiError) as error:
        ecs.call("ExecuteCommand", task=opened["taskArn"], **ask)
    assert error.value.code == "TargetNotConnectedException"
    ecs.advance(60)
    with pytest.raises(ApiError, match="execute command was not enabled"):
        ecs.call("ExecuteCommand", task=closed["taskArn"], **ask)
    session = ecs.call("ExecuteCommand", task=opened["taskArn"], **ask)["session"]
    assert session["streamUrl"].startswith(f"wss://ssmmessages.{REGION}.amazonaws.com/v1/data-channel/")
    assert session["tokenValue"]


def test_protection_is_for_service_tasks() -> None:
    ecs = Ecs()
    alone = run(ecs)
    answer = ecs.call(
        "UpdateTaskProtection", cluster="prod", tasks=[alone["taskArn"], MISSING_TASK], protectionEnabled=True
    )
    assert answer["protectedTasks"] == []
    assert [item["reason"] for item in answer["failures"]] == ["TASK_NOT_VALID", "MISSING"]
