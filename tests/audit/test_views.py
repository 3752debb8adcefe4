from __future__ import annotations

import csv
import io
import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone

from audit import checking, checkpoints, copies
from audit.actions import record
from audit.keys import SigningKey
from audit.models import AuditEntry
from audit.queries import entries_between
from audit.tables import safe_cell
from tests.audit.tampering import tamper
from tests.audit.test_export import verify
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


def test_verification_is_asked_for_and_done_by_a_worker(as_: SignedIn, key: SigningKey) -> None:
    client = as_("dan")
    page = client.get(reverse("audit")).content.decode()
    assert "Not verified yet" in page
    answer = client.post(reverse("audit-verify"), headers={"HX-Request": "true"})
    assert "Verifying, asked" in answer.content.decode()
    checkpoints.seal_due(timezone.now())
    result = checking.verify_due(timezone.now())
    assert result is not None
    assert checking.verify_due(timezone.now()) is None, "asked once, done once"
    page = client.get(reverse("audit")).content.decode()
    assert f"Verified through entry {result.entries}" in page
    assert f"signs everything through entry {result.signed_through}" in page
    assert key.key_id in page
    assert "Not copied anywhere" in page


def test_a_broken_ledger_is_said_at_the_top(as_: SignedIn, key: SigningKey) -> None:
    record(action="change.requested", actor="alice", target="CR-1")
    client = as_("dan")
    tamper("UPDATE audit_auditentry SET reason = 'edited' WHERE seq = 1")
    checking.verify_due(timezone.now())
    page = client.get(reverse("audit-seal")).content.decode()
    assert "Broken at entry 1: its columns differ from what was hashed: reason" in page
    assert "Verified through" not in page


def test_a_verification_that_fails_is_shown_and_raised(
    as_: SignedIn, key: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*args: object) -> None:
        raise RuntimeError("the disk is gone")

    monkeypatch.setattr(checking, "verify_ledger", fails)
    with pytest.raises(RuntimeError):
        checking.verify_due(timezone.now())
    page = as_("dan").get(reverse("audit-seal")).content.decode()
    assert "Not verified" in page
    assert "RuntimeError: the disk is gone" in page


def test_what_prevents_signing_and_copying_is_shown(as_: SignedIn, settings: Any, tmp_path: Path) -> None:
    settings.LEDGER_KEY_FILE, settings.LEDGER_KEY_IS_MADE = str(tmp_path / "none.pem"), False
    client = as_("dan")
    checkpoints.seal_due(timezone.now())
    page = client.get(reverse("audit-seal")).content.decode()
    assert "Not signed" in page
    assert "none.pem cannot be read" in page
    settings.LEDGER_KEY_IS_MADE = True
    (tmp_path / "full").write_text("")
    settings.LEDGER_COPY_DIR = str(tmp_path / "full")
    checkpoints.seal_due(timezone.now() + timedelta(minutes=1))
    copies.copy_due(timezone.now())
    page = client.get(reverse("audit-seal")).content.decode()
    assert "Not copied" in page
    assert "next try" in page


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


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        " =1",
        "\u200b=1",
        "\ufeff@x",
        "\uff1d1+1",
        "\uff0b1",
        "\u00a0-1",
        '"=1',
        "\u2062\u2003=1",
    ],
)
def test_a_cell_that_a_spreadsheet_would_run_is_text(text: str) -> None:
    assert safe_cell(text).startswith("'")
    assert not set("\r\n\t") & set(safe_cell(text))


@pytest.mark.parametrize("text", ["OPS-1;=1+1", "a; \uff1d1", 'fix;"=1"', ";;\t@x", "-1;+1"])
def test_a_cell_that_is_taken_apart_at_semicolons_is_text_in_each_part(text: str) -> None:
    parts = safe_cell(text).split(";")
    assert len(parts) == len(text.split(";"))
    assert parts[-1].startswith("'")
    assert not {part.strip()[:1] for part in parts} & set("=+-@")


def test_an_export_with_a_filter_that_cannot_be_used_exports_nothing(as_: SignedIn) -> None:
    record(action="change.requested", actor="alice", target="CR-1")
    for view in ("audit-export", "audit-export-json"):
        answer = as_("dan").get(reverse(view), {"since": "2026-13-40"})
        assert answer.status_code == 400
        assert "valid date" in answer.content.decode()
    assert not AuditEntry.objects.filter(action="audit.exported").exists()


@pytest.mark.parametrize("text", ["checkout-api", "2026-11-26", "a=b", "", "CR-12", "a; b", "it's"])
def test_a_harmless_cell_stays_as_it_is(text: str) -> None:
    assert safe_cell(text) == text


def test_json_has_what_the_filters_show(as_: SignedIn) -> None:
    record(action="change.requested", actor="alice", target="CR-1", data={"n": 1})
    record(action="change.approved", actor="bob", target="CR-1")
    client = as_("dan")
    answer = client.get(reverse("audit-export-json"), {"actor": "alice", "action": "change."})
    rows = json.loads(b"".join(answer.streaming_content))  # type: ignore[attr-defined]
    assert [(row["actor"], row["data"]) for row in rows] == [("alice", {"n": 1})]
    entry = AuditEntry.objects.get(action="audit.exported")
    assert entry.data == {"format": "json", "filters": {"actor": "alice", "action": "change."}}
    answer = client.get(reverse("audit-export-json"), {"actor": "nobody"})
    assert json.loads(b"".join(answer.streaming_content)) == []  # type: ignore[attr-defined]


def test_the_signed_export_verifies_without_the_console(
    as_: SignedIn, key: SigningKey, tmp_path: Path
) -> None:
    record(action="change.requested", actor="alice", target="CR-1")
    answer = as_("dan").post(reverse("audit-export-signed"))
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(b"".join(answer.streaming_content))  # type: ignore[attr-defined]
    newest = AuditEntry.objects.order_by("-seq")[0]
    assert AuditEntry.objects.get(action="audit.exported", actor="dan").data == {"format": "jsonl"}
    code, text = verify(path, "--key", key.public.hex())
    assert (code, f"Signed through entry {newest.seq}" in text) == (0, True), text


def test_before_and_after_stand_side_by_side(as_: SignedIn) -> None:
    entry = record(
        action="policy.changed",
        actor="alice",
        data={"policy_version": 4, "by": ""},
        before={"approvals": 1, "from": {"roles": ["release_manager"]}},
        after={"approvals": 2, "from": {"roles": ["release_manager"]}},
    )
    url = reverse("audit-entry", args=[entry.seq])
    dock = as_("dan").get(url, headers={"HX-Request": "true"}).content.decode()
    assert dock.strip().startswith('<section class="dock" id="audit-dock"')
    assert '<span class="del">- approvals: 1</span>' in dock
    assert '<span class="add">+ approvals: 2</span>' in dock
    assert '<dt>Policy version</dt><dd class="wrap-any">4</dd>' in dock
    assert "<dt>By</dt>" not in dock
    assert dock.count("[0]: &quot;release_manager&quot;") == 2


def test_the_address_opens_the_dock(as_: SignedIn) -> None:
    entry = record(
        action="change.state", actor="alice", target="CR-7", data={"from": "queued", "to": "running"}
    )
    client = as_("dan")
    page = client.get(reverse("audit"), {"entry": entry.seq}).content.decode()
    assert f'data-dock="entry-{entry.seq}"' in page
    assert "- state: &quot;queued&quot;" in page
    assert reverse("change", args=[7]) in page
    assert "data-dock=" not in client.get(reverse("audit"), {"entry": "x"}).content.decode()


def test_an_entry_whose_bytes_were_edited_is_shown_as_it_is(as_: SignedIn) -> None:
    record(action="change.requested", actor="alice")
    client = as_("dan")
    tamper("UPDATE audit_auditentry SET canonical = 'no json' WHERE seq = 1")
    assert "no json" in client.get(reverse("audit-entry", args=[1])).content.decode()


@pytest.mark.parametrize(
    ("kind", "shown", "hidden"), [("changes", "CR-1", "dump.log"), ("reads", "dump.log", "CR-1")]
)
def test_kinds_gather_actions(as_: SignedIn, kind: str, shown: str, hidden: str) -> None:
    record(action="change.requested", actor="alice", target="CR-1")
    record(action="logs.download", actor="alice", target="dump.log")
    page = as_("dan").get(reverse("audit"), {"kind": kind}).content.decode()
    assert shown in page
    assert hidden not in page


def test_what_an_auditor_looks_for_first_is_counted(as_: SignedIn) -> None:
    record(action="change.overridden", actor="alice", target="CR-1")
    record(action="deployments.attributed", actor="system")
    record(action="access.refused", actor="carol", outcome="refused")
    page = as_("dan").get(reverse("audit")).content.decode()
    counted = {name: int(count) for name, count in re.findall(r"</svg>([A-Z][a-z ]+) <b>(\d+)</b>", page)}
    expected = {"Refused": 1, "Failed": 0, "Outside the console": 1, "Overrides": 1, "Sensitive reads": 0}
    assert counted == expected


def test_entries_of_a_period_come_in_the_order_in_which_they_were_written() -> None:
    moments = []
    for number, action in enumerate(["change.requested", "sign_in.ok", "change.state", "audit.exported"]):
        moments.append(record(action=action, actor="alice", target=str(number)).at)
    found = [entry.target for entry in entries_between(moments[0], moments[3])]
    assert found == ["0", "1", "2"]
    found = [
        entry.target for entry in entries_between(moments[0], moments[3], actions=["change.", "sign_in.ok"])
    ]
    assert found == ["0", "1", "2"]
    later = moments[3] + timedelta(seconds=1)
    assert [
        e.target for e in entries_between(moments[1], later, actions=["audit.exported", "change.st"])
    ] == ["3"]
