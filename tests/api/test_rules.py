"""What holds requests of the API up: confirmation, freezes, people who decide, and the scope of a token."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from access.tokens import revoke_token
from audit.models import AuditEntry
from deployments.models import Change, Freeze
from tests.api.conftest import Machines
from tests.api.test_changes import wish
from tests.builders import make_change, make_service
from tests.deployments.rig import Rig

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


@pytest.mark.django_db
@pytest.mark.parametrize(
    "hour", ["2020-01-01T00:00:00Z", "2100-01-01T00:00:00Z", "9999-12-31T23:59:59-12:00"]
)
@pytest.mark.parametrize("path", ["/plans", "/changes"])
def test_hour_that_cannot_be_meant_is_named(dev_rig: Rig, machine: Machines, path: str, hour: str) -> None:
    asked = {"service": dev_rig.service.arn, "kind": "restart", "scheduled_at": hour}
    status, body = machine("alice").post(path, asked)
    assert (status, list(body["error"]["fields"])) == (422, ["scheduled_at"])
