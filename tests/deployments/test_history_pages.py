"""Deployment history: its origins, its statuses, going back, and the export."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audit.models import AuditEntry
from clusters.models import Service
from deployments.history import LOOKS
from deployments.queries import rollback_candidates
from deployments.states import State
from tests.builders import (
    definition_arn,
    make_account,
    make_change,
    make_cluster,
    make_service,
    make_service_deployment,
    make_service_revision,
)
from tests.deployments.pages import at, deployable

AsPerson = Callable[[str], Client]


def test_a_deployment_names_its_change_or_stands_outside_the_console(
    people: dict[str, User], as_: AsPerson
) -> None:
    service = make_service()
    ours = make_service_deployment(service)
    make_service_deployment(service, created_by="arn:aws:sts::111122223333:assumed-role/ci/deploy")
    change = make_change(
        service, people["alice"], State.SUCCEEDED, progress={"service_deployment_arn": ours.arn}
    )
    html = as_("carol").get(at("service-deployments", service)).content.decode()
    assert f"CR-{change.pk}</a>" in html
    assert html.count("outside the console") == 1
    assert "by alice" in html


@pytest.mark.parametrize(("origin", "expected"), [("console", "ours-api"), ("outside", "theirs-api")])
def test_history_filters_by_origin(
    origin: str, expected: str, people: dict[str, User], as_: AsPerson
) -> None:
    ours, theirs = make_service("ours-api"), make_service("theirs-api")
    found = make_service_deployment(ours)
    make_service_deployment(theirs)
    make_change(ours, people["alice"], State.SUCCEEDED, progress={"service_deployment_arn": found.arn})
    html = as_("carol").get(reverse("deployment-history"), {"origin": origin}).content.decode()
    assert expected in html
    assert ({"ours-api", "theirs-api"} - {expected}).pop() not in html


def test_history_filters_by_place_status_and_period(as_: AsPerson) -> None:
    staging = make_service("billing", make_cluster("staging-core", make_account("staging")))
    production = make_service("search")
    make_service_deployment(staging, status="ROLLBACK_SUCCESSFUL")
    make_service_deployment(production, created_at=timezone.now() - timedelta(days=40))
    carol = as_("carol")

    def shown(**filters: str) -> set[str]:
        html = carol.get(reverse("deployment-history"), filters).content.decode()
        return {name for name in ("billing", "search") if f">{name}</a>" in html}

    assert shown() == {"billing", "search"}
    assert shown(environment="staging") == {"billing"}
    assert shown(account=production.cluster.account.account_id) == {"search"}
    assert shown(cluster="STAGING-core") == {"billing"}
    assert shown(status="ROLLBACK_SUCCESSFUL") == {"billing"}
    assert shown(q="sear") == {"search"}
    assert shown(since=str((timezone.now() - timedelta(days=5)).date())) == {"billing"}
    assert shown(until=str((timezone.now() - timedelta(days=20)).date())) == {"search"}


def test_a_rollback_by_the_circuit_breaker_is_never_drawn_as_a_success(as_: AsPerson) -> None:
    service = make_service()
    make_service_deployment(
        service,
        status="ROLLBACK_SUCCESSFUL",
        status_reason="Service deployment rolled back because the circuit breaker threshold was exceeded.",
    )
    html = as_("carol").get(at("service-deployments", service)).content.decode()
    assert "rolled back" in html
    assert "circuit breaker threshold was exceeded" in html
    assert LOOKS["ROLLBACK_SUCCESSFUL"][0] == "failed"
    assert "runs now" not in html


def test_no_status_but_successful_looks_steady() -> None:
    assert all(status == "SUCCESSFUL" or look[0] != "steady" for status, look in LOOKS.items())


@pytest.mark.django_db
def test_candidates_are_the_newest_success_of_each_other_definition() -> None:
    service = make_service()
    now = timezone.now()
    six, five = definition_arn(service, service.name, 6), definition_arn(service, service.name, 5)
    make_service_deployment(service, task_definition_arn=six, created_at=now - timedelta(days=9))
    newest = make_service_deployment(service, task_definition_arn=six, created_at=now - timedelta(days=2))
    make_service_deployment(service, task_definition_arn=five, status="ROLLBACK_SUCCESSFUL")
    make_service_deployment(service)
    assert rollback_candidates(service) == [newest]


def restarted(digest: str) -> Service:
    """Return a service that was restarted an hour ago, and whose task definition ran with this digest before."""
    service = make_service()
    before = make_service_deployment(service, images=[image_of_digest(service, digest)])
    now = make_service_deployment(service, created_at=timezone.now() - timedelta(hours=1))
    for deployment in (before, now):
        make_service_revision(deployment)
    service.facts = {**service.facts, "currentServiceRevisions": [{"arn": now.target_revision_arn}]}
    service.save()
    return service


def image_of_digest(service: Service, digest: str) -> dict[str, str]:
    return {"container": "app", "image": service.images[0]["image"], "digest": digest}


def test_of_several_successes_of_one_definition_only_the_one_that_runs_is_called_so(as_: AsPerson) -> None:
    service = restarted("sha256:" + "cd" * 32)
    html = as_("alice").get(at("service-deployments", service)).content.decode()
    assert html.count("runs now") == 1
    before, now = service.service_deployments.order_by("created_at")
    assert f"?to={before.pk}" in html, "its tag meant another image: only from here the way leads back to it"
    assert f"?to={now.pk}" not in html
    page = as_("alice").get(reverse("service-deployment", args=[before.pk])).content.decode()
    assert "runs now" not in page
    assert f"?to={before.pk}" in page


def test_success_that_ran_exactly_the_same_is_no_place_to_return_to(as_: AsPerson) -> None:
    service = restarted("sha256:" + "ab" * 32)
    html = as_("alice").get(at("service-deployments", service)).content.decode()
    assert html.count("runs now") == 1
    assert "?to=" not in html


def test_nothing_of_a_service_that_is_gone_runs_now(as_: AsPerson) -> None:
    service = make_service(gone_at=timezone.now())
    make_service_deployment(service)
    assert "runs now" not in as_("alice").get(reverse("deployment-history")).content.decode()


def test_roll_back_from_here_is_for_those_who_may(as_: AsPerson) -> None:
    service = deployable()
    assert "Roll back to :6" in as_("alice").get(at("service-deployments", service)).content.decode()
    assert "Roll back to :6" not in as_("carol").get(at("service-deployments", service)).content.decode()


def test_the_export_runs_nothing_in_a_spreadsheet_and_is_in_the_ledger(as_: AsPerson) -> None:
    service = make_service()
    make_service_deployment(service, status_reason='=HYPERLINK("http://evil")', created_by="@SUM(A1)")
    answer = as_("dan").get(reverse("deployment-export"), {"q": service.name})
    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))
    assert len(rows) == 1
    assert rows[0]["status_reason"].startswith("'=")
    assert rows[0]["who"] == "'@SUM(A1)"
    assert rows[0]["origin"] == "outside the console"
    entry = AuditEntry.objects.get(action="deployments.exported")
    assert (entry.actor, entry.data) == ("dan", {"filters": {"q": service.name}})


def test_an_export_with_a_filter_that_cannot_be_used_exports_nothing(as_: AsPerson) -> None:
    make_service_deployment(make_service())
    answer = as_("dan").get(reverse("deployment-export"), {"status": "FINE"})
    assert answer.status_code == 400
    assert "FINE" in answer.content.decode()
    assert not AuditEntry.objects.filter(action="deployments.exported").exists()
