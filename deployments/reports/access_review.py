"""Who holds what at the end of a day, since when and by whom, and whether they use it. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from access.decisions import ROLE_LABELS
from access.history import ACTIONS, HeldBinding, State, bindings_at
from access.resources import ANYWHERE, Resource
from deployments.reports.entries import Ledger
from deployments.reports.scope import Scope, place_of

SIGNED_IN = "sign_in.ok"


@dataclass(frozen=True, slots=True)
class Holding:
    """One role that somebody holds at one place."""

    subject: str
    name: str
    role: str
    place: Resource
    effect: str
    source: str
    since: datetime
    granted_by: str
    # A snapshot says that it was so, and neither since when nor by whom.
    is_since_known: bool
    not_after: datetime | None
    has_ended: bool
    is_disabled: bool
    members: tuple[str, ...]
    last_sign_in: datetime | None
    last_act: datetime | None
    seq: int

    @property
    def where(self) -> str:
        return "everywhere" if self.place == ANYWHERE else str(self.place)

    @property
    def role_label(self) -> str:
        return ROLE_LABELS.get(self.role, self.role)


@dataclass(frozen=True, slots=True)
class AccessReview:
    """All holdings that reach into a scope, by name."""

    rows: list[Holding]
    # Entries of older releases that do not say enough; what they changed is not known.
    untold: tuple[int, ...]

    def of_class(self, role: str) -> list[Holding]:
        """Return the holdings of one role, all of them without one."""
        return [row for row in self.rows if role in ("", row.role)]

    @property
    def classes(self) -> dict[str, int]:
        counted = Counter(row.role for row in self.rows)
        return {role: counted[role] for role in ROLE_LABELS}

    @property
    def counts(self) -> dict[str, int]:
        return {
            "bindings": len(self.rows),
            "holders": len({row.subject for row in self.rows}),
            "ended": sum(row.has_ended for row in self.rows),
            "never_signed_in": sum(row.last_sign_in is None and is_person(row.subject) for row in self.rows),
        }


def access_review(ledger: Ledger, scope: Scope) -> AccessReview:
    """Return who held what when the scope's last day ended; its place leaves out what cannot reach into it."""
    moment = min(scope.until, ledger.head.at)
    # Where the period reaches to the newest entry, all of them count, whatever their clocks said.
    state = bindings_at(ledger.read(ACTIONS), moment if moment < ledger.head.at else None)
    signed_in = ledger.last_acts(scope.until, SIGNED_IN)
    acted = ledger.last_acts(scope.until)
    rows = [
        holding(one, state, moment, signed_in, acted) for one in everything_held(state) if reaches(one, scope)
    ]
    rows.sort(key=lambda row: (row.name.casefold(), row.role, str(row.place), row.seq))
    return AccessReview(rows, tuple(state.untold))


def everything_held(state: State) -> list[HeldBinding]:
    """Return all bindings, and what first admins hold without one."""
    own = [one for person in state.people for one in state.held_by(person) if not one.facts["binding"]]
    return [*state.bindings.values(), *own]


def reaches(held: HeldBinding, scope: Scope) -> bool:
    """Whether a binding may concern the place of a scope: where both name a part, they name the same."""
    place = place_of(held.binding)
    parts = ("environment", "account_id", "region")
    return all(
        not getattr(scope, part) or getattr(place, part) in ("", getattr(scope, part)) for part in parts
    )


def holding(
    held: HeldBinding,
    state: State,
    moment: datetime,
    signed_in: dict[str, datetime],
    acted: dict[str, datetime],
) -> Holding:
    subject, binding, known = held.subject, held.binding, state.people.get(held.subject)
    return Holding(
        subject=subject,
        name=str(held.facts.get("subject_name", subject)),
        role=binding.role,
        place=place_of(binding),
        effect="allow" if binding.allows else "deny",
        source=str(held.facts.get("source", "local")),
        since=held.source.at,
        granted_by="" if held.source.is_snapshot else held.source.actor,
        is_since_known=not held.source.is_snapshot,
        not_after=binding.not_after,
        has_ended=binding.not_after is not None and binding.not_after <= moment,
        is_disabled=known is not None and not known.is_active,
        members=tuple(sorted(one.name for one in state.people.values() if subject in one.facts["groups"])),
        last_sign_in=signed_in.get(subject),
        last_act=acted.get(subject),
        seq=held.source.seq,
    )


def is_person(subject: str) -> bool:
    return subject.startswith("u-")
