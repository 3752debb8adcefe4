"""Reports for auditors: what the ledger alone tells."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from access.resources import Resource
from audit.models import AuditEntry
from deployments.models import Change
from deployments.reports.access_review import access_review
from deployments.reports.entries import DatabaseLedger
from deployments.reports.overrides import overrides
from deployments.reports.population import Deployment, Population, population
from deployments.reports.scope import Scope
from tests.deployments.told_world import RULE, SHOP, Told

pytestmark = pytest.mark.django_db
JULY = Scope(date(2026, 7, 1), date(2026, 7, 31))
PERIOD = "?since=2026-07-01&until=2026-07-31"


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
