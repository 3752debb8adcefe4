from __future__ import annotations

from typing import Any

import pytest

from sandbox.ports import ApiError
from tests.sandbox.ecs import Ecs


def instance(ecs: Ecs, **attributes: str) -> str:
    given = [{"name": name.replace("_", "-"), "value": value} for name, value in attributes.items()]
    answer = ecs.call("RegisterContainerInstance", cluster="prod", attributes=given)
    return str(answer["containerInstance"]["containerInstanceArn"])


def listed(ecs: Ecs, **asked: Any) -> list[str]:
    arns: list[str] = ecs.call("ListContainerInstances", cluster="prod", **asked)["containerInstanceArns"]
    return arns


def test_attributes_are_put_listed_and_deleted() -> None:
    ecs = Ecs()
    first, second = instance(ecs), instance(ecs)
    stack = {"name": "stack", "value": "blue", "targetId": first}
    assert ecs.call("PutAttributes", cluster="prod", attributes=[stack])["attributes"] == [stack]
    found = ecs.call(
        "ListAttributes", cluster="prod", targetType="container-instance", attributeName="stack"
    )["attributes"]
    assert found == [stack]
    zones = ecs.call(
        "ListAttributes",
        cluster="prod",
        targetType="container-instance",
        attributeName="ecs.availability-zone",
        attributeValue="eu-central-1b",
    )["attributes"]
    assert [item["targetId"] for item in zones] == [second]
    short = {"name": "stack", "targetId": first.rsplit("/", 1)[1]}
    with pytest.raises(ApiError, match="Target type"):
        ecs.call("DeleteAttributes", cluster="prod", attributes=[short])
    ecs.call("DeleteAttributes", cluster="prod", attributes=[{**short, "targetType": "container-instance"}])
    assert listed(ecs, filter="attribute:stack exists") == []


def test_too_many_attributes_and_unknown_targets_are_refused() -> None:
    ecs = Ecs()
    first = instance(ecs)
    ten = [{"name": f"a{number}", "targetId": first} for number in range(10)]
    ecs.call("PutAttributes", cluster="prod", attributes=ten)
    with pytest.raises(ApiError) as refused:
        ecs.call("PutAttributes", cluster="prod", attributes=[{"name": "b", "targetId": first}])
    assert refused.value.code == "AttributeLimitExceededException"
    with pytest.raises(ApiError) as missing:
        ecs.call("PutAttributes", cluster="prod", attributes=[{"name": "b", "targetId": first[:-1] + "z"}])
    assert missing.value.code == "TargetNotFoundException"


@pytest.mark.parametrize(
    ("expression", "which"),
    [
        ("attribute:ecs.instance-type == m5.large", [0]),
        ("attribute:ecs.instance-type =~ m5.*", [0, 1]),
        ("attribute:ecs.instance-type !~ m5.*", [2]),
        ("attribute:ecs.instance-type in [t3.micro, m5.xlarge]", [1, 2]),
        ("attribute:gpu exists", [2]),
        ("not (attribute:gpu exists) and attribute:ecs.availability-zone == eu-central-1a", [0]),
        ("attribute:gpu !exists or runningTasksCount > 0", [0, 1]),
        ("runningTasksCount equals 0", [0, 1, 2]),
        ("agentConnected == true", [0, 1, 2]),
        ("task:group == service:web", []),
    ],
)
def test_the_query_language_chooses_instances(expression: str, which: list[int]) -> None:
    ecs = Ecs()
    types = [{"ecs.instance_type": name} for name in ("m5.large", "m5.xlarge")]
    arns = [instance(ecs, **one) for one in types]
    arns.append(instance(ecs, **{"ecs.instance_type": "t3.micro", "gpu": "a10"}))
    assert listed(ecs, filter=expression) == [arns[index] for index in which]


@pytest.mark.parametrize(
    "expression",
    ["", "attribute:a", "a == b", "agentConnected ==", "(agentConnected == true", "agentConnected =~ ["],
)
def test_a_filter_that_means_nothing_is_refused(expression: str) -> None:
    ecs = Ecs()
    if not expression:
        assert listed(ecs, filter=expression) == []
        return
    with pytest.raises(ApiError, match="Invalid filter expression"):
        listed(ecs, filter=expression)
