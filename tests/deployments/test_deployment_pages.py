"""One service deployment, two beside each other, and what CloudTrail tells on the pages and in the export."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from clusters.models import DeploymentIdentity, DeploymentMoment, Service, ServiceDeployment
from deployments.comparison import compare, remark_on, sides_of
from tests.builders import (
    definition_arn,
    make_account,
    make_change,
    make_cluster,
    make_event,
    make_service,
    make_service_deployment,
    make_service_revision,
    make_task,
    make_task_definition,
)
from tests.conftest import SignedIn
from tests.deployments.pages import at, deployable

IMAGE = "111122223333.dkr.ecr.us-east-1.amazonaws.com/shop/checkout-api"
ONE, TWO = "sha256:" + "1" * 64, "sha256:" + "2" * 64


def image(tag: str, digest: str, container: str = "app") -> dict[str, str]:
    return {"container": container, "image": f"{IMAGE}:{tag}", "digest": digest}


def shown(client: Client, deployment: ServiceDeployment) -> str:
    return client.get(reverse("service-deployment", args=[deployment.pk])).content.decode()


def compared(client: Client, old: ServiceDeployment, new: ServiceDeployment) -> str:
    answer = client.get(reverse("deployment-comparison"), {"a": old.pk, "b": new.pk})
    assert answer.status_code == 200
    return answer.content.decode()


def failed_deployment(service: Service) -> ServiceDeployment:
    began = timezone.now() - timedelta(hours=2)
    return make_service_deployment(
        service,
        status="ROLLBACK_SUCCESSFUL",
        status_reason="Service deployment rolled back because the circuit breaker threshold was exceeded.",
        task_definition_arn=definition_arn(service, service.name, 8),
        created_at=began,
        started_at=began,
        finished_at=began + timedelta(minutes=6),
        failed_count=3,
        facts={
            "rollback": {
                "reason": "circuit breaker threshold",
                "startedAt": (began + timedelta(minutes=4)).isoformat(),
            },
            "deploymentConfiguration": {"deploymentCircuitBreaker": {"enable": True, "rollback": True}},
            "deploymentCircuitBreaker": {"status": "TRIGGERED", "failureCount": 3, "threshold": 3},
            "alarms": {"alarmNames": ["web-5xx"], "triggeredAlarmNames": []},
        },
    )


def test_a_failed_deployment_tells_its_states_events_and_failed_tasks(as_: SignedIn) -> None:
    service = make_service()
    found = failed_deployment(service)
    began = found.created_at
    DeploymentMoment.objects.create(deployment=found, at=found.finished_at, status="ROLLBACK_SUCCESSFUL")
    make_event(service, "(service checkout-api) deployment failed", created_at=began + timedelta(minutes=4))
    make_event(service, "of another day", created_at=began - timedelta(days=1))
    for number in range(2):
        make_task(
            service,
            task_id=f"{number:032x}",
            last_status="STOPPED",
            stop_code="EssentialContainerExited",
            stopped_reason="CannotPullContainerError: no such image",
            exit_code=1,
            task_definition_arn=found.task_definition_arn,
            created_at=began + timedelta(minutes=number),
            stopped_at=began + timedelta(minutes=number + 1),
        )
    html = shown(as_("carol"), found)
    assert "CannotPullContainerError: no such image" in html
    assert "2 kept, with the reasons" in html
    assert "deployment failed" in html
    assert "of another day" not in html
    assert "Rollback began" in html
    assert "3 of 3 failed tasks" in html
    assert "web-5xx" in html
    assert "Roll back to" not in shown(as_("alice"), found), "it never succeeded"


def test_it_offers_the_way_back_to_itself_to_those_who_may(as_: SignedIn) -> None:
    service = deployable()
    old = service.service_deployments.order_by("created_at")[0]
    address = f"{at('rollback', service)}?to={old.pk}"
    assert address in shown(as_("alice"), old)
    assert address not in shown(as_("carol"), old)


def test_a_change_and_its_deployment_link_to_each_other(people: dict[str, Any], as_: SignedIn) -> None:
    found = make_service_deployment(make_service())
    change = make_change(
        found.service,
        people["alice"],
        "succeeded",
        dispatched_at=timezone.now(),
        progress={"service_deployment_arn": found.arn},
    )
    page = as_("carol").get(change.get_absolute_url()).content.decode()
    assert f'href="{reverse("service-deployment", args=[found.pk])}"' in page
    assert change.get_absolute_url() in shown(as_("carol"), found)


def test_who_began_it_outside_the_console_is_shown_as_cloudtrail_tells(as_: SignedIn) -> None:
    found = make_service_deployment(make_service(), created_by="ci/run-7")
    DeploymentIdentity.objects.create(
        deployment=found,
        state="found",
        event_id="5b0c-event",
        event_name="UpdateService",
        event_at=found.created_at,
        principal_arn="arn:aws:sts::111122223333:assumed-role/ci/run-7",
        source_identity="pipeline-7",
        ip_address="198.51.100.4",
        user_agent="<script>alert(1)</script>",
    )
    html = shown(as_("carol"), found)
    for text in ("assumed-role/ci/run-7", "pipeline-7", "198.51.100.4", "5b0c-event"):
        assert text in html
    assert "<script>alert(1)" not in html
    assert "ci/run-7" in as_("carol").get(reverse("deployment-history")).content.decode()


@pytest.mark.parametrize(
    ("state", "on_page", "in_list"),
    [
        ("waiting", "may be 15 minutes late", "not yet in CloudTrail"),
        ("none", "no call that began it", "no call in CloudTrail"),
        ("ambiguous", "Several calls", "several calls fit"),
        ("denied", "may not be read", "needs cloudtrail:LookupEvents"),
    ],
)
def test_why_nobody_is_named_is_said(state: str, on_page: str, in_list: str, as_: SignedIn) -> None:
    found = make_service_deployment(make_service())
    DeploymentIdentity.objects.create(deployment=found, state=state, note="Allow cloudtrail:LookupEvents.")
    assert on_page in shown(as_("carol"), found)
    assert in_list in as_("carol").get(at("service-deployments", found.service)).content.decode()


def test_a_deployment_that_is_not_seen_is_not_there(as_: SignedIn) -> None:
    old, new = (make_service_deployment(make_service(name)) for name in ("one", "two"))
    assert as_("mallory").get(reverse("service-deployment", args=[old.pk])).status_code == 404
    answer = as_("mallory").get(reverse("deployment-comparison"), {"a": old.pk, "b": new.pk})
    assert answer.status_code == 404


@pytest.mark.parametrize("query", [{}, {"a": "1"}, {"a": "x", "b": "1"}, {"a": "1" * 40, "b": "1"}])
def test_a_comparison_needs_two(query: dict[str, str], as_: SignedIn) -> None:
    answer = as_("carol").get(reverse("deployment-comparison"), query)
    assert answer.status_code == 400


def two(service: Service, old: dict[str, Any], new: dict[str, Any], **facts: Any) -> list[ServiceDeployment]:
    """Return two deployments of revisions 6 and 7 with these images, and the newer one's revision facts."""
    made = []
    for number, fields, more in ((6, old, {}), (7, new, facts)):
        found = make_service_deployment(
            service,
            task_definition_arn=definition_arn(service, service.name, number),
            images=[fields],
            created_at=timezone.now() - timedelta(days=8 - number),
        )
        make_service_revision(found, **more)
        made.append(found)
    return made


def test_two_are_compared_by_definition_service_and_digest(as_: SignedIn) -> None:
    service = deployable()
    old, new = two(
        service,
        image("v6", ONE),
        image("v7", TWO),
        platformVersion="1.5.0",
        networkConfiguration={"awsvpcConfiguration": {"subnets": ["subnet-a", "subnet-b"]}},
    )
    html = compared(as_("carol"), old, new)
    assert "another digest" in html
    for text in ("platformVersion", "1.<mark>5</mark>.0", "subnets", "unchanged fields"):
        assert text in html
    assert f"?a={new.pk}&amp;b={old.pk}" in html
    assert f"{at('rollback', service)}?to={old.pk}" in compared(as_("alice"), old, new)


def test_secrets_are_masked_and_still_flagged_as_changed(as_: SignedIn) -> None:
    service = make_service()
    for number, mark in ((6, "aaaaaaaa"), (7, "bbbbbbbb")):
        variable = {"name": "API_TOKEN", "fingerprint": mark, "length": 12}
        container = {"name": "app", "image": f"{IMAGE}:v1", "environment": [variable]}
        make_task_definition(service, number, facts={"containerDefinitions": [container]})
    old, new = two(service, image("v1", ONE), image("v1", ONE))
    html = compared(as_("carol"), old, new)
    assert "API_TOKEN" in html
    assert "1 of 1 changed" in html
    assert "aaaaaaaa" not in html


@pytest.mark.parametrize(
    ("old", "new", "remark"),
    [
        (("a:v1", ONE), ("a:v1", ONE), "same digest"),
        (("a:v1", ONE), ("a:v2", ONE), "same digest under another reference"),
        (("a:v1", ONE), ("a:v1", TWO), "the tag moved: same reference, another digest"),
        (("a:v1", ONE), ("a:v2", TWO), "another digest"),
        (("a:v1", ""), ("a:v1", TWO), "same reference, digest not known"),
    ],
)
def test_images_are_told_apart_by_digest(old: tuple[str, str], new: tuple[str, str], remark: str) -> None:
    assert remark_on(*old, *new)[0] == remark


@pytest.mark.django_db
def test_what_ecs_had_forgotten_is_said_and_no_difference() -> None:
    service = make_service()
    old, new = make_service_deployment(service), make_service_deployment(service)
    make_service_revision(new)
    found = compare(*sides_of(old, new))
    assert found.changed_count == 0
    assert not found.is_same
    assert (
        "Of the first the task definition checkout-api:7 and the service revision are not known"
        in found.missing[0]
    )


@pytest.mark.parametrize("digest", [ONE, ""])
def test_images_are_called_the_same_only_by_digests_that_are_known(digest: str, as_: SignedIn) -> None:
    service = make_service()
    for number in (6, 7):
        container = {"name": "app", "image": f"{IMAGE}:v1"}
        make_task_definition(service, number, facts={"containerDefinitions": [container]})
    html = compared(as_("carol"), *two(service, image("v1", digest), image("v1", digest)))
    assert ("Nothing differs" in html) == bool(digest)
    assert ("No field differs; look at the images." in html) != bool(digest)


def test_services_of_two_environments_can_be_compared(as_: SignedIn) -> None:
    production = deployable()
    staging = make_service("checkout-api", make_cluster("staging-core", make_account("staging")))
    there = make_service_deployment(staging, images=[image("v7", TWO)])
    here = production.service_deployments.order_by("-created_at")[0]
    page = shown(as_("carol"), here)
    assert "The same family elsewhere" in page
    assert f'value="{there.pk}"' in page
    html = compared(as_("carol"), there, here)
    assert "staging-core checkout-api" in html
    assert "Roll back to" not in compared(as_("alice"), there, here)


def test_the_export_names_who_began_it(as_: SignedIn) -> None:
    found = make_service_deployment(make_service(), created_by="ci/run-7", failed_count=2, strategy="CANARY")
    DeploymentIdentity.objects.create(
        deployment=found,
        state="found",
        principal_arn="arn:aws:iam::1:user/x",
        event_id="e-1",
        user_agent="=cmd()",
    )
    answer = as_("dan").get(reverse("deployment-export"))
    (row,) = csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode()))
    assert (row["principal_arn"], row["cloudtrail_event_id"]) == ("arn:aws:iam::1:user/x", "e-1")
    assert row["user_agent"] == "'=cmd()"
    assert (row["failed_tasks"], row["strategy"]) == ("2", "CANARY")


@pytest.mark.parametrize(
    ("who", "expected"),
    [
        ("ALI", {"ours"}),
        ("run-7", {"theirs"}),
        ("pipeline", {"theirs"}),
        ("assumed-role", {"theirs"}),
        ("nobody", set()),
    ],
)
def test_history_is_searched_by_who_began_it(
    who: str, expected: set[str], people: dict[str, Any], as_: SignedIn
) -> None:
    ours, theirs = (make_service_deployment(make_service(name)) for name in ("ours", "theirs"))
    make_change(ours.service, people["alice"], "succeeded", progress={"service_deployment_arn": ours.arn})
    DeploymentIdentity.objects.create(
        deployment=theirs,
        state="found",
        principal_arn="arn:aws:sts::1:assumed-role/ci/run-7",
        source_identity="pipeline-7",
    )
    html = as_("carol").get(reverse("deployment-history"), {"who": who}).content.decode()
    assert {name for name in ("ours", "theirs") if f">{name}</a>" in html} == expected


@pytest.mark.parametrize("count", [3, 30])
def test_lists_cost_a_fixed_number_of_queries(
    count: int, people: dict[str, Any], as_: SignedIn, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    service = make_service()
    for number in range(count):
        found = make_service_deployment(service)
        if number % 2:
            DeploymentIdentity.objects.create(deployment=found)
        else:
            make_change(service, people["alice"], "succeeded", progress={"service_deployment_arn": found.arn})
    carol = as_("carol")
    with django_assert_max_num_queries(16):
        carol.get(at("service-deployments", service))
    with django_assert_max_num_queries(16):
        carol.get(reverse("deployment-history"))
    with django_assert_max_num_queries(22):
        carol.get(reverse("service-deployment", args=[found.pk]))
