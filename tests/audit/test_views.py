from __future__ import annotations

import csv
import io

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from audit.actions import record
from audit.models import AuditEntry
from tests.conftest import SignedIn

pytestmark = pytest.mark.django_db


def test_auditor_sees_entries_newest_first(as_: SignedIn) -> None:
    record(action="change.requested", actor="alice", target="CR-1")
    record(action="change.approved", actor="bob", target="CR-1")
    page = as_("dan").get(reverse("audit")).content.decode()
    assert page.index("change.approved") < page.index("change.requested")


@pytest.mark.parametrize("name", ["alice", "bob", "carol", "erin", "mallory"])
def test_others_are_refused_and_the_refusal_is_recorded(as_: SignedIn, name: str) -> None:
    answer = as_(name).get(reverse("audit"))
    assert answer.status_code == 403
    assert "auditor" in answer.content.decode()
    assert AuditEntry.objects.filter(action="access.refused", actor=name).count() == 1


@pytest.mark.parametrize(
    ("query", "shown", "hidden"),
    [
        ({"actor": "alice"}, "CR-1", "CR-2"),
        ({"action": "change.app"}, "CR-2", "CR-1"),
        ({"outcome": "refused"}, "CR-2", "CR-1"),
        ({"q": "memory leak"}, "CR-1", "CR-2"),
        ({"since": "2999-01-01"}, "No entry matches", "CR-1"),
        ({"since": "not a date"}, "Enter a valid date", "no such text"),
    ],
)
def test_filters_are_in_the_address(as_: SignedIn, query: dict[str, str], shown: str, hidden: str) -> None:
    record(action="change.requested", actor="alice", target="CR-1", reason="fixes the memory leak")
    record(action="change.approved", actor="bob", target="CR-2", outcome="refused")
    page = as_("dan").get(reverse("audit"), query).content.decode()
    assert shown in page
    assert hidden not in page


def test_fragment_is_the_table_alone(as_: SignedIn) -> None:
    record(action="change.requested", actor="alice", target="CR-1")
    answer = as_("dan").get(reverse("audit"), headers={"HX-Request": "true"})
    assert answer.content.decode().strip().startswith('<div id="audit-entries">')
    assert "HX-Request" in answer["Vary"]


def test_hostile_text_is_shown_as_text(as_: SignedIn) -> None:
    record(action="change.requested", actor="<script>alert(1)</script>", target='"><img src=x>')
    page = as_("dan").get(reverse("audit")).content.decode()
    assert "<script>alert" not in page
    assert "<img src=x>" not in page


def test_verify_says_how_far_the_chain_holds(as_: SignedIn) -> None:
    assert (
        "Chain verified through entry" in as_("dan").get(reverse("audit"), {"verify": "1"}).content.decode()
    )


def test_entry_shows_the_hashed_bytes(as_: SignedIn) -> None:
    entry = record(action="change.requested", actor="alice", target="CR-9", data={"kind": "deploy"})
    page = as_("dan").get(reverse("audit-entry", args=[entry.seq])).content.decode()
    assert entry.hash in page
    assert "&quot;kind&quot;: &quot;deploy&quot;" in page


def test_export_is_safe_for_a_spreadsheet_and_recorded(as_: SignedIn, people: dict[str, User]) -> None:
    record(action="change.requested", actor="=HYPERLINK(1)", target="@SUM(A1)", reason="-1+1")
    answer = as_("dan").get(reverse("audit-export"))
    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))  # type: ignore[attr-defined]
    hostile = next(row for row in rows if "HYPERLINK" in row["actor"])
    assert (hostile["actor"], hostile["target"], hostile["reason"]) == (
        "'=HYPERLINK(1)",
        "'@SUM(A1)",
        "'-1+1",
    )
    assert AuditEntry.objects.filter(action="audit.exported", actor="dan").exists()


def test_list_costs_a_fixed_number_of_queries(as_: SignedIn, django_assert_max_num_queries: object) -> None:
    for number in range(60):
        record(action="change.requested", actor="alice", target=f"CR-{number}")
    client = as_("dan")
    with django_assert_max_num_queries(9):  # type: ignore[operator]
        client.get(reverse("audit"), headers={"HX-Request": "true"})
