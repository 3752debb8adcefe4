"""May somebody do something somewhere at a moment: answered from bindings, freezes and policies, saved or only meant.

`simulate` is pure: it asks the same functions that decide when a change is really asked for, of a world that is
handed to it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from access.decisions import SCOPES, Binding, Decision, decide, one_of, roles_with
from access.queries import phrase_of
from access.resources import Resource
from clusters.spans import spell
from deployments.approvals import PERMISSION as APPROVE
from deployments.approvals import roles_at, shortage
from deployments.freezes import Hold, hold_on
from deployments.models import ApprovalPolicy, Freeze
from deployments.policies import Requirement, Voice, requirement_at

YES, APPROVAL, NO = "yes", "approval", "no"
WORDS = {YES: "Yes", APPROVAL: "Needs approval", NO: "No"}


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with everything that binds them, their own and their groups'."""

    id: int
    name: str
    bindings: tuple[Binding, ...] = ()
    groups: frozenset[str] = frozenset()
    is_active: bool = True


@dataclass(frozen=True, slots=True)
class Key:
    """A token: what it may at most, and from when on it opens nothing."""

    name: str
    scope: str
    narrowing: tuple[Binding, ...] = ()
    ends_at: datetime | None = None
    is_revoked: bool = False


@dataclass(frozen=True, slots=True)
class World:
    """Everything that decides: people, policies and freezes."""

    people: tuple[Person, ...]
    policies: tuple[ApprovalPolicy, ...] = ()
    freezes: tuple[Freeze, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """Who (by a token, perhaps) wants to do what where, beginning when."""

    person_id: int
    action: str
    kind: str
    place: Resource
    moment: datetime
    spec: dict[str, Any] = field(default_factory=dict)
    key: Key | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The verdict, and what decided it."""

    verdict: str
    sentence: str
    decision: Decision
    hold: Hold | None
    requirement: Requirement
    # Who could approve, and what would be missing even if all of them did.
    approvers: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()

    @property
    def word(self) -> str:
        return WORDS[self.verdict]


def simulate(question: Question, world: World) -> Answer:
    """Answer a question in a world."""
    asker = next(person for person in world.people if person.id == question.person_id)
    place, moment = question.place, question.moment
    decision = may(asker, question.key, question.action, place, moment)
    here = [freeze for freeze in world.freezes if freeze.holds_at(place)]
    hold = hold_on(question.kind, question.spec, place, moment, freezes=here)
    requirement = requirement_at(question.kind, question.spec, place, policies=world.policies)
    voices = [voice for person in world.people if (voice := voice_in(person, place, moment))]
    others = [voice for voice in voices if voice.user_id != asker.id]
    lacking = shortage(requirement, voices, [asker.id]) if requirement.is_needed else []
    verdict, sentence = judge(asker, decision, hold, requirement, lacking)
    return Answer(
        verdict,
        sentence,
        decision,
        hold,
        requirement,
        tuple(voice.name for voice in others if any(rule.counts(voice) for rule in requirement.rules)),
        tuple(lacking),
    )


def may(person: Person, key: Key | None, action: str, place: Resource, moment: datetime) -> Decision:
    """Decide as `Access.can` does, at any moment."""
    if not person.is_active:
        return Decision(False, f"{person.name} is disabled.")
    if key is not None:
        if key.is_revoked or (key.ends_at is not None and key.ends_at <= moment):
            return Decision(False, f"The token {key.name} opens nothing any more by then.")
        if action not in SCOPES.get(key.scope, ()):
            return Decision(False, f"A token of scope {key.scope} may not {phrase_of(action)}.")
    decision = decide(person.bindings, action, place, moment)
    if not decision or key is None or not key.narrowing:
        return decision
    narrowed = decide(key.narrowing, action, place, moment)
    return decision if narrowed else narrowed


def voice_in(person: Person, place: Resource, moment: datetime) -> Voice | None:
    """Return the voice of a person at a place and a moment, None if they may not approve there then."""
    if not person.is_active or not decide(person.bindings, APPROVE, place, moment):
        return None
    return Voice(person.id, person.name, roles_at(person.bindings, place, moment), person.groups)


def judge(
    asker: Person, decision: Decision, hold: Hold | None, requirement: Requirement, lacking: list[str]
) -> tuple[str, str]:
    """Return the verdict and the sentence that gives its first reason."""
    if not decision:
        return NO, in_third_person(decision.reason)
    if hold is not None:
        return NO, hold.sentence
    wait = (
        f" It begins {spell(requirement.wait)} after the request at the earliest." if requirement.wait else ""
    )
    if not requirement.is_needed:
        return YES, f"Nothing stands in {asker.name}'s way.{wait}"
    asked = f"{', '.join(requirement.missing([]))}, other than {asker.name}"
    if lacking:
        return APPROVAL, f"It needs {asked}, and nobody can give that: {', '.join(lacking)} would be missing."
    return APPROVAL, f"It needs {asked}.{wait}"


def in_third_person(reason: str) -> str:
    """Return a reason that speaks to somebody as one that speaks of them."""
    return reason.replace("denies you", "denies them").replace("you need", "they need")


def roles_for(action: str) -> str:
    return one_of(roles_with(action))
