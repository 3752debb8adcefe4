"""The starting point of the ledger's word on access, for what was made before entries carried everything."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.contrib.auth.models import Group, User
from django.db import transaction

from access.actions import lock_access
from access.history import ACTIONS, State, bindings_at
from access.models import RoleBinding
from access.records import Actor, facts_of, group_facts, person_facts
from audit.actions import record
from audit.models import AuditEntry
from audit.queries import entries_between

# An entry stays of a size that a page and an export can show.
ROWS_PER_ENTRY = 200
BEGINNING = datetime.fromisoformat("2000-01-01T00:00:00+00:00")
FAR = datetime.fromisoformat("9999-12-31T00:00:00+00:00")


def access_entries(until: datetime = FAR) -> Iterator[AuditEntry]:
    """Stream every entry that says who may what, oldest first."""
    return entries_between(BEGINNING, until, actions=ACTIONS)


def live_state() -> dict[str, list[dict[str, Any]]]:
    """Return people, groups and bindings as the tables have them."""
    people = User.objects.order_by("pk").prefetch_related("groups")
    bindings = RoleBinding.objects.order_by("pk").select_related("user", "group", "token__user")
    return {
        "people": [person_facts(person) for person in people],
        "groups": [group_facts(group) for group in Group.objects.order_by("pk")],
        "bindings": [facts_of(binding) for binding in bindings],
    }


def told_state(state: State) -> dict[str, list[dict[str, Any]]]:
    """Return the same as the ledger tells it."""
    return {
        "people": [dict(known.facts) for known in in_order(state.people)],
        "groups": [{"id": key, "name": state.groups[key]} for key in sorted(state.groups, key=number_of)],
        "bindings": [dict(state.bindings[key].facts) for key in sorted(state.bindings)],
    }


def in_order(people: dict[str, Any]) -> list[Any]:
    return [people[key] for key in sorted(people, key=number_of)]


def number_of(stable_id: str) -> int:
    return int(stable_id.partition("-")[2])


def take_snapshot(*, actor: Actor, reason: str = "") -> int:
    """Write everything down where the ledger does not tell it as the tables have it; return how many entries.

    What differed is named: for moments before it, the ledger does not say everything.
    """
    with transaction.atomic():
        lock_access()
        live, state = live_state(), bindings_at(access_entries())
        differing = differences(live, told_state(state))
        if not differing and not state.untold:
            return 0
        parts = list(split(live))
        for number, part in enumerate(parts, start=1):
            data = {"part": number, "parts": len(parts), "untold": differing[:ROWS_PER_ENTRY], **part}
            record(action="access.snapshot", actor=actor, target="access", reason=reason, data=data)
    return len(parts)


def differences(live: dict[str, list[dict[str, Any]]], told: dict[str, list[dict[str, Any]]]) -> list[str]:
    """Name what the two do not have in common: "binding 3", "u-5"."""
    found = []
    for kind, key in (("people", "id"), ("groups", "id"), ("bindings", "binding")):
        # A person may be renamed; their bindings go by the id.
        now, then = ({row[key]: {**row, "subject_name": ""} for row in side[kind]} for side in (live, told))
        differing = [one for one in {**now, **then} if now.get(one) != then.get(one)]
        found += [f"binding {one}" if kind == "bindings" else str(one) for one in differing]
    return found


def split(live: dict[str, list[dict[str, Any]]]) -> Iterator[dict[str, list[dict[str, Any]]]]:
    """Yield the tables in parts, at least one."""
    rows = [(kind, row) for kind, found in live.items() for row in found]
    for start in range(0, max(len(rows), 1), ROWS_PER_ENTRY):
        part: dict[str, list[dict[str, Any]]] = {"people": [], "groups": [], "bindings": []}
        for kind, row in rows[start : start + ROWS_PER_ENTRY]:
            part[kind].append(row)
        yield part


def first_reach() -> AuditEntry | None:
    """Return the latest snapshot that had to tell what no entry had told: before it the ledger knows less."""
    snapshots = AuditEntry.objects.filter(action="access.snapshot").order_by("-seq")
    return next((entry for entry in snapshots.defer("canonical") if entry.data.get("untold")), None)
