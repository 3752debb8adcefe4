"""The pages of policies: who may write one, what stays in the form, what nobody could satisfy."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit.models import AuditEntry
from deployments.models import ApprovalPolicy
from tests.builders import make_service
from tests.conftest import SignedIn
from tests.deployments.governing import make_policy, only_policy

pytestmark = pytest.mark.django_db
TYPED: dict[str, Any] = {
    "name": "Payments",
    "subjects": ["deploy", "scale"],
    "environment": "production",
    "cluster": "prod-*",
    "approvals": "1",
    "eligible": ["role:release_manager"],
    "expiry_hours": "12",
    "wait_minutes": "5",
    "ticket_pattern": r"OPS-\d+",
    "needs_reason": "on",
}


def text_of(client: Client, url: str) -> str:
    return client.get(url).content.decode()


def test_admin_sets_a_policy_up(as_: SignedIn) -> None:
    make_service()
    answer = as_("erin").post("/policies/add/", TYPED)
    assert answer.status_code == 303
    saved = ApprovalPolicy.objects.get(name="Payments")
    assert (saved.version, saved.subjects, saved.cluster, saved.wait_minutes) == (
        1,
        ["deploy", "scale"],
        "prod-*",
        5,
    )
    assert AuditEntry.objects.filter(action="policy.added", target="policy-Payments").exists()
    page = text_of(as_("carol"), "/policies/")
    assert "Payments" in page
    assert "1 of release managers" in page
    assert "New policy" not in page
    assert "/edit/" not in page


@pytest.mark.parametrize("name", ["alice", "bob", "carol", "dan"])
def test_nobody_but_an_admin_writes_one(as_: SignedIn, name: str) -> None:
    policy = make_policy()
    for url in ("/policies/add/", f"/policies/{policy.pk}/edit/"):
        answer = as_(name).post(url, TYPED)
        assert answer.status_code == 403
        assert "policy.manage" in answer.content.decode()
    assert as_(name).post(f"/policies/{policy.pk}/retire/", {"reason": "no"}).status_code == 403
    assert ApprovalPolicy.objects.filter(name="Payments").count() == 0
    assert as_(name).get(f"/policies/{policy.pk}/").status_code == 200


def test_form_keeps_what_was_typed_and_names_each_error(as_: SignedIn) -> None:
    wrong = {**TYPED, "approvals": "9", "ticket_pattern": "OPS-(", "cluster": "kept-*", "account_id": "12"}
    answer = as_("erin").post("/policies/add/", wrong)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "An account id has 12 digits." in page
    answer = as_("erin").post("/policies/add/", {**wrong, "account_id": ""})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "Give a number from 0 to 5." in page
    assert "That is no regular expression" in page
    assert 'value="kept-*"' in page
    assert 'value="scale" checked' in page
    assert 'value="restart" checked' not in page
    assert not ApprovalPolicy.objects.filter(name="Payments").exists()


def test_name_that_is_taken_is_an_error_at_the_name(as_: SignedIn) -> None:
    make_policy("Payments")
    answer = as_("erin").post("/policies/add/", TYPED)
    assert answer.status_code == 422
    assert "There is a policy Payments already" in answer.content.decode()


def test_edit_is_a_new_version_with_its_differences(as_: SignedIn) -> None:
    policy = make_policy("Payments", approvals=1)
    form = text_of(as_("erin"), f"/policies/{policy.pk}/edit/")
    assert 'value="deploy" checked' in form
    assert "Save version 2" in form
    typed = {**TYPED, "subjects": ["deploy"], "wait_minutes": "90", "approvals": "1", "eligible": []}
    answer = as_("erin").post(f"/policies/{policy.pk}/edit/", typed)
    assert answer.status_code == 303
    newest = ApprovalPolicy.objects.get(name="Payments", superseded_at=None)
    assert newest.version == 2
    page = text_of(as_("carol"), f"/policies/{policy.pk}/")
    assert "<s>none</s>" in page
    assert "<strong>1 h 30 min</strong>" in page
    # Where the versions agree there is nothing to tell.
    assert "<dt>Asked for by</dt>" in page
    assert page.count("<dt>Asked for by</dt>") == 1


def test_newer_version_of_somebody_else_stands_and_what_was_typed_stays(as_: SignedIn) -> None:
    policy = make_policy("Payments")
    assert as_("erin").post(f"/policies/{policy.pk}/edit/", TYPED).status_code == 303
    late = {**TYPED, "cluster": "typed-late-*"}
    answer = as_("erin").post(f"/policies/{policy.pk}/edit/", late)
    page = answer.content.decode()
    assert answer.status_code == 409
    assert 'value="typed-late-*"' in page
    assert "Nothing was saved." in page
    newest = ApprovalPolicy.objects.get(name="Payments", superseded_at=None)
    assert f"/policies/{newest.pk}/edit/" in page
    assert (newest.version, newest.cluster) == (2, "prod-*")


def test_policy_that_nobody_could_satisfy_is_saved_only_when_that_was_seen(as_: SignedIn) -> None:
    make_service()
    Group.objects.create(name="sre")
    typed = {**TYPED, "must_include": ["group:sre"]}
    answer = as_("erin").post("/policies/add/", typed)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "Nobody could satisfy this." in page
    assert "one of the group sre (Payments)" in page
    assert "checkout-api in prod-core" in page
    assert not ApprovalPolicy.objects.filter(name="Payments").exists()
    assert as_("erin").post("/policies/add/", {**typed, "all_the_same": "yes"}).status_code == 303
    assert "Nobody could satisfy it" in text_of(as_("carol"), "/policies/")


def test_policy_that_somebody_can_satisfy_is_not_flagged(as_: SignedIn) -> None:
    make_service()
    only_policy(eligible=["role:release_manager"])
    assert "Nobody could satisfy" not in text_of(as_("carol"), "/policies/")


def test_retiring_needs_a_reason_and_keeps_the_versions(as_: SignedIn) -> None:
    policy = make_policy("Payments")
    assert as_("erin").post(f"/policies/{policy.pk}/retire/", {"reason": " "}).status_code == 303
    policy.refresh_from_db()
    assert not policy.is_retired
    answer = as_("erin").post(f"/policies/{policy.pk}/retire/", {"reason": "Merged into another"})
    assert answer.status_code == 303
    assert AuditEntry.objects.get(action="policy.retired").reason == "Merged into another"
    assert "Retired" in text_of(as_("carol"), f"/policies/{policy.pk}/")
    assert as_("erin").get(f"/policies/{policy.pk}/edit/").status_code == 409


def test_old_sign_in_has_to_be_confirmed_and_carries_what_was_typed(as_: SignedIn, settings: Any) -> None:
    settings.STEP_UP = timedelta(minutes=15)
    client = as_("erin")
    session = client.session
    session["authenticated_at"] = (timezone.now() - timedelta(hours=1)).isoformat()
    session.save()
    answer = client.post("/policies/add/", TYPED)
    assert not ApprovalPolicy.objects.filter(name="Payments").exists()
    assert 'name="cluster" value="prod-*"' in answer.content.decode()


def test_list_costs_the_same_however_many_there_are(as_: SignedIn) -> None:
    client = as_("erin")
    only_policy()
    make_service()
    client.get("/policies/")
    counts = []
    for number in range(2):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert client.get("/policies/").status_code == 200
        counts.append(len(queries))
        for more in range(4):
            make_policy(f"More {number} {more}")
            make_service(f"more-{number}-{more}")
    assert counts[0] == counts[1]
    assert counts[0] <= 12
