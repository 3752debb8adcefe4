"""Changes over the API: asked for, planned, awaited, cancelled and rolled back."""

from __future__ import annotations

import json
import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from audit.models import AuditEntry
from deployments.models import Attempt, Change
from deployments.sealing import open_sealed
from tests.api.conftest import Machines
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
    later = timezone.now().replace(microsecond=0) + timedelta(hours=2)
    status, body = ci.post(
        "/changes", wish(dev_rig, "scale", desired_count=4, scheduled_at=later.isoformat())
    )
    assert (status, datetime.fromisoformat(body["scheduled_at"])) == (201, later)
    assert (body["diagnosis"]["rule"], f"{later:%d %b %H:%M}" in body["diagnosis"]["text"]) == (
        "scheduled",
        True,
    )
    scheduled = dev_rig.wake(Change.objects.get(pk=body["id"]))
    assert scheduled.scheduled_at is not None
    body = ci.get(f"/changes/{scheduled.pk}")[1]
    # Where it stands is said once; no rollout is made up for it.
    assert (body["rollout"], body["diagnosis"]["text"].startswith("Begins at")) == (None, True)
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
@pytest.mark.parametrize(
    ("kind", "more", "field"),
    [
        ("deploy", {"desired_count": 4}, "desired_count"),
        ("restart", {"images": {"app": "v2"}}, "images"),
        ("restart", {"task": "abc"}, "task"),
        ("restart", {"spec": {"images": {"app": "v2"}}}, "spec.images"),
        ("scale", {"desired_count": 3, "service_deployment": "arn:x"}, "service_deployment"),
        ("scale", {"desired_count": 3, "spec": {"min": 2}}, "spec.min"),
        ("rollback", {"spec": {"in_flight": True, "to": 3}}, "spec.to"),
        ("stop_task", {"task": "abc", "spec": {"reason": "x"}}, "spec.reason"),
        ("run_task", {"desired_count": 2}, "desired_count"),
        ("run_task", {"spec": {"overrides": {"containerOverrides": []}}}, "spec.overrides"),
        ("run_task", {"spec": {"containers": {"app": {"comand": ["migrate"]}}}}, "app.comand"),
        ("continue", {"spec": {"hook": "x"}}, "spec.hook"),
    ],
)
@pytest.mark.parametrize("path", ["/plans", "/changes"])
def test_what_a_kind_of_change_would_leave_out_is_refused(
    dev_rig: Rig, machine: Machines, path: str, kind: str, more: dict[str, Any], field: str
) -> None:
    status, body = machine("alice").post(path, {"service": dev_rig.service.arn, "kind": kind, **more})
    assert (status, list(body["error"]["fields"])) == (422, [field])
    assert not Change.objects.exists()


@pytest.mark.django_db
def test_body_that_is_no_json_is_said_so(dev_rig: Rig, machine: Machines) -> None:
    ci = machine("alice")
    answer = ci.client.post("/api/v1/changes", "{", content_type="application/json", headers=ci.headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_request")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 100_000, "nested too deeply"),
        *[('{"a":' * n + "1" + "}" * n, "nested too deeply") for n in (5000, 700)],
        ('{"reason": "' + "x" * 3_000_000 + '"}', "more than 2.6 MB"),
    ],
)
def test_body_that_is_too_deep_or_too_large_is_said_so_in_the_one_shape(
    dev_rig: Rig, machine: Machines, text: str, said: str
) -> None:
    ci = machine("alice")
    answer = ci.client.post("/api/v1/changes", text, content_type="application/json", headers=ci.headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_request")
    assert said in answer.json()["error"]["message"]


@pytest.mark.django_db
@pytest.mark.parametrize("levels", [100, 200, 250, 300, 350, 400, 450])
def test_spec_of_any_depth_is_answered(dev_rig: Rig, machine: Machines, levels: int) -> None:
    deep: Any = "1"
    for _ in range(levels):
        deep = {"a": deep}
    asked = wish(dev_rig, spec={"definition": {"containerDefinitions": {"app": {"dockerLabels": deep}}}})
    assert machine("alice").post("/changes", asked)[0] in (400, 422)


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
