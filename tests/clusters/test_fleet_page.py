"""The fleet page: what is shown to whom, in which order, and what it costs."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from clusters import fleet_queries
from clusters.models import PollTarget, Service
from clusters.rendering import draw_row
from tests.builders import bind, make_account, make_cluster, make_person, make_service, make_target

pytestmark = pytest.mark.django_db
HTMX = {"HTTP_HX_REQUEST": "true"}


def drawn(service: Service) -> Service:
    service.row_html = draw_row(service, [])
    service.save()
    return service


def names(html: str) -> list[str]:
    return re.findall(r'<a class="name" href="[^"]*">([^<]*)</a>', html)


def page(client: Client, query: str = "", **headers: Any) -> str:
    response = client.get(f"/{query}", **headers)
    assert response.status_code == 200
    return response.content.decode()


@pytest.fixture
def fleet(db: None) -> dict[str, Service]:
    core = make_cluster("prod-core")
    lab = make_cluster("lab", make_account("development"), region="eu-west-1")
    return {
        name: drawn(make_service(name, **fields))
        for name, fields in {
            "alpha": {"cluster": core, "status": "steady", "version": "3"},
            "bravo": {"cluster": core, "status": "degraded", "version": "1"},
            "charlie": {"cluster": lab, "status": "failed", "version": "2"},
            "delta": {"cluster": lab, "status": "deploying", "version": "4"},
        }.items()
    }


def test_problems_come_first_and_each_service_once(as_: Any, fleet: dict[str, Service]) -> None:
    html = page(as_("alice"))
    assert names(html) == ["charlie", "bravo", "alpha", "delta"]
    assert "2 services in 2 clusters, worst first" in html
    assert "1 listed above" in html


def test_order_by_cluster_keeps_services_with_their_cluster(as_: Any, fleet: dict[str, Service]) -> None:
    assert names(page(as_("alice"), "?order=cluster")) == ["bravo", "alpha", "charlie", "delta"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?q=alp", {"alpha"}),
        ("?q=ALPHA+core", {"alpha"}),
        ("?status=failed", {"charlie"}),
        ("?cluster=lab", {"charlie", "delta"}),
        ("?region=eu-west-1", {"charlie", "delta"}),
        ("?account=333344445555", {"charlie", "delta"}),
        ("?environment=production", {"alpha", "bravo"}),
        ("?environment=production&status=steady", {"alpha"}),
        ("?status=nonsense", {"alpha", "bravo", "charlie", "delta"}),
        ("?cluster=nowhere", set()),
    ],
)
def test_filters(as_: Any, fleet: dict[str, Service], query: str, expected: set[str]) -> None:
    assert set(names(page(as_("alice"), query))) == expected


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("name", ["alpha", "bravo", "charlie", "delta"]),
        ("-name", ["delta", "charlie", "bravo", "alpha"]),
        ("version", ["bravo", "charlie", "alpha", "delta"]),
        ("status", ["charlie", "bravo", "delta", "alpha"]),
    ],
)
def test_sorting_lists_flat(as_: Any, fleet: dict[str, Service], sort: str, expected: list[str]) -> None:
    html = page(as_("alice"), f"?sort={sort}")
    assert names(html) == expected
    assert "Needs attention" not in html


def test_tally_counts_under_the_other_filters(as_: Any, fleet: dict[str, Service]) -> None:
    html = page(as_("alice"), "?environment=development&status=failed")
    counts = dict(re.findall(r'id="tally-(\w+)"[^>]*>.*?<b>(\d+)</b>', html))
    assert counts == {
        "all": "2",
        "failed": "1",
        "degraded": "0",
        "deploying": "1",
        "steady": "0",
        "zero": "0",
        "unknown": "0",
    }
    assert re.search(r'id="tally-failed" aria-current="true"', html)


def test_links_of_the_tally_keep_the_other_filters(as_: Any, fleet: dict[str, Service]) -> None:
    assert 'href="?environment=development&amp;status=failed"' in page(
        as_("alice"), "?environment=development"
    )


def test_mallory_sees_nothing_and_is_told_why(as_: Any, fleet: dict[str, Service]) -> None:
    html = page(as_("mallory"))
    assert names(html) == []
    assert "No role yet" in html
    for secret in ("alpha", "prod-core", "333344445555", "eu-west-1"):
        assert secret not in html


def test_operator_of_one_cluster_sees_that_cluster_only(fleet: dict[str, Service]) -> None:
    olga = make_person("olga")
    bind(olga, "operator", cluster="lab")
    html = page(signed_in(olga))
    assert set(names(html)) == {"charlie", "delta"}
    assert "prod-core" not in html
    assert "333344445555" in html
    assert "111122223333" not in html


def test_operator_of_one_service_sees_its_row_and_its_data_age(fleet: dict[str, Service]) -> None:
    olga = make_person("olga")
    bind(olga, "operator", cluster="lab", service="delta")
    html = page(signed_in(olga))
    assert names(html) == ["delta"]
    assert "dev eu-west-1" in html


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def test_services_of_a_region_not_read_lately_are_unknown(as_: Any, fleet: dict[str, Service]) -> None:
    PollTarget.objects.filter(region="eu-west-1").update(
        succeeded_at=timezone.now() - timedelta(minutes=4),
        failing_since=timezone.now() - timedelta(minutes=4),
        error_action="ecs:ListServices",
        error_code="ThrottlingException",
        error_request_id="6d0c1f9e",
    )
    html = page(as_("alice"))
    assert "development eu-west-1 not updated for" in html
    assert "ThrottlingException" in html
    assert "6d0c1f9e" in html
    assert "Unknown, was failed at" in html
    assert names(page(as_("alice"), "?status=unknown")) == ["charlie", "delta"]
    assert names(page(as_("alice"), "?status=failed")) == []


def test_service_left_out_of_reads_is_unknown_though_its_region_answers(
    as_: Any, fleet: dict[str, Service]
) -> None:
    Service.objects.filter(name="alpha").update(described_at=timezone.now() - timedelta(minutes=9))
    assert names(page(as_("alice"), "?status=unknown")) == ["alpha"]


def test_short_failure_of_a_fresh_region_raises_no_banner(as_: Any, fleet: dict[str, Service]) -> None:
    PollTarget.objects.update(failing_since=timezone.now(), error_code="ThrottlingException")
    assert "ThrottlingException" not in page(as_("alice"), **HTMX)


def test_services_that_are_gone_are_not_listed(as_: Any, fleet: dict[str, Service]) -> None:
    Service.objects.filter(name="alpha").update(gone_at=timezone.now())
    assert "alpha" not in names(page(as_("alice")))


def test_row_that_no_poll_has_drawn_is_drawn_at_reading(as_: Any) -> None:
    make_service("fresh")
    assert names(page(as_("alice"))) == ["fresh"]


def test_no_match_offers_to_clear(as_: Any, fleet: dict[str, Service]) -> None:
    html = page(as_("alice"), "?q=zzz")
    assert "No services match" in html
    assert "Clear filters" in html


def test_first_read_is_announced(as_: Any) -> None:
    make_target(succeeded_at=None, attempted_at=None)
    html = page(as_("alice"))
    assert "The first read of 1 region is running" in html
    assert 'aria-busy="true"' in html


def test_region_that_never_answered_is_an_error_not_a_wait(as_: Any) -> None:
    make_target(succeeded_at=None, failing_since=timezone.now(), error_code="AccessDeniedException")
    html = page(as_("alice"))
    assert "Nothing could be read yet" in html
    assert "AccessDeniedException" in html


def test_no_account_yet(as_: Any) -> None:
    assert "No AWS account is connected" in page(as_("alice"))


def test_region_without_services(as_: Any) -> None:
    make_target()
    assert "<h2>No services</h2>" in page(as_("alice"))


def test_fragment_is_the_table_alone_with_the_same_address(as_: Any, fleet: dict[str, Service]) -> None:
    response = as_("alice").get("/?q=alpha&sort=name", **HTMX)
    html = response.content.decode()
    assert html.lstrip().startswith('<section id="fleet"')
    assert 'hx-get="/?q=alpha&amp;sort=name"' in html
    assert "<html" not in html
    assert "HX-Request" in response["Vary"]


def test_unchanged_fragment_is_not_sent_again(as_: Any, fleet: dict[str, Service]) -> None:
    client = as_("alice")
    etag = client.get("/", **HTMX)["ETag"]
    assert client.get("/", HTTP_IF_NONE_MATCH=etag, **HTMX).status_code == 304
    service = fleet["alpha"]
    service.version = "5"
    drawn(service)
    assert client.get("/", HTTP_IF_NONE_MATCH=etag, **HTMX).status_code == 200


def test_page_is_never_answered_from_an_etag(as_: Any, fleet: dict[str, Service]) -> None:
    client = as_("alice")
    etag = client.get("/", **HTMX)["ETag"]
    assert client.get("/", HTTP_IF_NONE_MATCH=etag).status_code == 200


def test_number_of_queries_does_not_grow_with_the_fleet(as_: Any, fleet: dict[str, Service]) -> None:
    client = as_("alice")

    def cost(query: str) -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            page(client, query, **HTMX)
        return len(queries)

    page(client)
    before = cost("?order=cluster")
    for number in range(40):
        drawn(make_service(f"more-{number}", make_cluster(f"cluster-{number % 8}")))
    assert cost("?order=cluster") == before
    assert before <= 8


def test_hostile_names_are_text(as_: Any) -> None:
    cluster = make_cluster("<script>c", make_account(name="<b>acct"))
    drawn(make_service("x", cluster, status="failed", happening="<img src=x onerror=alert(1)>."))
    html = page(as_("alice"), '?q="><script>alert(1)</script>') + page(as_("alice"))
    for hostile in ("<script>c", "<b>acct", "<img src=x", '"><script>alert'):
        assert hostile not in html


def test_status_changes_are_announced_in_words(as_: Any, fleet: dict[str, Service]) -> None:
    assert 'data-announce="charlie is failed, bravo is degraded."' in page(as_("alice"))


def test_rail_fragment_keeps_the_place_of_its_page(as_: Any, fleet: dict[str, Service]) -> None:
    html = as_("alice").get("/rail/?at=/changes/", **HTMX).content.decode()
    assert re.search(r'href="/changes/" aria-current="page"', html)
    assert "prod us-east-1" in html


def test_a_cluster_that_is_stored_while_the_page_is_read_does_no_harm(
    as_: Any, fleet: dict[str, Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    read_sources = fleet_queries.sources_of

    def poll_meanwhile(*args: Any) -> Any:
        make_service("just-now", make_cluster("new-cluster"))
        return read_sources(*args)

    client = as_("alice")
    monkeypatch.setattr(fleet_queries, "sources_of", poll_meanwhile)
    assert "just-now" not in names(page(client))
    monkeypatch.setattr(fleet_queries, "sources_of", read_sources)
    assert "just-now" in names(page(client))
