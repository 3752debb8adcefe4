from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import get_args

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from access.models import ApiToken
from api.schemas import KindName, StateName, StatusName
from clusters.status import Status
from deployments.models import Kind
from deployments.states import State
from tests.api.conftest import Machines
from tests.builders import (
    bind,
    make_account,
    make_change,
    make_cluster,
    make_service,
    make_service_deployment,
    make_target,
    make_task,
)
from tests.conftest import SignedIn

pytestmark = pytest.mark.django_db


def names(body: dict[str, object]) -> list[str]:
    return [item["name"] for item in body["items"]]  # type: ignore[attr-defined, index]


def test_service_is_shown_in_the_words_of_ecs(machine: Machines) -> None:
    service = make_service("checkout-api", make_cluster("prod-core"), described_at=timezone.now())
    status, body = machine("carol", "read").get("/services")
    assert status == 200
    assert body["next"] is None
    (item,) = body["items"]
    assert item | {"read_at": "", "happening": ""} == {
        "arn": service.arn,
        "name": "checkout-api",
        "cluster": "prod-core",
        "account": "111122223333",
        "region": "us-east-1",
        "environment": "production",
        "status": "steady",
        "happening": "",
        "desired_count": 2,
        "running_count": 2,
        "pending_count": 0,
        "task_definition": service.task_definition_arn,
        "rollout_state": "COMPLETED",
        "containers": [{"name": "app", "image": service.images[0]["image"]}],
        "read_at": "",
        "url": f"http://testserver{service.get_absolute_url()}",
    }
    assert machine("carol", "read").get(f"/services/{service.arn}") == (200, item)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"environment": "staging"}, ["b"]),
        ({"cluster": "core"}, ["a", "c"]),
        ({"name": "c"}, ["c"]),
        ({"q": "shop b"}, ["b"]),
        ({"status": "failed"}, ["c"]),
        ({"cluster": "core", "status": "steady"}, ["a"]),
        ({"region": "eu-west-1"}, []),
    ],
)
def test_services_are_narrowed(machine: Machines, query: dict[str, str], found: list[str]) -> None:
    core, shop = make_cluster("core"), make_cluster("shop", make_account("staging"))
    for name, cluster, status in (("c", core, "failed"), ("a", core, "steady"), ("b", shop, "steady")):
        make_service(name, cluster, status=status)
    status, body = machine("carol", "read").get("/services", **query)
    assert (status, names(body)) == (200, found)


def test_service_that_was_not_read_lately_is_unknown_and_found_as_that(machine: Machines) -> None:
    old = timezone.now() - timedelta(minutes=10)
    make_service("late", described_at=old)
    make_service("fresh", described_at=timezone.now())
    silent = make_cluster("other", make_account("staging"))
    make_service("silent", silent)
    make_target(silent.account, succeeded_at=old)
    reader = machine("carol", "read")
    assert names(reader.get("/services", status="unknown")[1]) == ["late", "silent"]
    assert names(reader.get("/services", status="steady")[1]) == ["fresh"]
    assert {i["name"]: i["status"] for i in reader.get("/services")[1]["items"]}["silent"] == "unknown"


def test_pages_follow_each_other_whatever_comes_between(machine: Machines) -> None:
    cluster = make_cluster()
    for name in "bdfhj":
        make_service(name, cluster)
    reader = machine("carol", "read")
    seen, cursor = [], ""
    while True:
        status, body = reader.get("/services", limit=2, cursor=cursor)
        assert status == 200
        seen += names(body)
        if len(seen) == 2:
            make_service("a", cluster)
            make_service("g", cluster)
        cursor = body["next"] or ""
        if not cursor:
            break
    assert seen == list("bdfghj")


def test_unseen_service_is_not_there(machine: Machines, people: dict[str, User]) -> None:
    service = make_service()
    reader = machine("mallory", "read")
    assert reader.get("/services")[1]["items"] == []
    assert reader.get(f"/services/{service.arn}")[0] == 404
    bind(people["mallory"], "viewer")
    assert reader.get(f"/services/{service.arn}")[0] == 200


def test_tasks_and_deployments_of_a_service(machine: Machines, people: dict[str, User]) -> None:
    service, other = make_service("a"), make_service("b")
    task = make_task(
        service, last_status="STOPPED", stopped_reason="Essential container in task exited", exit_code=1
    )
    make_task(other)
    change = make_change(service, people["alice"])
    ours = make_service_deployment(service)
    theirs = make_service_deployment(service, status="ROLLBACK_SUCCESSFUL", created_at=timezone.now())
    change.progress = {"service_deployment_arn": ours.arn}
    change.save()
    reader = machine("carol", "read")
    (item,) = reader.get("/tasks", service=service.arn)[1]["items"]
    assert (item["arn"], item["exit_code"], item["stopped_reason"]) == (
        task.arn,
        1,
        "Essential container in task exited",
    )
    assert reader.get("/tasks", service=service.arn, status="RUNNING")[1]["items"] == []
    items = reader.get("/deployments", service=service.arn)[1]["items"]
    assert [(i["arn"], i["status"], i["change"]) for i in items] == [
        (theirs.arn, "ROLLBACK_SUCCESSFUL", None),
        (ours.arn, "SUCCESSFUL", change.pk),
    ]
    assert len(reader.get("/deployments", status="SUCCESSFUL")[1]["items"]) == 1


def test_changes_are_listed_and_narrowed(machine: Machines, people: dict[str, User]) -> None:
    mine = make_change(make_service("a"), people["alice"])
    make_change(make_service("b"), people["bob"], state="succeeded")
    reader = machine("carol", "read")
    assert [i["state"] for i in reader.get("/changes")[1]["items"]] == ["succeeded", "awaiting_approval"]
    (item,) = reader.get("/changes", state="active", requester="alice")[1]["items"]
    assert (item["id"], item["number"], item["is_final"]) == (mine.pk, f"CR-{mine.pk}", False)
    assert item["diagnosis"]["rule"] == "approval"


@pytest.mark.parametrize("text", [" ".join(f"w{n}" for n in range(1500)), "a" * 60_000])
def test_text_of_thousands_of_words_finds_nothing(machine: Machines, as_: SignedIn, text: str) -> None:
    make_service("word")
    status, body = machine("carol", "read").get("/services", q=text)
    assert (status, names(body)) == (200, [])
    assert as_("carol").get("/", {"q": text}).status_code == 200


def test_filter_that_is_left_empty_narrows_nothing(machine: Machines, people: dict[str, User]) -> None:
    service = make_service("a")
    make_change(service, people["alice"])
    make_service_deployment(service)
    reader = machine("carol", "read")
    for path in (
        "/services?environment=&cluster=&status=&q=",
        "/changes?state=&kind=&environment=&requester=&q=",
        "/deployments?service=&status=",
        "/tasks?service=&cluster=&status=",
    ):
        status, body = reader.get(path)
        assert status == 200, body
        assert path.startswith("/tasks") or len(body["items"]) == 1


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/services", "environment"),
        ("/services", "status"),
        ("/changes", "state"),
        ("/changes", "kind"),
        ("/changes", "environment"),
        ("/deployments", "status"),
    ],
)
def test_value_that_a_filter_does_not_know_finds_not_everything(
    machine: Machines, people: dict[str, User], path: str, field: str
) -> None:
    make_change(make_service("a"), people["alice"])
    status, body = machine("carol", "read").get(path, **{field: "sucessful"})
    assert (status, list(body["error"]["fields"])) == (422, [field])


def test_every_state_and_every_status_of_ecs_can_be_asked_for() -> None:
    assert set(get_args(StateName)) == {*State.values, "active"}
    assert set(get_args(KindName)) == set(Kind.values)
    assert set(get_args(StatusName)) == set(Status.values)


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 0},
        {"limit": 501},
        {"status": "broken"},
        {"cursor": "nonsense"},
        {"cursor": "WzEsIngiXQ"},
        {"nme": "a"},
    ],
)
def test_query_that_cannot_be_meant_is_named_by_its_field(
    machine: Machines, query: dict[str, object]
) -> None:
    status, body = machine("carol", "read").get("/services", **query)
    assert status == 422
    assert list(body["error"]["fields"]) == list(query)


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/services", ["\ud800", 1]),
        ("/services", ["a\x00", 1]),
        ("/services", [5, 1]),
        ("/services", ["a", 10**30]),
        ("/services", ["a", -1]),
        ("/services", {"a": 1, "b": 2}),
        ("/changes", ["9999-12-31T23:59:59-12:00", 1]),
        ("/changes", ["0001-01-01T00:00:00+12:00", 1]),
        ("/changes", ["a", 1]),
    ],
)
def test_cursor_that_was_made_up_is_refused(machine: Machines, path: str, content: object) -> None:
    cursor = base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")
    status, body = machine("carol", "read").get(path, cursor=cursor)
    assert (status, list(body["error"]["fields"])) == (422, ["cursor"])


def test_cursor_of_another_list_is_refused(machine: Machines) -> None:
    cluster = make_cluster()
    for name in "ab":
        make_service(name, cluster)
    reader = machine("carol", "read")
    cursor = reader.get("/services", limit=1)[1]["next"]
    assert reader.get("/changes", cursor=cursor)[0] == 422


def test_browser_that_is_signed_in_may_read_and_change_nothing(as_: SignedIn) -> None:
    service = make_service()
    client = as_("alice")
    assert client.get("/api/v1/services").json()["items"][0]["arn"] == service.arn
    answer = client.post("/api/v1/changes", {"service": service.arn}, content_type="application/json")
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "not_signed_in")


@pytest.mark.parametrize("header", ["", "Basic YTpi", "Bearer", "Bearer ecs_nothing", "Bearer " + "x" * 5000])
def test_stranger_gets_401_in_the_one_shape(db: None, header: str) -> None:
    answer = Client().get("/api/v1/services", headers={"Authorization": header} if header else {})
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"].startswith("Bearer")
    assert set(answer.json()["error"]) == {"code", "title", "message", "advice"}


def test_session_does_not_stand_in_for_a_bad_token(as_: SignedIn) -> None:
    answer = as_("alice").get("/api/v1/services", headers={"Authorization": "Bearer ecs_old"})
    assert answer.status_code == 401


def test_wrong_method_and_unknown_address_answer_in_the_one_shape(machine: Machines) -> None:
    reader = machine("carol", "read")
    status, body = reader.post("/services")
    assert (status, body["error"]["code"]) == (405, "method_not_allowed")
    assert reader.get("/nothing/here") == (404, reader.get("/changes/999999")[1])


def test_token_that_asks_too_often_is_told_how_long_to_wait(machine: Machines, settings: object) -> None:
    settings.API_REQUESTS_PER_MINUTE = 3  # type: ignore[attr-defined]
    reader, other = machine("carol", "read"), machine("carol", "read")
    answers = [reader.client.get("/api/v1/services", headers=reader.headers) for _ in range(5)]
    late = [answer for answer in answers if answer.status_code == 429]
    assert late, "five requests fall into two minutes at most"
    assert 1 <= int(late[-1]["Retry-After"]) <= 60
    assert late[-1].json()["error"]["code"] == "too_many_requests"
    assert other.get("/services")[0] == 200


def test_nobody_is_refused_while_the_counter_is_away(machine: Machines, settings: object) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"  # type: ignore[attr-defined]
    assert machine("carol", "read").get("/services")[0] == 200


def test_use_of_a_token_is_noted(machine: Machines) -> None:
    reader = machine("carol", "read")
    reader.get("/services")
    assert ApiToken.objects.get(pk=reader.token.pk).last_used_at is not None


@pytest.mark.parametrize("path", ["/services", "/tasks", "/deployments", "/changes"])
def test_list_costs_the_same_for_one_and_for_many(
    machine: Machines, people: dict[str, User], path: str
) -> None:
    reader = machine("carol", "read")
    costs = []
    for name in "abcde":
        service = make_service(name)
        make_task(service)
        make_service_deployment(service)
        make_change(service, people["alice"])
        make_change(service, people["bob"], state="rolled_back", progress={"deployment_id": "ecs-svc/1"})
        with CaptureQueriesContext(connection) as found:
            assert reader.get(path)[0] == 200
        costs.append(len(found))
    # The first request notes the use of the token.
    assert len(set(costs[1:])) == 1
    assert costs[1] <= 6
