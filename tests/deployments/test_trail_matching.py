"""Which event of CloudTrail began a deployment: by service, parameters and time, and never by guessing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aws.cloudtrail import TrailEvent
from deployments.trail_matching import Wanted, choose, fits, short_principal, spans_of

AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SERVICE = "arn:aws:ecs:us-east-1:111122223333:service/prod/web"
DEFINITION = "arn:aws:ecs:us-east-1:111122223333:task-definition/web:8"
WANTED = Wanted(SERVICE, AT, DEFINITION)
ASKED = {"cluster": "prod", "service": "web", "taskDefinition": "web:8"}


def event(seconds: float = -2, name: str = "UpdateService", **fields: Any) -> TrailEvent:
    defaults: dict[str, Any] = {
        "event_id": f"e{seconds}",
        "principal_arn": "arn:aws:iam::111122223333:user/ci",
        "source_identity": "",
        "ip_address": "198.51.100.4",
        "user_agent": "aws-cli/2",
        "access_key_id": "AKIA",
        "invoked_by": "",
        "error_code": "",
        "params": ASKED,
        "answer": {},
    }
    return TrailEvent(name=name, at=AT + timedelta(seconds=seconds), **{**defaults, **fields})


@pytest.mark.parametrize(
    "params",
    [
        ASKED,
        {**ASKED, "taskDefinition": DEFINITION},
        {**ASKED, "taskDefinition": "web"},
        {
            "cluster": "arn:aws:ecs:us-east-1:111122223333:cluster/prod",
            "service": SERVICE,
            "forceNewDeployment": True,
        },
        {"cluster": "prod", "service": "web", "networkConfiguration": {"awsvpcConfiguration": {}}},
    ],
)
def test_a_call_that_begins_a_deployment_of_the_service_fits(params: dict[str, Any]) -> None:
    assert fits(event(params=params), WANTED)


@pytest.mark.parametrize(
    ("why", "other"),
    [
        ("another service", event(params={**ASKED, "service": "web-2"})),
        ("another cluster", event(params={**ASKED, "cluster": "staging"})),
        ("the default cluster", event(params={"service": "web", "taskDefinition": "web:8"})),
        ("another definition", event(params={**ASKED, "taskDefinition": "web:9"})),
        ("another family", event(params={**ASKED, "taskDefinition": "web-8"})),
        (
            "a count alone, as the autoscaler sets it",
            event(params={"cluster": "prod", "service": "web", "desiredCount": 4}),
        ),
        ("force is off", event(params={"cluster": "prod", "service": "web", "forceNewDeployment": False})),
        ("refused by ECS", event(error_code="AccessDenied")),
        ("too early", event(-301)),
        ("too late", event(301)),
        ("another call", event(name="DeleteService")),
        ("ECS answered with another service", event(answer={"service": {"serviceArn": SERVICE + "-2"}})),
        (
            "ECS answered with another definition",
            event(
                answer={
                    "service": {
                        "serviceArn": SERVICE,
                        "deployments": [{"status": "PRIMARY", "taskDefinition": DEFINITION + "0"}],
                    }
                }
            ),
        ),
    ],
)
def test_what_does_not_fit(why: str, other: TrailEvent) -> None:
    assert not fits(other, WANTED), why


def test_the_one_that_fits_is_chosen() -> None:
    right = event()
    assert choose([event(params={**ASKED, "service": "other"}), right], WANTED).event == right


def test_a_call_at_the_moment_counts_before_one_minutes_away() -> None:
    right = event(-1)
    assert choose([event(-200), right], WANTED).event == right


def test_two_that_fit_as_well_decide_nothing() -> None:
    match = choose([event(-1), event(-4)], WANTED)
    assert (match.event, match.rivals) == (None, 2)
    assert choose([event(-100), event(-200)], WANTED).rivals == 2
    assert choose([], WANTED).rivals == 0


def test_the_first_deployment_may_come_with_the_service() -> None:
    created = event(
        name="CreateService", params={"cluster": "prod", "serviceName": "web", "taskDefinition": "web:8"}
    )
    first = replace(WANTED, is_first=True)
    assert choose([created], first).event == created
    # Where nothing ran, an update has no source either.
    assert choose([event()], first).event == event()
    assert not fits(created, WANTED)


def test_spans_that_touch_are_asked_as_one() -> None:
    minutes = (0, 4, 60)
    spans = spans_of(AT + timedelta(minutes=minute) for minute in minutes)
    assert [(end - start).total_seconds() / 60 for start, end in spans] == [10, 14]


def test_principals_are_shown_short() -> None:
    assert short_principal("arn:aws:sts::111122223333:assumed-role/ci/run-7") == "ci/run-7"
    assert short_principal("arn:aws:iam::111122223333:user/eng/mary") == "eng/mary"
    assert short_principal("ecs.amazonaws.com") == "ecs.amazonaws.com"
