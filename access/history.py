"""Who could do what at a moment, rebuilt from entries of the ledger alone. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from access.decisions import ACTION_PHRASES, Binding, Decision, decide
from access.queries import SUPERUSER_BINDING
from access.records import binding_from
from access.resources import Resource

# What an entry must begin with to say something about who may what.
ACTIONS = ("access.snapshot", "binding.", "person.", "group.added", "group.removed", "rolebinding.", "user.")
# Entries of older releases, which do not carry everything.
UNTOLD = ("rolebinding.", "user.")
MADE_UP_ID = 0


class Entry(Protocol):
    """An entry as far as this module reads it."""

    @property
    def seq(self) -> int: ...
    @property
    def at(self) -> datetime: ...
    @property
    def actor(self) -> str: ...
    @property
    def action(self) -> str: ...
    @property
    def data(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Source:
    """The entry that says so: its number, when, and by whom."""

    seq: int
    at: datetime
    actor: str
    # A snapshot says that something was so, not who made it so.
    is_snapshot: bool = False


@dataclass(frozen=True, slots=True)
class HeldBinding:
    """A binding as the ledger tells it."""

    facts: Mapping[str, Any]
    source: Source

    @property
    def binding(self) -> Binding:
        return binding_from(dict(self.facts))

    @property
    def subject(self) -> str:
        return str(self.facts["subject"])


@dataclass(frozen=True, slots=True)
class Known:
    """A person as the ledger tells them."""

    facts: Mapping[str, Any]
    source: Source

    @property
    def name(self) -> str:
        return str(self.facts["username"])

    @property
    def is_active(self) -> bool:
        return bool(self.facts["is_active"])


@dataclass(slots=True)
class State:
    """Everybody, every group and every binding at a moment; `untold` are entries that do not say enough."""

    people: dict[str, Known] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    bindings: dict[int, HeldBinding] = field(default_factory=dict)
    untold: list[int] = field(default_factory=list)
    # What stood before the latest snapshot, for all of its parts.
    people_before: dict[str, Known] = field(default_factory=dict)
    bindings_before: dict[int, HeldBinding] = field(default_factory=dict)

    def held_by(self, person: str) -> list[HeldBinding]:
        """Return the bindings of a person and of the groups they were in."""
        known = self.people.get(person)
        if known is None or not known.is_active:
            return []
        subjects = {person, *known.facts["groups"]}
        held = [one for one in self.bindings.values() if one.subject in subjects]
        if known.facts["is_superuser"]:
            facts = {"binding": MADE_UP_ID, "role": SUPERUSER_BINDING.role, "subject": person}
            held.append(HeldBinding({**facts, "subject_name": known.name}, known.source))
        return held


@dataclass(frozen=True, slots=True)
class Could:
    """A person who could, and by which bindings."""

    id: str
    name: str
    by: tuple[HeldBinding, ...]


def bindings_at(entries: Iterable[Entry], moment: datetime | None = None) -> State:
    """Return how access stood at a moment, the entry of that very moment included; the latest without one.

    One entry of a clock that was ahead hides nothing that was written after it.
    """
    state = State()
    for entry in entries:
        if moment is None or entry.at <= moment:
            take(state, entry)
    return state


def take(state: State, entry: Entry) -> None:
    """Let one entry act on the state."""
    source = Source(entry.seq, entry.at, entry.actor, entry.action == "access.snapshot")
    before, after = entry.data.get("before") or {}, entry.data.get("after") or {}
    if entry.action == "access.snapshot":
        take_snapshot(state, entry.data, source)
    elif entry.action.startswith(UNTOLD):
        state.untold.append(entry.seq)
    elif entry.action == "binding.removed":
        state.bindings.pop(before["binding"], None)
    elif entry.action.startswith("binding."):
        state.bindings[after["binding"]] = HeldBinding(after, source)
    elif entry.action.startswith("person.") and "is_active" in after:
        state.people[after["id"]] = Known(after, source)
    elif entry.action.startswith("person.") and entry.action in ("person.created", "person.removed"):
        state.untold.append(entry.seq)
    elif entry.action == "group.removed":
        state.groups.pop(before["id"], None)
    elif entry.action == "group.added":
        state.groups[after["id"]] = after["name"]


def take_snapshot(state: State, data: Mapping[str, Any], source: Source) -> None:
    """Begin anew from a snapshot; what earlier entries said of the same keeps its own source."""
    if data.get("part", 1) == 1:
        state.people_before, state.bindings_before = state.people, state.bindings
        state.people, state.groups, state.bindings, state.untold = {}, {}, {}, []
    for facts in data.get("people", ()):
        known = state.people_before.get(facts["id"])
        state.people[facts["id"]] = known if known and known.facts == facts else Known(facts, source)
    for facts in data.get("bindings", ()):
        held = state.bindings_before.get(facts["binding"])
        same = held is not None and held.facts == facts
        state.bindings[facts["binding"]] = held if held and same else HeldBinding(facts, source)
    for facts in data.get("groups", ()):
        state.groups[facts["id"]] = facts["name"]


def who_could(state: State, action: str, place: Resource, moment: datetime) -> list[Could]:
    """Return everybody who could do something at a place, by name, with the bindings that allowed it."""
    found = []
    for person, known in state.people.items():
        held = state.held_by(person)
        decision = decision_of(held, action, place, moment)
        if decision:
            by = tuple(one for one in held if one.binding.id in decision.binding_ids)
            found.append(Could(person, known.name, by))
    return sorted(found, key=lambda one: one.name)


def decision_of(held: Iterable[HeldBinding], action: str, place: Resource, moment: datetime) -> Decision:
    return decide([one.binding for one in held], action, place, moment)


def phrase(action: str) -> str:
    return ACTION_PHRASES.get(action, action)
