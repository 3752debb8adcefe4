"""Who could do what at a place at a moment, from the ledger alone."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django import forms
from django.utils import timezone

from access.decisions import ACTION_PHRASES, ROLE_LABELS
from access.history import Could, HeldBinding, State, bindings_at, who_could
from access.resources import Resource
from access.snapshots import access_entries, first_reach
from access.wishes import place_words
from audit.models import AuditEntry
from audit.tables import Echo, safe_cell
from clusters.models import Service
from deployments.naming import services_named, several

COLUMNS = ["person", "id", "role", "place", "by", "until", "since", "given_by", "entry", "binding"]
# By phrase, as they are read.
PERMISSIONS = [
    (action, ACTION_PHRASES[action]) for action in sorted(ACTION_PHRASES, key=ACTION_PHRASES.__getitem__)
]


class WhoCouldForm(forms.Form):
    """What, of which service, when (UTC)."""

    action = forms.ChoiceField(choices=PERMISSIONS, initial="service.deploy")
    service = forms.CharField(max_length=520, error_messages={"required": "Name a service."})
    at = forms.DateTimeField(required=False)

    def clean_service(self) -> Service:
        """Return the service that is meant, gone or not."""
        rows = services_named(Service.objects.all(), self.cleaned_data["service"])
        if not rows:
            raise forms.ValidationError(
                "The console never saw a service of that name. Write cluster/service."
            )
        if len(rows) > 1:
            raise forms.ValidationError(several(rows))
        return rows[0]


@dataclass(frozen=True, slots=True)
class Report:
    """The answer, and how far the ledger's word reaches."""

    action: str
    service: Service
    moment: datetime
    people: list[Could]
    state: State
    # Before this entry the ledger does not tell everything; None when it does.
    reach: AuditEntry | None

    @property
    def phrase(self) -> str:
        return ACTION_PHRASES[self.action]

    @property
    def place(self) -> Resource:
        return self.service.access_resource

    @property
    def is_incomplete(self) -> bool:
        """Whether access was given before the moment by what left no entry that says enough."""
        return bool(self.state.untold) or (self.reach is not None and self.moment < self.reach.at)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield one row for each binding by which somebody could."""
        for one in self.people:
            for held in one.by:
                yield {"person": one.name, "id": one.id, **row_of(held)}


def row_of(held: HeldBinding) -> dict[str, Any]:
    facts, source = held.facts, held.source
    return {
        "role": ROLE_LABELS.get(facts["role"], facts["role"]),
        "place": place_words(facts),
        "by": "directly" if held.subject.startswith("u-") else f"group {facts['subject_name']}",
        "until": facts.get("not_after", ""),
        "since": source.at.astimezone(UTC).isoformat(timespec="seconds"),
        "given_by": "" if source.is_snapshot else source.actor,
        "entry": source.seq,
        "binding": facts["binding"],
    }


def report_of(form: WhoCouldForm) -> Report:
    """Rebuild access from the ledger and ask it; reads every entry about access."""
    asked = form.cleaned_data
    moment = asked["at"] or timezone.now()
    state = bindings_at(access_entries(), moment)
    service, action = asked["service"], asked["action"]
    people = who_could(state, action, service.access_resource, moment)
    return Report(action, service, moment, people, state, first_reach())


def csv_lines(report: Report) -> Iterator[str]:
    writer = csv.writer(Echo())
    yield writer.writerow(COLUMNS)
    for row in report.rows():
        yield writer.writerow([safe_cell(row[name]) for name in COLUMNS])


def as_json(report: Report) -> str:
    answer = {
        "permission": report.action,
        "place": str(report.place),
        "at": report.moment.isoformat(),
        "is_complete": not report.is_incomplete,
        "rows": list(report.rows()),
    }
    return json.dumps(answer, indent=2) + "\n"
