"""Who might approve where and when, by what the ledger tells of bindings."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from access import history
from access.resources import Resource
from deployments.approvals import PERMISSION
from deployments.reports.entries import Ledger

Question = tuple[datetime, str, Resource]


class Rights:
    """Answers questions about the right to approve, all of them in one walk through the entries on access."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.answers: dict[Question, bool | None] = {}

    def ask(self, questions: Iterable[Question]) -> None:
        """Find out; None where the ledger does not know the person at that moment."""
        waiting = sorted(set(questions), key=lambda question: question[0], reverse=True)
        if not waiting:
            return
        state = history.State()
        for entry in self.ledger.read(history.ACTIONS):
            while waiting and waiting[-1][0] < entry.at:
                self.answer(state, waiting.pop())
            history.take(state, entry)
        while waiting:
            self.answer(state, waiting.pop())

    def answer(self, state: history.State, question: Question) -> None:
        moment, person, place = question
        held = state.held_by(person)
        known = person in state.people
        may = bool(history.decision_of(held, PERMISSION, place, moment))
        self.answers[question] = may if known else None

    def had(self, moment: datetime, person: str, place: Resource) -> bool | None:
        return self.answers[moment, person, place]
