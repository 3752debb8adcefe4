"""Reports as files and pages: the same from the database and from an export, and what handing one out leaves behind."""

from __future__ import annotations

import csv
import io
import json
from datetime import date
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.models import AuditEntry
from deployments.reports.entries import DatabaseLedger
from deployments.reports.output import REPORTS
from deployments.reports.scope import Scope
from tests.conftest import SignedIn
from tests.deployments.told_world import Told

pytestmark = pytest.mark.django_db
JULY = Scope(date(2026, 7, 1), date(2026, 7, 31))
PERIOD = "?since=2026-07-01&until=2026-07-31"


def everything(told: Told) -> None:
    """Leave something of everything in the ledger."""
    told.change()
    told.attribute(told.see())
    told.review(told.change(override="change.overridden"))
    told.take_away(told.grant("carol", "release_manager"))
    told.write("sign_in.ok", told.people["dan"], None, target="dan")


def test_a_table_has_the_members_of_its_json(told: Told) -> None:
    everything(told)
    for report in REPORTS.values():
        rows = report.make(DatabaseLedger(), JULY).rows
        assert rows
        assert all(list(report.row(row)) == report.columns for row in rows)


def test_an_export_of_an_empty_period_still_has_its_columns(told: Told, as_: SignedIn) -> None:
    for name, column in (("population", "exceptions"), ("access", "granted_by"), ("overrides", "review")):
        where = "&cluster=nothing&account_id=999999999999"
        answer = as_("dan").get(f"/audit/reports/{name}.csv?since=2020-01-01&until=2020-01-02{where}")
        assert column in b"".join(answer.streaming_content).decode().splitlines()[0].split(",")


def test_a_file_that_was_saved_by_an_editor_gives_the_same_report(told: Told, tmp_path: Path) -> None:
    everything(told)
    ledger, saved = tmp_path / "ledger.jsonl", tmp_path / "saved.jsonl"
    call_command("audit_export", str(ledger))
    saved.write_bytes(b"\xef\xbb\xbf" + ledger.read_bytes().replace(b"\n", b"\r\n") + b"\r\n")
    for source in (ledger, saved):
        made = source.with_suffix(".json")
        call_command("audit_report", "population", "--ledger", str(source), "--json", str(made))
    assert (tmp_path / "saved.json").read_bytes() == (tmp_path / "ledger.json").read_bytes()


@pytest.mark.parametrize("name", ["population", "access", "overrides"])
def test_an_exported_ledger_alone_gives_the_same_bytes(told: Told, tmp_path: Path, name: str) -> None:
    everything(told)
    period = ["--from", "2026-07-01", "--to", "2026-07-31"]
    first, second, ledger = tmp_path / "first.json", tmp_path / "second.json", tmp_path / "ledger.jsonl"
    call_command("audit_report", name, *period, "--json", str(first))
    call_command("audit_export", str(ledger))
    head = json.loads(first.read_text())["ledger"]["head_seq"]
    with CaptureQueriesContext(
        connection,
    ) as queries:
        call_command(
            "audit_report",
            name,
            *period,
            "--ledger",
            str(ledger),
            "--through",
            str(head),
            "--json",
            str(second),
        )
    assert second.read_bytes() == first.read_bytes()
    assert len(json.loads(first.read_text())["rows"]) > 0
    assert len(queries) == 0


def test_the_page_hands_out_the_same_bytes_as_the_command(told: Told, as_: SignedIn, tmp_path: Path) -> None:
    everything(told)
    dan = as_("dan")
    answer = dan.get(f"/audit/reports/population.json{PERIOD}&cluster=prod-*")
    shown = b"".join(answer.streaming_content)
    head = json.loads(shown)["ledger"]["head_seq"]
    path = tmp_path / "again.json"
    period = ["--from", "2026-07-01", "--to", "2026-07-31", "--cluster", "prod-*"]
    call_command("audit_report", "population", *period, "--through", str(head), "--json", str(path))
    assert path.read_bytes() == shown
    assert json.loads(shown)["filter"] == {"from": "2026-07-01", "to": "2026-07-31", "cluster": "prod-*"}


def test_a_file_that_was_tampered_with_gives_no_report(told: Told, tmp_path: Path) -> None:
    everything(told)
    ledger = tmp_path / "ledger.jsonl"
    call_command("audit_export", str(ledger))
    ledger.write_text(ledger.read_text().replace("Release 7", "Release 8", 1))
    with pytest.raises(CommandError, match="broken at entry"):
        call_command(
            "audit_report", "population", "--ledger", str(ledger), "--json", str(tmp_path / "x.json")
        )
    assert not (tmp_path / "x.json").exists()


def test_a_head_that_is_not_there_is_refused(told: Told, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no entry 9999"):
        call_command("audit_report", "population", "--through", "9999")


def test_every_export_is_an_entry_and_looking_is_none(told: Told, as_: SignedIn) -> None:
    everything(told)
    dan = as_("dan")
    before = AuditEntry.objects.count()
    assert dan.get(f"/audit/reports/population/{PERIOD}").status_code == 200
    assert AuditEntry.objects.count() == before
    for ending in ("csv", "json"):
        assert dan.get(f"/audit/reports/overrides.{ending}{PERIOD}").status_code == 200
        entry = AuditEntry.objects.order_by("-seq").first()
        assert entry is not None
        assert (entry.action, entry.actor, entry.data["format"]) == ("audit.exported", "dan", ending)
        assert entry.data["filters"]["from"] == "2026-07-01"


def test_a_filter_that_cannot_be_used_exports_nothing(told: Told, as_: SignedIn) -> None:
    before = AuditEntry.objects.count()
    answer = as_("dan").get("/audit/reports/population.json?since=2026-08-01&until=2026-07-01")
    assert answer.status_code == 400
    assert "ends before it begins" in answer.content.decode()
    assert AuditEntry.objects.filter(action="audit.exported").count() == 0
    assert AuditEntry.objects.count() >= before


def test_no_cell_of_the_csv_is_a_formula(told: Told, as_: SignedIn) -> None:
    told.change(ticket="=HYPERLINK(1)")
    text = b"".join(as_("dan").get(f"/audit/reports/population.csv{PERIOD}").streaming_content).decode()
    (row,) = csv.DictReader(io.StringIO(text))
    assert row["ticket"] == "'=HYPERLINK(1)"
    assert row["origin"].startswith("CR-")
    assert row["approvals"].startswith("bob 2026-07-01")


def test_the_page_counts_first_and_lists_exceptions_on_top(told: Told, as_: SignedIn) -> None:
    everything(told)
    html = as_("dan").get(f"/audit/reports/population/{PERIOD}").content.decode()
    table = html.index("<tbody")
    assert html.index('role="status"') < table
    assert table < html.index("CloudTrail names") < html.index("Matched")
    only = as_("dan").get(f"/audit/reports/population/{PERIOD}&only=outside").content.decode()
    assert "names ci" in only
    assert ">Matched" not in only


@pytest.mark.parametrize("name", ["population", "access", "overrides"])
def test_a_page_costs_the_same_however_long_the_period(told: Told, as_: SignedIn, name: str) -> None:
    dan = as_("dan")

    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert dan.get(f"/audit/reports/{name}/{PERIOD}").status_code == 200
        return len(queries)

    everything(told)
    # The first request of a session writes that it was seen.
    cost()
    few = cost()
    for _ in range(30):
        told.change()
        told.see()
    assert cost() == few
    assert few <= 10
