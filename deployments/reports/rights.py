"""Who might approve where and when, by what the ledger tells of bindings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from access import history
from access.resources import Resource
from deployments.approvals import PERMISSION
from deployments.reports.entries import Ledger


@dataclass(frozen=True, slots=True)
class Act:
    """Something that took a right: the entry that tells of it, its moment, by whom and where."""

    seq: int
    at: datetime
    person: str
    place: Resource


class Rights:
    """Answers questions about the right to approve, all of them in one walk through the entries on access.

    What came before an act is told by the order of the ledger: the clocks of two machines may differ. None is the answer
    where the ledger does not know the person.
    """

    def __init__(self, ledger: Ledger, end: datetime) -> None:
        self.ledger, self.end = ledger, end
        self.then: dict[Act, bool | None] = {}
        self.later: dict[Act, bool | None] = {}

    def ask(self, acts: Iterable[Act]) -> None:
        """Find out for each act whether the person had the right then, and whether at the end of the period."""
        asked = set(acts)
        if not asked:
            return
        waiting = sorted(asked, key=lambda act: act.seq, reverse=True)
        before, at_end = history.State(), history.State()
        is_all = self.end >= self.ledger.head.at
        for entry in self.ledger.read(history.ACTIONS):
            while waiting and waiting[-1].seq < entry.seq:
                act = waiting.pop()
                self.then[act] = may(before, act, act.at)
            history.take(before, entry)
            if is_all or entry.at <= self.end:
                history.take(at_end, entry)
        self.then |= {act: may(before, act, act.at) for act in waiting}
        self.later |= {act: may(at_end, act, self.end) for act in asked}


def may(state: history.State, act: Act, moment: datetime) -> bool | None:
    if act.person not in state.people:
        return None
    return bool(history.decision_of(state.held_by(act.person), PERMISSION, act.place, moment))
