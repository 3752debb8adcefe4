"""Services of other deployment controllers: what ECS tells of them, and why there is no more."""

from __future__ import annotations

from typing import Any

import pytest

from clusters.task_sets import sides_of, why_no_history
from tests.builders import make_service
from tests.conftest import SignedIn
from tests.deployments.pages import at

DEFINITION = "arn:aws:ecs:us-east-1:111122223333:task-definition/web:"


def task_set(**fields: Any) -> dict[str, Any]:
    return {
        "id": "ecs-svc/100",
        "status": "ACTIVE",
        "taskDefinition": f"{DEFINITION}8",
        "computedDesiredCount": 4,
        "runningCount": 4,
        "stabilityStatus": "STEADY_STATE",
        "scale": {"value": 50.0, "unit": "PERCENT"},
        **fields,
    }


def test_task_sets_are_shown_in_ecs_own_words_primary_first() -> None:
    primary = task_set(id="ecs-svc/99", status="PRIMARY", startedBy="CODE_DEPLOY", externalId="d-ABC")
    moving = task_set(runningCount=1, stabilityStatus="STABILIZING")
    first, second = sides_of({"taskSets": [moving, primary], "deployments": []})
    assert (first.id, first.status, first.tone, first.scale) == ("99", "PRIMARY", "steady", "50%")
    assert (first.started_by, first.external_id) == ("CODE_DEPLOY", "d-ABC")
    assert (second.tone, second.running, second.desired) == ("deploying", 1, 4)


@pytest.mark.parametrize("facts", [{}, {"taskSets": None}, {"taskSets": [{}]}])
def test_every_fact_may_be_missing(facts: dict[str, Any]) -> None:
    assert all(side.status == "" for side in sides_of(facts))


def test_only_ecs_keeps_service_deployments() -> None:
    assert why_no_history("ECS") == ""
    assert "CodeDeploy" in why_no_history("CODE_DEPLOY")
    assert "outside AWS" in why_no_history("EXTERNAL")
    assert "NEW_ONE" in why_no_history("NEW_ONE")


@pytest.mark.parametrize("controller", ["CODE_DEPLOY", "EXTERNAL"])
def test_the_page_shows_them_and_deploy_is_refused_with_the_reason(controller: str, as_: SignedIn) -> None:
    service = make_service(deployment_controller=controller, facts={"taskSets": [task_set(status="PRIMARY")]})
    html = as_("alice").get(at("service-deployments", service)).content.decode()
    assert f"Rolled out by {controller}" in html
    assert "STEADY_STATE" in html
    assert "4 of 4 running" in html
    answer = as_("alice").post(at("restart", service), {"reason": "x", "confirm": service.name})
    assert answer.status_code in (409, 422)
    assert f"The deployment controller is {controller}" in answer.content.decode()


def test_a_service_without_task_sets_says_so(as_: SignedIn) -> None:
    service = make_service(deployment_controller="EXTERNAL", facts={"deployments": [], "taskSets": []})
    html = as_("carol").get(at("service-deployments", service)).content.decode()
    assert "ECS tells of no task sets" in html
