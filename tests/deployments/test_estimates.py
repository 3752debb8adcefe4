"""How long a rollout usually takes, in the plan and beside a change that runs."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from clusters.models import Service
from deployments.estimates import as_churn, estimate_for, pace_of
from deployments.preflight import churn_of
from deployments.templatetags.deploys import churn_words
from tests.builders import make_change, make_service, make_service_deployment
from tests.conftest import SignedIn


@pytest.fixture
def service(db: None) -> Service:
    """A service that took four, five and six minutes, and once failed after an hour."""
    found, now = make_service(), timezone.now()
    for day, minutes, status in (
        (1, 60, "ROLLBACK_SUCCESSFUL"),
        (2, 4, "SUCCESSFUL"),
        (3, 5, "SUCCESSFUL"),
        (4, 6, "SUCCESSFUL"),
    ):
        began = now - timedelta(days=day)
        make_service_deployment(
            found,
            status=status,
            created_at=began,
            started_at=began,
            finished_at=began + timedelta(minutes=minutes),
        )
    return found


def test_a_plan_says_how_long_it_usually_takes(service: Service) -> None:
    assert churn_words(churn_of(service)).endswith("Usually 5 to 6 min, by its last 3 that succeeded.")
    assert as_churn(estimate_for(service))["usual_seconds"] == 300


def test_another_strategy_has_a_past_of_its_own(service: Service) -> None:
    service.facts["deploymentConfiguration"]["strategy"] = "CANARY"
    assert "none of its deployments like this succeeded" in churn_words(churn_of(service))


def test_a_change_says_how_long_it_has_taken_beside_that(
    service: Service, people: dict[str, User], as_: SignedIn
) -> None:
    now = timezone.now()
    change = make_change(
        service, people["alice"], "running", dispatched_at=now - timedelta(minutes=2, seconds=5)
    )
    assert pace_of(change, now) == "2 min of usually 5 to 6 min"
    assert "2 min of usually 5 to 6 min" in as_("carol").get(change.get_absolute_url()).content.decode()
    change.dispatched_at = now - timedelta(minutes=20)
    assert pace_of(change, now) == "20 min, longer than the usual 5 to 6 min"
    change.kind = "scale"
    assert pace_of(change, now) == ""


def test_the_estimate_is_one_query(
    service: Service, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(1):
        assert estimate_for(service).is_known
