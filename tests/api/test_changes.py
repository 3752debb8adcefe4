from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connections
from django.utils import timezone

from access.tokens import revoke_token
from audit.models import AuditEntry
from deployments.models import Attempt, Change, Freeze
from deployments.sealing import open_sealed
from tests.api.conftest import Machines
from tests.builders import make_change, make_service
from tests.deployments.rig import REPOSITORY, Rig, fresh

CANARY = "hunter2-canary-value"


def wish(rig: Rig, kind: str = "deploy", **more: Any) -> dict[str, Any]:
    """Return a request of a pipeline for the rig's service, confirmed as production asks."""
    base = {"service": rig.service.arn, "kind": kind, "reason": "release 2", "confirm": rig.service.name}
    if kind == "deploy":
        base["images"] = {"app": "v2"}
    return {**base, **more}


@pytest.mark.django_db
def test_deploy_through_the_api_ends_as_ecs_says(dev_rig: Rig, machine: Machines) -> None:
    dev_rig.push("v2")
    ci = machine("alice")
    status, body = ci.post("/changes", wish(dev_rig, ticket="SHOP-1"), key="run-1")
    assert status == 201
    assert (body["state"], body["kind"], body["via"], body["is_final"]) == ("queued", "deploy", "api", False)
    assert body["url"] == f"http://testserver/changes/{body['id']}/"
    change = Change.objects.get(pk=body["id"])
    assert (change.requester.username, change.token, change.ticket) == ("alice", ci.token, "SHOP-1")
    assert change.spec["containers"]["app"]["image"] == f"{REPOSITORY}:v2"
    dev_rig.until(change)
    status, body = ci.get(f"/changes/{change.pk}")
    assert (status, body["state"], body["is_final"], body["diagnosis"]) == (200, "succeeded", True, None)
    assert "SUCCESSFUL" in body["outcome"]
    assert ":service-deployment/" in body["service_deployment"]
    assert body["rollout"]["status"] == "SUCCESSFUL"


@pytest.mark.django_db
def test_change_that_is_rolled_back_quotes_why(dev_rig: Rig, machine: Machines) -> None:
    dev_rig.push("v2-crash")
    ci = machine("alice")
    _, body = ci.post("/changes", wish(dev_rig, images={"app": "v2-crash"}))
    change = dev_rig.until(fresh(Change.objects.get(pk=body["id"])), limit=3600)
    dev_rig.sync()
    _, body = ci.get(f"/changes/{change.pk}")
    assert (body["state"], body["is_final"]) == ("rolled_back", True)
    assert "“" in body["outcome"]
    assert body["diagnosis"]["text"]


@pytest.mark.django_db
def test_same_key_and_body_is_the_same_change(dev_rig: Rig, machine: Machines) -> None:
    dev_rig.push("v2")
    ci = machine("alice")
    first, again = (ci.post("/changes", wish(dev_rig), key="run-1") for _ in range(2))
    assert (first[0], again[0]) == (201, 200)
    assert first[1]["id"] == again[1]["id"]
    # The order of members and blanks between them say nothing.
    headers = {**ci.headers, "Idempotency-Key": "run-1"}
    text = json.dumps(dict(reversed(wish(dev_rig).items())), indent=4)
    answer = ci.client.post("/api/v1/changes", text, content_type="application/json", headers=headers)
    assert (answer.status_code, answer.json()["id"]) == (200, first[1]["id"])
    assert Change.objects.count() == 1


@pytest.mark.django_db
def test_same_key_with_another_body_is_refused(dev_rig: Rig, machine: Machines) -> None:
    dev_rig.push("v2")
    ci = machine("alice")
    ci.post("/changes", wish(dev_rig), key="run-1")
    status, body = ci.post("/changes", wish(dev_rig, reason="another"), key="run-1")
    assert (status, body["error"]["code"]) == (409, "key_reused")
    assert Change.objects.count() == 1


@pytest.mark.django_db
def test_keys_of_two_people_do_not_meet(dev_rig: Rig, machine: Machines) -> None:
    dev_rig.push("v2")
    machine("alice").post("/changes", wish(dev_rig), key="run-1")
    status, body = machine("bob").post("/changes", wish(dev_rig), key="run-1")
    assert (status, body["error"]["code"]) == (409, "another_change_active")
    assert body["error"]["change"] == Change.objects.get().pk


@pytest.mark.django_db(transaction=True)
def test_two_requests_with_one_key_at_once_make_one_change(dev_rig: Rig, machine: Machines) -> None:
    dev_rig.push("v2")
    ci, body = machine("alice"), wish(dev_rig)
    start, answers = threading.Barrier(4), []

    def send() -> None:
        try:
            start.wait(10)
            # SQLite in memory refuses where a file waits: a 500 of that sort is asked again, as a client would.
            for _ in range(50):
                answer = ci.post("/changes", body, key="run-1")
                if answer[0] != 500:
                    break
            answers.append(answer)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(status for status, _ in answers) == [200, 200, 200, 201], answers
    assert {body["id"] for _, body in answers} == {Change.objects.get().pk}


@pytest.mark.django_db
def test_production_asks_for_the_typed_name_and_a_reason(rig: Rig, machine: Machines) -> None:
    rig.push("v2")
    ci = machine("alice")
    status, body = ci.post("/changes", wish(rig, confirm="", reason=""))
    assert (status, sorted(body["error"]["fields"])) == (422, ["confirm", "reason"])
    status, body = ci.post("/changes", wish(rig))
    assert (status, body["state"], body["diagnosis"]["rule"]) == (201, "awaiting_approval", "approval")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("deploy", {}),
        ("restart", {}),
        ("scale", {"spec": {"desired_count": 3}}),
        ("run_task", {}),
    ],
)
def test_freeze_is_named_with_when_it_opens_and_where_a_person_goes_past_it(
    rig: Rig, machine: Machines, as_: Any, kind: str, more: dict[str, Any]
) -> None:
    rig.push("v2")
    began = timezone.now().replace(microsecond=0) - timedelta(hours=1)
    freeze = Freeze.objects.create(
        name="Quarter close", environment="production", starts_at=began, duration_minutes=180
    )
    status, body = machine("alice").post("/changes", wish(rig, kind, **more))
    error = body["error"]
    assert (status, error["code"]) == (409, "freeze_holds")
    assert re.match(r"Quarter close holds changes here; opens in (2 h|1 h 59 min)\.", error["message"])
    assert error["freezes"] == [{"id": freeze.pk, "name": "Quarter close", "version": 1}]
    assert datetime.fromisoformat(error["opens_at"]) == began + timedelta(hours=3)
    assert "a token cannot" in error["advice"]
    assert error["override_url"] in error["advice"]
    assert not Change.objects.exists()
    path = error["override_url"].removeprefix("http://testserver")
    page = as_("bob").get(path).content.decode()
    assert f'name="override_rules" value="freeze:{freeze.pk}"' in page
    # What the answer advises is taken.
    later = (began + timedelta(hours=3, minutes=1)).isoformat()
    status, body = machine("alice").post("/changes", wish(rig, kind, scheduled_at=later, **more))
    assert status == 201, body


@pytest.mark.django_db
def test_freeze_that_does_not_open_says_so(rig: Rig, machine: Machines) -> None:
    rig.push("v2")
    Freeze.objects.create(
        name="Release days",
        environment="production",
        effect="allow",
        starts_at=timezone.now() - timedelta(days=9),
        duration_minutes=60,
    )
    status, body = machine("alice").post("/changes", wish(rig))
    assert (status, body["error"]["code"], body["error"]["opens_at"]) == (409, "freeze_holds", None)
    assert "does not open by itself" in body["error"]["message"]
    assert "Wait until it is taken away" in body["error"]["advice"]


@pytest.mark.django_db
def test_token_cannot_ask_to_go_past_a_freeze(rig: Rig, machine: Machines) -> None:
    asked = wish(
        rig, override={"kind": "break_glass", "rules": ["freeze:1"], "reason": "It is down, and badly"}
    )
    status, body = machine("bob").post("/changes", asked)
    assert (status, list(body["error"]["fields"])) == (422, ["override"])


@pytest.mark.django_db
def test_plan_shows_everything_and_writes_nothing(rig: Rig, machine: Machines) -> None:
    rig.push("v2")
    asked = {"service": rig.service.arn, "kind": "deploy", "images": {"app": "v2"}}
    status, plan = machine("alice").post("/plans", asked)
    assert status == 200
    assert [call["action"] for call in plan["calls"]] == ["ecs:RegisterTaskDefinition", "ecs:UpdateService"]
    assert plan["cli"][1].startswith("aws ecs update-service")
    assert (plan["refused"], plan["needs_approval"], plan["confirmation"]) == (False, True, "typed")
    assert {"id", "title", "level", "text"} == set(plan["checks"][0])
    assert plan["churn"]["tasks_started"] == 2
    assert not Change.objects.exists()
    assert rig.calls == []


@pytest.mark.django_db
def test_plan_expires(rig: Rig, machine: Machines) -> None:
    asked = {"service": rig.service.arn, "kind": "restart"}
    _, plan = machine("alice").post("/plans", asked)
    made = datetime.fromisoformat(plan["expires_at"]) - timezone.now()
    assert timedelta(minutes=5) < made < timedelta(hours=2)


@pytest.mark.django_db
def test_request_waits_its_turn_or_its_hour_where_it_asks_for_that(dev_rig: Rig, machine: Machines) -> None:
    ci = machine("alice")
    _, first = ci.post("/changes", wish(dev_rig, "restart"))
    status, body = ci.post("/changes", wish(dev_rig, "scale", desired_count=3))
    assert (status, body["error"]["change"]) == (409, first["id"])
    status, body = ci.post("/changes", wish(dev_rig, "scale", desired_count=3, if_busy="queue"))
    assert (status, body["state"]) == (201, "queued")
    later = (timezone.now() + timedelta(hours=2)).isoformat()
    status, body = ci.post("/changes", wish(dev_rig, "scale", desired_count=4, scheduled_at=later))
    assert status == 201
    assert Change.objects.get(pk=body["id"]).scheduled_at is not None
    status, body = ci.post(
        "/changes", wish(dev_rig, "scale", desired_count=5, scheduled_at="2026-01-01T10:00:00")
    )
    assert (status, list(body["error"]["fields"])) == (422, ["scheduled_at"])
    status, body = ci.post("/changes", wish(dev_rig, "restart", if_busy="supersede"))
    assert status == 201
    assert ci.get(f"/changes/{first['id']}")[1]["state"] == "cancelled"


@pytest.mark.django_db
def test_change_is_held_to_the_plan_that_was_looked_at(rig: Rig, machine: Machines) -> None:
    rig.push("v2")
    rig.push("v3")
    ci = machine("alice")
    _, plan = ci.post("/plans", {"service": rig.service.arn, "kind": "deploy", "images": {"app": "v2"}})
    status, body = ci.post("/changes", wish(rig, images={"app": "v3"}, plan=plan["id"]))
    assert (status, body["error"]["code"]) == (409, "plan_moved")
    assert ci.post("/changes", wish(rig, plan=plan["id"]))[0] == 201


@pytest.mark.django_db
def test_plain_value_is_sealed_and_never_comes_back(rig: Rig, machine: Machines, caplog: Any) -> None:
    ci = machine("alice")
    spec = {"containers": {"app": {"environment": {"API_TOKEN": CANARY, "LOG_LEVEL": None}}}}
    status, plan = ci.post("/plans", {"service": rig.service.arn, "kind": "deploy", "spec": spec})
    assert status == 200
    status, body = ci.post("/changes", wish(rig, images={}, spec=spec), key="k")
    assert status == 201
    change = Change.objects.get()
    entry = change.spec["containers"]["app"]["environment"]["API_TOKEN"]
    assert open_sealed(entry) == CANARY
    stored = json.dumps(
        [list(model.objects.values()) for model in (Change, Attempt, AuditEntry)], default=str
    )
    shown = json.dumps([plan, body, ci.get(f"/changes/{change.pk}"), ci.get("/changes")])
    assert CANARY not in stored + shown + caplog.text
    # Sealing the same value twice gives two texts; the key still knows the request.
    assert ci.post("/changes", wish(rig, images={}, spec=spec), key="k") == (200, body)


@pytest.mark.django_db
def test_any_member_of_the_definition_is_taken_and_its_values_sealed(rig: Rig, machine: Machines) -> None:
    ci = machine("alice")
    environment = [{"name": "LOG_LEVEL", "value": {"keep": True}}, {"name": "API_TOKEN", "value": CANARY}]
    app = {"environment": environment, "stopTimeout": 30, "command": ["serve", "--password", CANARY]}
    spec = {"definition": {"containerDefinitions": {"app": app}}, "service": {"enableExecuteCommand": True}}
    status, plan = ci.post("/plans", {"service": rig.service.arn, "kind": "deploy", "spec": spec})
    assert status == 200
    status, body = ci.post("/changes", wish(rig, images={}, spec=spec))
    assert status == 201
    change = Change.objects.get()
    assert list(change.spec["containers"]["app"]["environment"]) == ["API_TOKEN"]
    assert change.spec["definition"]["containerDefinitions"]["app"]["stopTimeout"] == 30
    assert change.spec["service"] == {"enableExecuteCommand": True}
    stored = json.dumps(
        [list(model.objects.values()) for model in (Change, Attempt, AuditEntry)], default=str
    )
    assert CANARY not in stored + json.dumps([plan, body, ci.get(f"/changes/{change.pk}")])


@pytest.mark.django_db
def test_command_and_log_options_are_fields_of_a_container(rig: Rig, machine: Machines) -> None:
    ci = machine("alice")
    app = {
        "command": ["serve", "--password", CANARY],
        "entry_point": [],
        "log_configuration": {
            "logDriver": "splunk",
            "options": {"splunk-token": CANARY, "splunk-url": "https://logs.example"},
        },
    }
    status, body = ci.post("/changes", wish(rig, images={}, spec={"containers": {"app": app}}))
    assert status == 201
    asked = Change.objects.get().spec["definition"]["containerDefinitions"]["app"]
    assert asked["command"][:2] == ["serve", "--password"]
    assert asked["logConfiguration"]["options"]["splunk-url"] == "https://logs.example"
    stored = json.dumps(
        [list(model.objects.values()) for model in (Change, Attempt, AuditEntry)], default=str
    )
    assert CANARY not in stored + json.dumps([body, ci.get("/changes")])
    wrong = {"containers": {"app": {"command": f"serve {CANARY}", "log_configuration": {"options": {}}}}}
    status, body = ci.post("/changes", wish(rig, images={}, spec=wrong))
    assert (status, sorted(body["error"]["fields"])) == (422, ["app.command", "app.log_configuration"])
    assert CANARY not in json.dumps(body)


@pytest.mark.django_db
def test_refused_request_does_not_repeat_what_was_sent(dev_rig: Rig, machine: Machines) -> None:
    for spec in (
        {"containers": {"app": {"environment": {"A": [CANARY]}}}},
        {"containers": {"nope": {"environment": {"A": CANARY}}}},
        {"containers": {"app": {"environment": {"A": {"sealed": CANARY, "fingerprint": "00000000"}}}}},
    ):
        status, body = machine("alice").post("/changes", wish(dev_rig, spec=spec))
        assert status == 422
        assert CANARY not in json.dumps(body)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"kind": "destroy"}, "kind"),
        ({"images": {"other": "v2"}}, "other"),
        ({"images": {"app": "no such tag"}}, "images.app"),
        ({"colour": "blue"}, "colour"),
        ({"desired_count": "many"}, "desired_count"),
    ],
)
def test_request_that_cannot_be_meant_is_named_by_its_field(
    dev_rig: Rig, machine: Machines, more: dict[str, Any], field: str
) -> None:
    status, body = machine("alice").post("/changes", {**wish(dev_rig), **more})
    assert (status, list(body["error"]["fields"])) == (422, [field])


@pytest.mark.django_db
def test_body_that_is_no_json_is_said_so(dev_rig: Rig, machine: Machines) -> None:
    ci = machine("alice")
    answer = ci.client.post("/api/v1/changes", "{", content_type="application/json", headers=ci.headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_request")


@pytest.mark.django_db
def test_image_that_does_not_exist_is_refused(dev_rig: Rig, machine: Machines) -> None:
    status, body = machine("alice").post("/changes", wish(dev_rig, images={"app": "v99"}))
    assert (status, body["error"]["code"]) == (409, "change_refused")
    assert "not in ECR" in body["error"]["message"]


@pytest.mark.django_db
def test_scale_restart_rollback_and_stop_task(dev_rig: Rig, machine: Machines) -> None:
    ci = machine("alice")
    for kind, more in (("scale", {"desired_count": 3}), ("restart", {})):
        status, body = ci.post("/changes", wish(dev_rig, kind, **more))
        assert status == 201, body
        assert dev_rig.until(fresh(Change.objects.get(pk=body["id"]))).state == "succeeded"
        dev_rig.sync()
    task = dev_rig.service.tasks.filter(last_status="RUNNING").first()
    assert task is not None
    status, body = ci.post("/changes", wish(dev_rig, "stop_task", task=task.arn))
    assert (status, body["kind"]) == (201, "stop_task")
    dev_rig.push("v2")
    deployed = dev_rig.until(dev_rig.deploy("v2"))
    assert deployed.state == "succeeded"
    dev_rig.sync()
    status, body = ci.post("/changes", wish(dev_rig, "rollback"))
    assert status == 201, body
    assert "checkout-api:1" in body["title"]


@pytest.mark.django_db
def test_rollback_with_nothing_to_return_to_says_so(dev_rig: Rig, machine: Machines) -> None:
    status, body = machine("alice").post("/changes", wish(dev_rig, "rollback"))
    assert (status, list(body["error"]["fields"])) == (422, ["service_deployment"])


@pytest.mark.django_db
def test_running_change_is_rolled_back_and_waiting_one_cancelled(dev_rig: Rig, machine: Machines) -> None:
    dev_rig.push("v2")
    ci = machine("alice")
    _, body = ci.post("/changes", wish(dev_rig))
    status, body = ci.post(f"/changes/{body['id']}/cancel", {"reason": "not yet"})
    assert (status, body["state"]) == (200, "cancelled")
    assert "not yet" in body["outcome"]
    assert ci.post(f"/changes/{body['id']}/cancel")[0] == 409
    _, body = ci.post("/changes", wish(dev_rig))
    change = dev_rig.until(fresh(Change.objects.get(pk=body["id"])), "running")
    status, body = ci.post(f"/changes/{change.pk}/rollback", {"reason": "too slow"})
    assert (status, body["state"]) == (200, "rolling_back")
    assert dev_rig.until(fresh(change)).state == "rolled_back"


@pytest.mark.django_db
def test_token_cannot_approve_not_even_a_release_managers(rig: Rig, machine: Machines) -> None:
    rig.push("v2")
    _, body = machine("alice").post("/changes", wish(rig))
    status, refused = machine("bob").post(f"/changes/{body['id']}/approve")
    assert (status, refused["error"]["code"]) == (403, "approval_refused")
    assert "second person" in refused["error"]["message"]
    assert Change.objects.get().state == "awaiting_approval"


@pytest.mark.django_db
def test_what_a_revoked_token_asked_for_is_not_begun(dev_rig: Rig, machine: Machines) -> None:
    dev_rig.push("v2")
    ci = machine("alice")
    _, body = ci.post("/changes", wish(dev_rig))
    revoke_token(token=ci.token, actor="erin")
    assert ci.get(f"/changes/{body['id']}")[0] == 401
    change = dev_rig.wake(Change.objects.get(pk=body["id"]))
    assert (change.state, dev_rig.calls) == ("cancelled", [])
    assert "was revoked" in change.outcome


@pytest.mark.django_db
def test_ledger_names_the_token_beside_its_owner(dev_rig: Rig, machine: Machines) -> None:
    dev_rig.push("v2")
    ci = machine("alice")
    ci.post("/changes", wish(dev_rig))
    entry = AuditEntry.objects.get(action="change.requested")
    assert (entry.actor, entry.data["by_token"]) == ("alice", ci.token.prefix)


Act = Callable[[Any, Any, int], tuple[int, dict[str, Any]]]
ACTS: dict[str, Act] = {
    "see": lambda m, arn, pk: m.get(f"/services/{arn}"),
    "follow": lambda m, arn, pk: m.get(f"/changes/{pk}"),
    "plan": lambda m, arn, pk: m.post("/plans", {"service": arn, "kind": "restart"}),
    "ask": lambda m, arn, pk: m.post("/changes", {"service": arn, "kind": "restart"}),
    "cancel": lambda m, arn, pk: m.post(f"/changes/{pk}/cancel"),
    "rollback": lambda m, arn, pk: m.post(f"/changes/{pk}/rollback"),
    "approve": lambda m, arn, pk: m.post(f"/changes/{pk}/approve"),
}
PEOPLE = ("mallory", "carol", "alice", "bob", "dan", "erin")
# What a token answers, in the order of PEOPLE; alice has asked for the change, which still waits.
MATRIX = {
    ("see", "read"): (404, 200, 200, 200, 200, 200),
    ("see", "operate"): (404, 200, 200, 200, 200, 200),
    ("follow", "read"): (404, 200, 200, 200, 200, 200),
    ("follow", "operate"): (404, 200, 200, 200, 200, 200),
    ("plan", "read"): (404, 403, 403, 403, 403, 403),
    ("plan", "operate"): (404, 403, 200, 200, 403, 403),
    ("ask", "read"): (404, 403, 403, 403, 403, 403),
    ("ask", "operate"): (404, 403, 409, 409, 403, 403),
    ("cancel", "read"): (404, 403, 403, 403, 403, 403),
    ("cancel", "operate"): (404, 403, 200, 200, 403, 403),
    ("rollback", "read"): (404, 403, 403, 403, 403, 403),
    ("rollback", "operate"): (404, 403, 409, 409, 403, 403),
    ("approve", "read"): (404, 403, 403, 403, 403, 403),
    ("approve", "operate"): (404, 403, 403, 403, 403, 403),
}


@pytest.mark.django_db
@pytest.mark.parametrize(("act", "scope"), MATRIX)
def test_each_token_may_what_its_scope_and_its_owner_may(
    people: dict[str, User], machine: Machines, act: str, scope: str
) -> None:
    service = make_service()
    answers = []
    for person in PEOPLE:
        change = make_change(service, people["alice"])
        status, body = ACTS[act](machine(person, scope), service.arn, change.pk)
        answers.append(status)
        if status == 403 and act != "approve":
            assert body["error"]["permission"].split(".")[0] in ("service", "change")
            assert AuditEntry.objects.order_by("-seq")[0].outcome == "refused"
        Change.objects.all().delete()
    assert tuple(answers) == MATRIX[act, scope]
