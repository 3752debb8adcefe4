"""What keeps tasks from a place, on command, in AWS's words."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox import troubles
from sandbox.ports import ApiError
from sandbox.scenarios.empty import ACCOUNT_ID
from sandbox.server import SandboxServer
from tests.sandbox.clients import control
from tests.sandbox.ecs import ACCOUNT, NETWORK, REGION, Ecs
from tests.sandbox.test_container_instances import instance, on_ec2, serve

PLACE = {"account": ACCOUNT_ID, "region": "us-east-1"}


def nearest(arn: str, lacks: str) -> str:
    return (
        "(service web) was unable to place a task because no container instance met all of its requirements."
        f" The closest matching container-instance {arn.rsplit('/', 1)[1]} {lacks} For more information, see"
        " the Troubleshooting section of the Amazon ECS Developer Guide."
    )


@pytest.mark.parametrize(
    ("cpu", "memory", "lacks", "reason"),
    [
        (256, 4096, "has insufficient CPU units available.", "RESOURCE:CPU"),
        (1024, 512, "has insufficient memory available.", "RESOURCE:MEMORY"),
    ],
)
def test_a_full_instance_is_named_with_what_it_lacks(cpu: int, memory: int, lacks: str, reason: str) -> None:
    ecs = Ecs()
    host = instance(ecs, cpu=cpu, memory=memory)
    serve(ecs, 1)
    ecs.advance(30)
    assert ecs.messages()[-1] == nearest(host, lacks)
    assert ecs.call("RunTask", cluster="prod", taskDefinition="host")["failures"] == [
        {"arn": host, "reason": reason}
    ]


def test_constraints_ports_and_lost_agents_keep_tasks_away() -> None:
    ecs = Ecs()
    host = instance(ecs)
    on_ec2(ecs)
    run: dict[str, Any] = {"cluster": "prod", "taskDefinition": "host"}
    gpu = [{"type": "memberOf", "expression": "attribute:gpu exists"}]
    refused = ecs.call("RunTask", **run, placementConstraints=gpu)["failures"]
    assert refused == [{"arn": host, "reason": "MemberOf placement constraint unsatisfied."}]
    apart = [{"type": "distinctInstance"}]
    answer = ecs.call("RunTask", **run, count=2, placementConstraints=apart)
    assert len(answer["tasks"]) == 1
    assert answer["failures"][0]["reason"].startswith("DistinctInstance")
    ported = {
        "name": "app",
        "image": "nginx:1",
        "memory": 64,
        "portMappings": [{"containerPort": 80, "hostPort": 80}],
    }
    ecs.call("RegisterTaskDefinition", family="ported", containerDefinitions=[ported])
    answer = ecs.call("RunTask", cluster="prod", taskDefinition="ported", count=2)
    assert answer["failures"] == [{"arn": host, "reason": "RESOURCE:PORTS"}]
    cluster = ecs.world.region(ACCOUNT, REGION).clusters["prod"]
    next(iter(cluster.instances.values())).connected = False
    assert ecs.call("RunTask", **run)["failures"] == [{"arn": host, "reason": "AGENT"}]
    serve(ecs, 1)
    ecs.advance(30)
    assert ecs.messages()[-1] == nearest(host, 'encountered error "AGENT".')


def test_without_instances_run_task_is_refused() -> None:
    ecs = Ecs()
    with pytest.raises(ApiError, match="No Container Instances were found in your cluster"):
        ecs.call("RunTask", cluster="prod", taskDefinition=on_ec2(ecs))


def test_a_host_that_ends_takes_its_tasks_with_it() -> None:
    ecs = Ecs()
    first, second = instance(ecs), instance(ecs)
    serve(ecs, 2)
    ecs.advance(180)
    cluster = ecs.world.region(ACCOUNT, REGION).clusters["prod"]
    gone = cluster.instances[first.rsplit("/", 1)[1]]
    assert troubles.terminate(ecs.world, cluster, gone) == 1
    ecs.advance(300)
    assert {task["containerInstanceArn"] for task in ecs.tasks()} == {second}
    stopped = ecs.tasks("STOPPED")[0]
    assert stopped["stopCode"] == "TerminationNotice"
    assert stopped["stoppedReason"] == f"Host EC2 (instance {gone.ec2_instance_id}) terminated."


def test_a_full_subnet_fails_tasks_before_they_have_an_interface() -> None:
    ecs = Ecs()
    ecs.world.troubles.full_subnets.update(("subnet-a", "subnet-b"))
    ecs.serve(1)
    ecs.advance(120)
    stopped = ecs.tasks("STOPPED")[0]
    assert stopped["stopCode"] == "TaskFailedToStart"
    assert stopped["stoppedReason"].endswith("InsufficientFreeAddressesInSubnet")
    assert "executionStoppedAt" not in stopped
    assert ecs.service()["deployments"][0]["failedTasks"] > 0


def test_the_quota_of_vcpus_holds_tasks_back_until_it_is_raised() -> None:
    ecs = Ecs()
    ecs.world.troubles.vcpu_limits[ACCOUNT, REGION] = 0.5
    ecs.serve(3)
    ecs.advance(120)
    assert ecs.service()["runningCount"] == 2
    assert any("limit on the number of vCPUs you can run concurrently." in text for text in ecs.messages())
    answer = ecs.call(
        "RunTask", cluster="prod", taskDefinition="web", launchType="FARGATE", networkConfiguration=NETWORK
    )
    assert answer["failures"][0]["reason"].startswith("You’ve reached the limit")
    ecs.world.troubles.vcpu_limits.clear()
    ecs.advance(180)
    assert ecs.service()["runningCount"] == 3


def test_a_lost_zone_moves_its_tasks_to_the_others() -> None:
    ecs = Ecs()
    ecs.steady(4)
    lost = f"{REGION}a"
    before = {task["availabilityZone"] for task in ecs.tasks()}
    assert before == {lost, f"{REGION}b"}
    assert troubles.lose_zone(ecs.world, ACCOUNT, REGION, lost) == 2
    ecs.advance(300)
    assert {task["availabilityZone"] for task in ecs.tasks()} == {f"{REGION}b"}
    assert ecs.service()["runningCount"] == 4
    assert {task["stopCode"] for task in ecs.tasks("STOPPED")} == {"InfrastructureHealth"}


def test_a_service_of_one_zone_waits_for_it() -> None:
    ecs = Ecs()
    ecs.steady(1, networkConfiguration={"awsvpcConfiguration": {"subnets": ["subnet-a"]}})
    troubles.lose_zone(ecs.world, ACCOUNT, REGION, f"{REGION}a")
    ecs.advance(300)
    assert ecs.service()["runningCount"] == 0
    assert any("different availability zone" in text for text in ecs.messages())
    troubles.regain_zone(ecs.world, ACCOUNT, REGION, f"{REGION}a")
    ecs.advance(180)
    assert ecs.service()["runningCount"] == 1


def test_an_out_of_memory_story_hangs_together() -> None:
    ecs = Ecs()
    ecs.serve(1, tag="v2-oom")
    ecs.until(lambda: ecs.service()["deployments"][0]["failedTasks"] >= 2)
    task = next(one for one in ecs.tasks("STOPPED") if one["lastStatus"] == "STOPPED")
    container = task["containers"][0]
    assert (task["stopCode"], container["exitCode"]) == ("EssentialContainerExited", 137)
    assert container["reason"].startswith("OutOfMemoryError")
    stream = f"web/app/{task['taskArn'].rsplit('/', 1)[1]}"
    lines = [text for _, text in ecs.surroundings.log_lines[ACCOUNT, REGION, "/ecs/web", stream]]
    assert "heap" in lines[-2]
    assert not any("SIGTERM" in text for text in lines)


def test_the_control_calls_reach_the_world(sandbox: SandboxServer) -> None:
    state = sandbox.world.troubles
    assert control(sandbox, "POST", "zone", {**PLACE, "zone": "us-east-1a", "available": False})[0] == 200
    assert state.lost_zones == {(ACCOUNT_ID, "us-east-1", "us-east-1a")}
    control(sandbox, "POST", "zone", {**PLACE, "zone": "us-east-1a", "available": True})
    control(sandbox, "POST", "addresses", {"subnet": "subnet-1", "available": False})
    control(sandbox, "POST", "addresses", {"subnet": "subnet-2", "total": 6})
    control(sandbox, "POST", "quota", {**PLACE, "vcpus": 4})
    assert (state.lost_zones, state.full_subnets) == (set(), {"subnet-1"})
    assert state.addresses == {"subnet-2": 6}
    assert state.vcpu_limits == {(ACCOUNT_ID, "us-east-1"): 4.0}
    control(sandbox, "POST", "quota", {**PLACE, "vcpus": None})
    assert state.vcpu_limits == {}
    client = sandbox.client("ecs", account_id=ACCOUNT_ID)
    client.create_cluster(clusterName="prod")
    host = client.register_container_instance(cluster="prod")["containerInstance"]["containerInstanceArn"]
    asked = {**PLACE, "cluster": "prod", "instance": host}
    control(sandbox, "POST", "instance", {**asked, "state": "disconnected"})
    shown = client.describe_container_instances(cluster="prod", containerInstances=[host])
    assert shown["containerInstances"][0]["agentConnected"] is False
    assert control(sandbox, "POST", "instance", {**asked, "state": "on fire"})[0] == 400
    assert control(sandbox, "POST", "instance", {**asked, "state": "terminated"})[1]["stopped"] == 0
    assert client.list_container_instances(cluster="prod")["containerInstanceArns"] == []
