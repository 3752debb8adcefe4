"""Reports as JSON and CSV: the same bytes from the same entries and the same filter, wherever they were read."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from access.decisions import ROLE_LABELS
from audit.tables import Echo, safe_cell
from deployments.reports import columns
from deployments.reports.access_review import AccessReview, Holding, access_review
from deployments.reports.entries import Ledger
from deployments.reports.overrides import STANDINGS, Overridden, Overrides, overrides
from deployments.reports.population import CLASSES, Deployment, Population, population
from deployments.reports.scope import Scope, place_cells

FORMAT = "ecsconsole-report"
VERSION = 1
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Report:
    """One kind of report: how it is made, and how its rows are written."""

    name: str
    title: str
    # What it answers, in a sentence.
    question: str
    classes: dict[str, str]
    make: Callable[[Ledger, Scope], Any]
    row: Callable[[Any], Row]
    columns: list[str]


def text_of(moment: datetime | None) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z") if moment else ""


def deployment_row(row: Deployment) -> Row:
    facts, change, principal = row.facts, row.change, row.principal
    return {
        "created_at": text_of(row.created_at),
        "started_at": facts.get("started_at") or "",
        "finished_at": facts.get("finished_at") or "",
        **place_cells(row.place),
        "status": row.status,
        "status_reason": facts.get("status_reason", ""),
        "rolled_back_by_ecs": row.is_rolled_back_by_ecs,
        "task_definition": facts.get("task_definition", ""),
        "images": [f"{one['container']}={one['image']}@{one['digest']}" for one in facts.get("images", ())],
        "origin": change.number if change else "outside the console",
        "exceptions": [finding.kind for finding in row.findings],
        "findings": [finding.text for finding in row.findings],
        "change": change.title if change else "",
        "requester": change.requester if change else "",
        "by_token": change.by_token if change else "",
        "asked_at": text_of(change.asked_at) if change else "",
        "reason": change.reason if change else "",
        "ticket": change.ticket if change else "",
        "policies": change.requirement.names if change else "",
        "approvals": [f"{one.by} {text_of(one.at)}" for one in change.used] if change else [],
        "approved_before_start": bool(change and change.used and change.approved_before),
        "began_at": text_of(change.began_at) if change else "",
        "outcome": change.outcome if change else "",
        "principal": principal.arn if principal else "",
        "source_identity": principal.source_identity if principal else "",
        "principal_ip": principal.ip if principal else "",
        "cloudtrail_event": principal.event_id if principal else "",
        "service_deployment": row.arn,
        "entries": entries_of(row),
    }


def entries_of(row: Deployment) -> list[int]:
    """Return the entries that a row was made of, the evidence for it."""
    change = row.change
    found = {row.seq, *(finding.seq for finding in row.findings)}
    if change is not None:
        found |= {change.seq, *(one.seq for one in change.used)}
    return sorted(found)


def holding_row(row: Holding) -> Row:
    return {
        "subject": row.subject,
        "name": row.name,
        "role": row.role,
        "effect": row.effect,
        **place_cells(row.place),
        "source": row.source,
        "since": text_of(row.since),
        "since_is_known": row.is_since_known,
        "granted_by": row.granted_by,
        "ends_at": text_of(row.not_after),
        "has_ended": row.has_ended,
        "is_disabled": row.is_disabled,
        "members": list(row.members),
        "last_sign_in": text_of(row.last_sign_in),
        "last_act": text_of(row.last_act),
        "entries": [row.seq],
    }


def override_row(row: Overridden) -> Row:
    found, review = row.found, row.found.review
    return {
        "at": text_of(found.at),
        "change": found.change,
        "title": found.title,
        "kind": found.kind,
        **place_cells(found.place),
        "by": found.by,
        "rules": list(found.rules),
        "reason": found.reason,
        "ticket": found.ticket,
        "held_until": text_of(found.expires_at),
        "review": row.standing,
        "review_due_at": text_of(found.review_due_at),
        "reviewed_by": review.by if review else "",
        "reviewed_at": text_of(review.at) if review else "",
        "was_justified": review.was_justified if review else None,
        "finding": review.text if review else "",
        "entries": [found.seq, *([review.seq] if review else [])],
    }


REPORTS: dict[str, Report] = {
    "population": Report(
        "population",
        "Deployments",
        "Every service deployment of the period, matched to its change and approvals, or listed as an exception.",
        CLASSES,
        population,
        deployment_row,
        columns.POPULATION,
    ),
    "access": Report(
        "access",
        "Access review",
        "Who held what at the end of the last day, since when and by whom, and whether they use it.",
        ROLE_LABELS,
        access_review,
        holding_row,
        columns.ACCESS,
    ),
    "overrides": Report(
        "overrides",
        "Overrides",
        "Every change of the period that went past freezes or policies, and how somebody else judged it.",
        STANDINGS,
        overrides,
        override_row,
        columns.OVERRIDES,
    ),
}
Result = Population | AccessReview | Overrides


def as_json(report: Report, result: Result, ledger: Ledger, scope: Scope) -> str:
    """Return a report with what it takes to make it again: the ledger's head and the filter."""
    content: dict[str, Any] = {
        "format": FORMAT,
        "v": VERSION,
        "report": report.name,
        "ledger": {
            "head_seq": ledger.head.seq,
            "head_hash": ledger.head.hash,
            "head_at": text_of(ledger.head.at),
        },
        "filter": scope.as_json(),
        "counts": result.counts,
    }
    content["classes"] = result.classes
    if isinstance(result, AccessReview):
        content["untold_entries"] = list(result.untold)
    content["rows"] = [report.row(row) for row in result.rows]
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def as_csv(report: Report, result: Result) -> Iterator[str]:
    """Yield the lines of a report as a table; lists stand in one cell, their members apart by semicolons."""
    writer = csv.writer(Echo())
    yield writer.writerow(report.columns)
    for row in result.rows:
        cells = report.row(row)
        yield writer.writerow([safe_cell(cell_of(cells[name])) for name in report.columns])


def cell_of(value: Any) -> str:
    if isinstance(value, list):
        return "; ".join(map(str, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)
