"""Reports for auditors: what the ledger alone tells, the same from the database and from an export."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from access.resources import Resource
from audit.models import AuditEntry
from deployments.models import Change
from deployments.reports.access_review import access_review
from deployments.reports.entries import DatabaseLedger
from deployments.reports.output import REPORTS
from deployments.reports.overrides import overrides
from deployments.reports.population import Deployment, Population, population
from deployments.reports.scope import Scope
from tests.conftest import SignedIn
from tests.deployments.told_world import RULE, SHOP, Told

pytestmark = pytest.mark.django_db
JULY = Scope(date(2026, 7, 1), date(2026, 7, 31))
PERIOD = "?since=2026-07-01&until=2026-07-31"


@pytest.fixture
def told(people: dict[str, User]) -> Told:
    world = Told(people)
    world.everybody()
    return world


def july() -> Population:
    return population(DatabaseLedger(), JULY)


def kinds(row: Deployment) -> list[str]:
    return [finding.kind for finding in row.findings]


def test_exactly_the_exceptions_are_listed(told: Told) -> None:
    for _ in range(5):
        told.change()
    for _ in range(3):
        told.see()
    for _ in range(2):
        told.change(status="ROLLBACK_SUCCESSFUL", breaker="TRIGGERED")
    overridden = told.change(override="change.overridden")
    binding = told.grant("carol", "release_manager")
    lost = told.change(approvers=("carol",))
    told.take_away(binding)
    told.wait(days=40)
    told.write("audit.exported", place=None)
    found = july()
    assert found.counts == {"deployments": 12, "matched": 7, "exceptions": 5, "rolled_back_by_ecs": 2}
    assert sorted(kind for row in found.exceptions for kind in kinds(row)) == [
        "lost_right",
        "outside",
        "outside",
        "outside",
        "override",
    ]
    by_change = {row.change.number: kinds(row) for row in found.exceptions if row.change}
    assert by_change == {overridden: ["override"], lost: ["lost_right"]}


def test_what_ecs_rolled_back_by_itself_is_no_exception(told: Told) -> None:
    told.change(status="ROLLBACK_SUCCESSFUL", breaker="TRIGGERED")
    (row,) = july().rows
    assert row.is_rolled_back_by_ecs
    assert row.gist[2] == "rolled back by ECS"
    assert not row.findings


def test_one_outside_that_the_breaker_rolled_back_is_one_exception(told: Told) -> None:
    told.see(status="ROLLBACK_SUCCESSFUL", breaker="TRIGGERED")
    (row,) = july().rows
    assert kinds(row) == ["outside"]


def test_a_deployment_outside_names_whom_cloudtrail_names(told: Told) -> None:
    arn = told.see()
    assert "has named nobody" in july().rows[0].findings[0].text
    told.wait(minutes=20)
    told.attribute(arn)
    finding = july().rows[0].findings[0]
    assert "names ci (mallory)" in finding.text
    assert AuditEntry.objects.get(seq=finding.seq).action == "deployments.attributed"


def test_a_right_that_comes_back_before_the_end_is_not_lost(told: Told) -> None:
    binding = told.grant("carol", "release_manager")
    told.change(approvers=("carol",))
    told.take_away(binding)
    assert [kinds(row) for row in july().rows] == [["lost_right"]]
    told.grant("carol", "release_manager")
    assert [kinds(row) for row in july().rows] == [[]]


def test_a_right_lost_after_the_period_counts_in_the_next_one(told: Told) -> None:
    binding = told.grant("carol", "release_manager")
    told.change(approvers=("carol",))
    told.wait(days=40)
    told.take_away(binding)
    assert not july().exceptions
    later = population(DatabaseLedger(), Scope(date(2026, 7, 1), date(2026, 8, 31)))
    assert [kinds(row) for row in later.exceptions] == [["lost_right"]]


def test_an_approver_without_the_right_at_that_moment_is_named(told: Told) -> None:
    told.change(approvers=("carol",))
    assert [kinds(row) for row in july().rows] == [["no_right"]]


def test_clocks_of_two_machines_that_differ_make_no_exception(told: Told) -> None:
    told.change(worker_behind=timedelta(minutes=5))
    told.wait(minutes=20)
    told.grant("carol", "release_manager")
    told.wait(minutes=-20)
    told.change(approvers=("carol",))
    assert [kinds(row) for row in july().rows] == [[], []]
    assert all(row.change.approved_before for row in july().rows if row.change)
    told.wait(days=40)
    told.write("audit.exported", place=None)
    assert july().counts["exceptions"] == 0


def test_an_approval_that_the_ledger_has_after_the_beginning_is_named(told: Told) -> None:
    about: dict[str, Any] = {"target": "CR-9"}
    data = {"title": "Deploy", "kind": "deploy", "requirement": {"rules": [RULE]}}
    told.write("change.requested", told.people["alice"], reason="Release", data=data, **about)
    told.write("change.state", data={"from": "queued", "to": "running"}, **about)
    told.write("change.approved", told.people["bob"], **about)
    used = [{"by": "bob", "by_id": f"u-{told.people['bob'].pk}"}]
    told.write("change.approvals_used", data={"approvals": used}, **about)
    began = {"service_deployment": told.arn(SHOP), "created_at": told.now, "task_definition": "x:1"}
    told.write("change.deployment", data=began, **about)
    assert [kinds(row) for row in july().rows] == [["unapproved"]]


def test_a_requester_among_the_approvers_is_named_and_does_not_count(told: Told) -> None:
    told.change(by="bob", approvers=("bob",))
    assert kinds(july().rows[0]) == ["unapproved", "self_approved"]


def test_a_missing_approval_is_named(told: Told) -> None:
    told.change(approvers=())
    assert kinds(july().rows[0]) == ["unapproved"]


def test_a_change_that_needs_no_approval_is_matched(told: Told) -> None:
    told.change(approvers=(), rule={**RULE, "approvals": 0})
    assert july().counts["matched"] == 1


@pytest.mark.parametrize(
    ("ticket", "expected"), [("", ["no_ticket"]), ("later", ["no_ticket"]), ("OPS-12", [])]
)
def test_a_ticket_is_missed_where_the_policy_asked_for_one(
    told: Told, ticket: str, expected: list[str]
) -> None:
    told.change(rule={**RULE, "ticket_pattern": r"OPS-\d+"}, ticket=ticket)
    assert kinds(july().rows[0]) == expected


def test_a_broken_glass_says_how_its_review_stands(told: Told) -> None:
    number = told.change(override="change.glass_broken", approvers=(), rule={**RULE, "approvals": 0})
    (finding,) = july().rows[0].findings
    assert finding.kind == "break_glass"
    assert "Black Friday" in finding.text
    assert "not reviewed, due" in finding.text
    told.review(number, was_justified=False)
    assert "reviewed by bob: not justified" in july().rows[0].findings[0].text


def test_a_deployment_that_no_read_has_shown_is_in_the_population(told: Told) -> None:
    told.write(
        "change.requested",
        told.people["alice"],
        target="CR-9",
        reason="Release",
        data={"title": "Deploy", "kind": "deploy", "requirement": {"rules": []}},
    )
    data = {"service_deployment": told.arn(SHOP), "created_at": told.now, "task_definition": "x:1"}
    told.write("change.deployment", target="CR-9", data=data)
    assert [row.change.number for row in july().rows if row.change] == ["CR-9"]


def test_the_period_counts_when_a_deployment_began_however_late_it_was_read(told: Told) -> None:
    told.wait(days=30)
    told.see()
    told.wait(days=30)
    told.see()
    assert july().counts["deployments"] == 1
    assert (
        population(DatabaseLedger(), Scope(date(2026, 8, 30), date(2026, 8, 31))).counts["deployments"] == 1
    )


def test_a_deployment_of_the_first_minute_is_in_the_period_although_our_clock_was_behind(told: Told) -> None:
    told.now = datetime(2026, 7, 31, 23, 58, tzinfo=UTC)
    facts = {"arn": told.arn(SHOP), "status": "IN_PROGRESS", "created_at": "2026-08-01T00:00:10+00:00"}
    told.write("deployments.observed", place=SHOP, target=SHOP.service, data={"deployments": [facts]})
    august = Scope(date(2026, 8, 1), date(2026, 8, 31))
    assert [row.arn for row in population(DatabaseLedger(), august).rows] == [facts["arn"]]
    assert july().counts["deployments"] == 0


def test_an_identity_without_a_name_is_said_in_words(told: Told) -> None:
    arn = told.see()
    told.attribute(arn, principal="")
    (finding,) = july().rows[0].findings
    assert (
        finding.text == "No change began it. CloudTrail names a caller without a name (mallory), event e-1."
    )


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


def test_a_place_narrows_the_population(told: Told) -> None:
    told.see()
    told.see(place=Resource("staging", "222233334444", "us-east-1", "stage", "search"))
    for narrowed, count in (
        ({"environment": "staging"}, 1),
        ({"cluster": "prod-*"}, 1),
        ({"service": "nothing"}, 0),
        ({}, 2),
    ):
        scope = Scope(JULY.start, JULY.end, **narrowed)
        assert population(DatabaseLedger(), scope).counts["deployments"] == count


def test_reviews_that_nobody_gave_in_time_come_first(told: Told) -> None:
    first = told.change(override="change.overridden")
    told.review(first)
    second = told.change(override="change.overridden")
    told.wait(days=3)
    third = told.change(override="change.glass_broken")
    never = told.change(override="change.overridden", is_rejected=True)
    found = overrides(DatabaseLedger(), JULY)
    assert [(row.found.change, row.standing) for row in found.rows] == [
        (second, "overdue"),
        (third, "open"),
        (first, "done"),
        (never, "unused"),
    ]
    told.review(second)
    assert overrides(DatabaseLedger(), JULY).counts["late"] == 1


def test_the_access_review_says_since_when_by_whom_and_whether_it_is_used(told: Told) -> None:
    told.wait(days=1)
    told.grant("carol", "release_manager")
    told.wait(days=1)
    told.write("sign_in.ok", told.people["carol"], None, target="carol")
    told.wait(hours=1)
    told.write("logs.download", told.people["carol"])
    acted = told.now
    told.wait(days=60)
    told.write("sign_in.ok", told.people["carol"], None, target="carol")
    rows = {(row.name, row.role): row for row in access_review(DatabaseLedger(), JULY).rows}
    row = rows["carol", "release_manager"]
    assert row.granted_by == "erin"
    assert row.since.date() == date(2026, 7, 2)
    assert row.last_act == acted
    assert row.last_sign_in is not None
    assert row.last_sign_in < acted
    assert rows["dan", "auditor"].last_sign_in is None
    assert ("mallory", "") not in rows


def test_the_access_review_is_of_the_last_day_and_not_of_today(told: Told) -> None:
    binding = told.grant("mallory", "admin")
    told.wait(days=60)
    told.take_away(binding)
    before = access_review(DatabaseLedger(), JULY)
    assert "mallory" in {row.name for row in before.rows}
    now = access_review(DatabaseLedger(), Scope(date(2026, 7, 1), date(2026, 12, 31)))
    assert "mallory" not in {row.name for row in now.rows}


def test_one_entry_of_a_clock_that_was_ahead_hides_nothing_after_it(told: Told) -> None:
    told.wait(days=200)
    told.grant("alice", "on_call")
    told.wait(days=-200)
    told.grant("carol", "release_manager")
    told.wait(days=40)
    told.write("audit.exported", place=None)
    names = {(row.name, row.role) for row in access_review(DatabaseLedger(), JULY).rows}
    assert ("carol", "release_manager") in names
    assert ("alice", "on_call") not in names


def everything(told: Told) -> None:
    """Leave something of everything in the ledger."""
    told.change()
    told.attribute(told.see())
    told.review(told.change(override="change.overridden"))
    told.take_away(told.grant("carol", "release_manager"))
    told.write("sign_in.ok", told.people["dan"], None, target="dan")


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


def test_what_the_engine_writes_is_what_a_report_reads(rig: Any) -> None:
    """The entries of a real change on the sandbox, from request to end."""
    from clusters import deployment_notes
    from clusters.models import ServiceDeployment

    change: Change = rig.until(rig.deploy("v2"))
    rig.sync()
    arns = list(ServiceDeployment.objects.values_list("arn", flat=True))
    deployment_notes.note(deployment_notes.OBSERVED, arns)
    day = rig.now.date()
    found = population(DatabaseLedger(), Scope(day - timedelta(days=2), day + timedelta(days=1)))
    rows = {row.change.number if row.change else "": row for row in found.rows}
    row = rows[f"CR-{change.pk}"]
    assert row.change is not None
    assert [one.by for one in row.change.used] == ["bob"]
    assert row.change.approved_before
    assert row.change.state == "succeeded"
    assert "outside" not in kinds(row)
    assert "unapproved" not in kinds(row)
    # The service was created outside the console.
    assert kinds(rows[""]) == ["outside"]
