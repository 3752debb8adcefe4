"""How changes end, judged by what ECS says."""

from __future__ import annotations

from deployments.states import State
from tests.deployments.rig import REPOSITORY, Rig


def test_deploy_succeeds_and_touches_aws_exactly_twice(dev_rig: Rig) -> None:
    change = dev_rig.until(dev_rig.deploy("v2"))
    assert change.state == State.SUCCEEDED, change.outcome
    assert dev_rig.calls == ["ecs:RegisterTaskDefinition", "ecs:UpdateService"]
    definition = dev_rig.call(
        "DescribeTaskDefinition", taskDefinition=change.progress["registered_arn"], include=["TAGS"]
    )
    assert definition["taskDefinition"]["containerDefinitions"][0]["image"] == f"{REPOSITORY}:v2"
    assert {"key": "ecsconsole:change", "value": str(change.pk)} in definition["tags"]
    assert {"key": "team", "value": "shop"} in definition["tags"]
    assert dev_rig.facts()["taskDefinition"] == change.progress["registered_arn"]


def test_deploy_of_a_crashing_image_ends_rolled_back_in_ecs_own_words(dev_rig: Rig) -> None:
    before = dev_rig.facts()["taskDefinition"]
    change = dev_rig.until(dev_rig.deploy("v2-crash"))
    assert change.state == State.ROLLED_BACK
    assert "circuit breaker threshold was exceeded" in change.outcome
    assert dev_rig.facts()["taskDefinition"] == before
    moves = list(change.transitions.values_list("to_state", flat=True))
    assert moves == ["queued", "running", "rolling_back", "rolled_back"]
