"""How much ECS takes in one call and gives in one page."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.ports import ApiError
from tests.sandbox.ecs import Ecs

MANY = [f"x{number}" for number in range(101)]


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("DescribeServices", {"services": MANY[:11]}),
        ("DescribeTasks", {"tasks": MANY}),
        ("DescribeServiceDeployments", {"serviceDeploymentArns": MANY[:21]}),
        ("DescribeServiceRevisions", {"serviceRevisionArns": MANY[:21]}),
        ("DescribeContainerInstances", {"containerInstances": MANY}),
        ("DescribeClusters", {"clusters": MANY}),
        ("UpdateContainerInstancesState", {"containerInstances": MANY[:11], "status": "DRAINING"}),
        ("UpdateTaskProtection", {"tasks": MANY[:11], "protectionEnabled": True}),
    ],
)
def test_a_batch_above_the_maximum_is_refused(operation: str, params: dict[str, Any]) -> None:
    more: dict[str, Any] = {}
    if operation not in ("DescribeServiceDeployments", "DescribeServiceRevisions", "DescribeClusters"):
        more = {"cluster": "prod"}
    with pytest.raises(ApiError) as refused:
        Ecs().call(operation, **params, **more)
    assert refused.value.code == "InvalidParameterException"


@pytest.mark.parametrize("operation", ["ListServices", "ListTasks", "ListContainerInstances"])
def test_a_page_has_at_most_a_hundred(operation: str) -> None:
    for size in (0, 101):
        with pytest.raises(ApiError, match="maxResults must be between 1 and 100"):
            Ecs().call(operation, cluster="prod", maxResults=size)


def test_services_come_ten_a_page_unless_asked_for_more() -> None:
    ecs = Ecs()
    definition = ecs.define()
    for number in range(12):
        ecs.serve(0, name=f"s{number:02}", taskDefinition=definition)
    first = ecs.call("ListServices", cluster="prod")
    assert len(first["serviceArns"]) == 10
    rest = ecs.call("ListServices", cluster="prod", nextToken=first["nextToken"])
    assert len(rest["serviceArns"]) == 2
    assert "nextToken" not in rest
