"""One cluster's page."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from clusters.models import PollTarget
from tests.builders import make_cluster, make_service, make_task

pytestmark = pytest.mark.django_db


def test_cluster_shows_its_facts_and_services_only(as_: Any) -> None:
    cluster = make_cluster(
        "batch",
        facts={
            "registeredContainerInstancesCount": 12,
            "capacityProviders": ["batch-asg"],
            "defaultCapacityProviderStrategy": [{"capacityProvider": "batch-asg", "weight": 1, "base": 2}],
            "tags": [{"key": "owner", "value": "<i>data</i>"}],
            "settings": [{"name": "containerInsights", "value": "enabled"}],
        },
    )
    here = make_service("here", cluster)
    make_task(here)
    make_service("elsewhere", make_cluster("other"))
    html = as_("alice").get(cluster.get_absolute_url()).content.decode()
    assert "here</a>" in html
    assert "elsewhere" not in html
    assert "12 container instances" in html
    assert "batch-asg: weight 1, base 2" in html
    assert "&lt;i&gt;data&lt;/i&gt;" in html
    assert "containerInsights" in html
    assert "<dt>Running</dt><dd>1</dd>" in html


def test_cluster_that_may_not_be_seen_is_not_found(as_: Any) -> None:
    cluster = make_cluster("batch")
    assert as_("mallory").get(cluster.get_absolute_url()).status_code == 404
    assert as_("alice").get("/clusters/111122223333/us-east-1/nope/").status_code == 404


def test_cluster_of_a_silent_region_says_so(as_: Any) -> None:
    cluster = make_cluster("batch")
    make_service("here", cluster)
    old = timezone.now() - timedelta(minutes=4)
    PollTarget.objects.update(succeeded_at=old, failing_since=old, error_code="AccessDeniedException")
    html = as_("alice").get(cluster.get_absolute_url()).content.decode()
    assert "Not updated for" in html
    assert "AccessDeniedException" in html
    assert "1 unknown" in html


def test_nudge_fetches_the_services_alone(as_: Any) -> None:
    cluster = make_cluster("batch")
    html = as_("alice").get(cluster.get_absolute_url(), HTTP_HX_REQUEST="true").content.decode()
    assert html.lstrip().startswith('<div id="cluster"')
    assert "<html" not in html
