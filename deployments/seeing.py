"""Who may read a policy or a freeze: whoever sees any of the places where it holds."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TypeVar

from access.decisions import DIMENSIONS, ROLES, Binding, covers, in_force, is_glob, part_matches
from access.places import Placed
from access.queries import Access

PERMISSION = "fleet.view"
P = TypeVar("P", bound=Placed)


def readable(access: Access, rows: Iterable[P], now: datetime) -> list[P]:
    """Return what this person may read, in no query but for their bindings."""
    if not access.holds(PERMISSION):
        return []
    sets = [access.bindings, access.narrowing] if access.narrowing else [access.bindings]
    return [row for row in rows if all(reaches(bindings, row, now) for bindings in sets)]


def reaches(bindings: Iterable[Binding], row: Placed, now: datetime) -> bool:
    """Whether bindings let somebody see a part of a place at least, and deny them not all of it."""
    current = [b for b in bindings if in_force(b, now) and PERMISSION in ROLES.get(b.role, ())]
    place = row.access_resource
    if any(not b.allows and covers(b, place) for b in current):
        return False
    return any(b.allows and meets(b, row) for b in current)


def meets(binding: Binding, row: Placed) -> bool:
    """Whether two places have something in common; two globs are taken to."""
    return all(parts_meet(getattr(binding, name), getattr(row, name)) for name in DIMENSIONS)


def parts_meet(one: str, other: str) -> bool:
    if not one or not other or (is_glob(one) and is_glob(other)):
        return True
    return part_matches(one, other) or part_matches(other, one)
