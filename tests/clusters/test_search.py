"""What the palette finds, and for whom."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from access.queries import Access
from clusters.models import PollTarget
from clusters.search import search
from tests.builders import make_cluster, make_service, make_task, make_task_definition

pytestmark = pytest.mark.django_db


def titles(access: Access, typed: str) -> dict[str, list[str]]:
    return {section.title: [result.title for result in section.results] for section in search(access, typed)}


def test_services_by_name_best_match_first(people: Any) -> None:
    for name in ("my-checkout", "checkout-api", "other"):
        make_service(name)
    assert titles(Access(people["alice"]), "checkout")["Services"] == ["checkout-api", "my-checkout"]


def test_tasks_definitions_clusters_and_images(people: Any) -> None:
    service = make_service("shop", make_cluster("prod-core"), search_text="shop prod-core shop:v1")
    make_task(service, task_id="abcd1234" + "0" * 24)
    make_task_definition(service, 7)
    make_task_definition(service, 8)
    access = Access(people["alice"])
    assert titles(access, "abcd12")["Tasks"] == ["abcd12340000"]
    assert titles(access, "shop")["Task definitions"] == ["shop:8"]
    assert titles(access, "shop:7")["Task definitions"] == ["shop:7"]
    assert titles(access, "prod")["Clusters"] == ["prod-core"]
    assert titles(access, "shop:v1")["Images"] == ["shop:v1"]


def test_actions_are_those_that_the_person_may_take(people: Any) -> None:
    make_service("shop")
    assert "Deploy a new image" in titles(Access(people["alice"]), ">shop")["Actions on shop, prod-core"]
    carols = titles(Access(people["carol"]), ">shop").get("Actions on shop, prod-core", [])
    assert not {"Deploy a new image", "Roll back", "Scale"} & set(carols)


def test_mallory_finds_nothing_of_the_fleet(people: Any) -> None:
    service = make_service("shop")
    make_task_definition(service)
    make_task(service, task_id="abcd1234" + "0" * 24)
    access = Access(people["mallory"])
    assert titles(access, "shop") == {}
    assert titles(access, "abcd") == {}


def test_empty_palette_shows_problems_and_places(people: Any) -> None:
    make_service("bad", status="failed")
    make_service("good")
    found = titles(Access(people["alice"]), "")
    assert found["Needs attention"] == ["bad"]
    assert "Fleet" in found["Go to"]


def test_status_of_old_figures_is_unknown(people: Any) -> None:
    make_service("shop")
    PollTarget.objects.update(succeeded_at=timezone.now() - timedelta(minutes=5))
    (section, *_) = search(Access(people["alice"]), "shop")
    assert section.results[0].status == "unknown"


def test_palette_gets_lines_and_a_plain_request_a_page(as_: Any) -> None:
    make_service("shop")
    fragment = as_("alice").get("/search/?q=shop", HTTP_HX_REQUEST="true").content.decode()
    assert 'role="option"' in fragment
    assert "<html" not in fragment
    assert "<html" in as_("alice").get("/search/?q=shop").content.decode()


def test_what_was_typed_is_text(as_: Any) -> None:
    html = as_("alice").get("/search/", {"q": "<script>alert(1)</script>"}).content.decode()
    assert "<script>alert" not in html
