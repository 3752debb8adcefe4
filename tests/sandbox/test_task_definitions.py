from __future__ import annotations

from typing import Any

import pytest

from sandbox.ports import ApiError
from tests.sandbox.ecs import ACCOUNT, DEV, REGION, Ecs


def test_revisions_of_a_family_count_up() -> None:
    ecs = Ecs()
    assert [ecs.define(f"v{n}").rsplit(":", 1)[1] for n in range(3)] == ["1", "2", "3"]
    shown = ecs.call("DescribeTaskDefinition", taskDefinition="web")["taskDefinition"]
    assert shown["taskDefinitionArn"] == f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/web:3"
    assert shown["registeredAt"] == ecs.world.now
    assert shown["registeredBy"] == DEV.principal_arn
    assert shown["containerDefinitions"][0]["portMappings"] == [
        {"containerPort": 8080, "hostPort": 8080, "protocol": "tcp"}
    ]


@pytest.mark.parametrize(
    ("cpu", "memory", "fits"),
    [
        ("256", "512", True),
        ("256", "2048", True),
        ("256", "4096", False),
        ("512", "512", False),
        ("1 vCPU", "2 GB", True),
        (".25 vcpu", "0.5GB", True),
        ("4096", "30720", True),
        ("4096", "31744", False),
        ("8192", "20480", True),
        ("8192", "18432", False),
        ("300", "512", False),
        ("lots", "512", False),
    ],
)
def test_fargate_sizes(cpu: str, memory: str, fits: bool) -> None:
    ecs = Ecs()
    if fits:
        ecs.define(cpu=cpu, memory=memory)
        return
    with pytest.raises(ApiError) as error:
        ecs.define(cpu=cpu, memory=memory)
    assert error.value.code == "ClientException"


def test_sizes_are_kept_in_units() -> None:
    ecs = Ecs()
    ecs.define(cpu="1 vCPU", memory="2 GB")
    shown = ecs.call("DescribeTaskDefinition", taskDefinition="web:1")["taskDefinition"]
    assert (shown["cpu"], shown["memory"]) == ("1024", "2048")


BAD: list[tuple[dict[str, Any], str]] = [
    ({"tags": []}, "Tags can not be empty."),
    ({"containerDefinitions": []}, "Container list cannot be empty."),
    ({"containerDefinitions": [{"name": "a"}]}, "Container.image should not be null or empty."),
    ({"networkMode": "bridge"}, "Fargate only supports network mode"),
    ({"executionRoleArn": None}, "execution role ARN to support ECR images"),
    ({"cpu": None}, "Fargate requires that 'cpu' be defined at the task level."),
    ({"family": "no spaces"}, "Family contains invalid characters."),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_a_bad_definition_is_refused_and_takes_no_revision(change: dict[str, Any], message: str) -> None:
    ecs = Ecs()
    with pytest.raises(ApiError) as error:
        ecs.define(**change)
    assert error.value.code == "ClientException"
    assert message in error.value.message
    assert ecs.define().endswith(":1")


def test_tags_come_beside_the_definition_and_only_when_asked_for() -> None:
    ecs = Ecs()
    ecs.define(tags=[{"key": "team", "value": "a"}])
    bare = ecs.call("DescribeTaskDefinition", taskDefinition="web")
    assert "tags" not in bare
    full = ecs.call("DescribeTaskDefinition", taskDefinition="web", include=["TAGS"])
    assert full["tags"] == [{"key": "team", "value": "a"}]
    assert "tags" not in full["taskDefinition"]


def test_lists_by_family_status_and_order() -> None:
    ecs = Ecs()
    for family in ("web", "web-admin", "jobs"):
        for _ in range(2):
            ecs.define(family=family)
    ecs.call("DeregisterTaskDefinition", taskDefinition="web:1")

    def names(**params: Any) -> list[str]:
        arns: list[str] = ecs.call("ListTaskDefinitions", **params)["taskDefinitionArns"]
        return [arn.rsplit("/", 1)[1] for arn in arns]

    assert names() == ["jobs:1", "jobs:2", "web:2", "web-admin:1", "web-admin:2"]
    assert names(familyPrefix="web") == ["web:2"]
    assert names(familyPrefix="web", status="INACTIVE") == ["web:1"]
    assert names(familyPrefix="jobs", sort="DESC") == ["jobs:2", "jobs:1"]
    assert ecs.call("ListTaskDefinitionFamilies", familyPrefix="web")["families"] == ["web", "web-admin"]


def test_an_inactive_revision_is_described_but_not_started() -> None:
    ecs = Ecs()
    arn = ecs.define()
    shown = ecs.call("DeregisterTaskDefinition", taskDefinition=arn)["taskDefinition"]
    assert (shown["status"], shown["deregisteredAt"]) == ("INACTIVE", ecs.world.now)
    assert ecs.call("DescribeTaskDefinition", taskDefinition=arn)["taskDefinition"]["status"] == "INACTIVE"
    with pytest.raises(ApiError) as error:
        ecs.serve(taskDefinition=arn)
    assert (error.value.code, error.value.message) == ("ClientException", "TaskDefinition is inactive")
    with pytest.raises(ApiError, match="Unable to describe task definition"):
        ecs.call("DescribeTaskDefinition", taskDefinition="web")


def test_deletion_needs_deregistration_and_waits_for_tasks() -> None:
    ecs = Ecs()
    ecs.steady(1)
    active = ecs.call("DeleteTaskDefinitions", taskDefinitions=["web:1", "web:9"])
    assert [item["reason"] for item in active["failures"]] == ["TASK_DEFINITION_STILL_ACTIVE", "MISSING"]
    ecs.call("DeregisterTaskDefinition", taskDefinition="web:1")
    answer = ecs.call("DeleteTaskDefinitions", taskDefinitions=["web:1"])
    assert answer["taskDefinitions"][0]["status"] == "DELETE_IN_PROGRESS"
    ecs.advance(300)
    assert (
        ecs.call("DescribeTaskDefinition", taskDefinition="web:1")["taskDefinition"]["status"]
        == "DELETE_IN_PROGRESS"
    )
    ecs.call("DeleteService", cluster="prod", service="web", force=True)
    ecs.advance(300)
    with pytest.raises(ApiError, match="Unable to describe"):
        ecs.call("DescribeTaskDefinition", taskDefinition="web:1")
    assert ecs.define().endswith(":2")
