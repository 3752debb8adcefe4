"""Every override and broken glass of a period with its review. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from deployments.reports import changes as told
from deployments.reports.changes import Changes, Overriding
from deployments.reports.entries import Ledger
from deployments.reports.population import ASKED_BEFORE
from deployments.reports.scope import Scope

# How a review stands: what it is called, the most urgent first.
STANDINGS: dict[str, str] = {
    "overdue": "Overdue",
    "open": "Open",
    "late": "Reviewed late",
    "done": "Reviewed",
    "unused": "Nothing to review: the change did not begin",
}


@dataclass(frozen=True, slots=True)
class Overridden:
    """An override and how its review stands at the end of what was read."""

    found: Overriding
    standing: str

    @property
    def label(self) -> str:
        return STANDINGS[self.standing]


@dataclass(frozen=True, slots=True)
class Overrides:
    """The overrides of a scope: those that still need somebody first, then the newest."""

    rows: list[Overridden]

    def of_class(self, standing: str) -> list[Overridden]:
        """Return those whose review stands so, all of them without one."""
        return [row for row in self.rows if standing in ("", row.standing)]

    @property
    def classes(self) -> dict[str, int]:
        counted = Counter(row.standing for row in self.rows)
        return {standing: counted[standing] for standing in STANDINGS}

    @property
    def counts(self) -> dict[str, int]:
        unjustified = sum(bool(row.found.review and not row.found.review.was_justified) for row in self.rows)
        return {
            "overrides": len(self.rows),
            **self.classes,
            "not_justified": unjustified,
        }


def overrides(ledger: Ledger, scope: Scope) -> Overrides:
    """Return the overrides of a scope; reviews count up to the ledger's head."""
    changes = Changes(ledger.read(told.ACTIONS, scope.since - ASKED_BEFORE))
    found = [one for one in changes.overrides if scope.is_in(one.at) and scope.has(one.place)]
    rows = [
        Overridden(one, one.standing(ledger.head.at, has_begun=changes.has_begun(one.change)))
        for one in found
    ]
    order = list(STANDINGS)
    return Overrides(sorted(rows, key=lambda row: (order.index(row.standing), -row.found.seq)))
