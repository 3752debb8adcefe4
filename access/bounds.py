"""Places compared with places: whether one lies within another, and whether two can meet. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache

from access.decisions import DIMENSIONS, ROLES, Binding, in_force, is_glob

PRODUCTION = "production"
MANAGE = "access.manage"


def is_within(inner: Binding, outer: Binding) -> bool:
    """Whether every resource in the place of one binding lies in the place of the other. In doubt it does not."""
    return all(part_within(getattr(inner, name), getattr(outer, name)) for name in DIMENSIONS)


def can_meet(one: Binding, other: Binding) -> bool:
    """Whether some resource may lie in both places. In doubt one does."""
    return all(parts_meet(getattr(one, name), getattr(other, name)) for name in DIMENSIONS)


def is_any(pattern: str) -> bool:
    return pattern in {"", "*"}


def part_within(inner: str, outer: str) -> bool:
    """Whether one pattern matches nothing that the other does not."""
    if is_any(outer):
        return True
    return not is_any(inner) and glob_within(inner, outer)


@lru_cache(maxsize=4096)
def glob_within(inner: str, outer: str) -> bool:
    """Walk both globs at once: what may be anything in the inner one must be anything in the outer one too."""
    if not outer:
        return not inner
    if outer[0] == "*":
        # It stands for nothing, or for one more of whatever the inner one says; never for a slash.
        return glob_within(inner, outer[1:]) or (
            bool(inner) and inner[0] != "/" and glob_within(inner[1:], outer)
        )
    if not inner or inner[0] == "*":
        return False
    if outer[0] == "?":
        return inner[0] != "/" and glob_within(inner[1:], outer[1:])
    return inner[0] == outer[0] and glob_within(inner[1:], outer[1:])


def parts_meet(one: str, other: str) -> bool:
    """Whether some value may match both patterns."""
    if is_any(one) or is_any(other):
        return True
    if is_glob(one) and is_glob(other):
        return True
    return part_within(one, other) or part_within(other, one)


def reaches_production(binding: Binding) -> bool:
    """Whether the place may hold something of production: one that names no environment may."""
    return binding.environment in {"", PRODUCTION}


def is_sensitive(binding: Binding) -> bool:
    """Whether the role gives more than looking, at a place that may hold production."""
    return binding.role != "viewer" and reaches_production(binding)


def lasts_no_longer(inner: Binding, outer: Binding) -> bool:
    if outer.not_after is None:
        return True
    return inner.not_after is not None and inner.not_after <= outer.not_after


def allows_somewhere(bindings: Iterable[Binding], action: str, now: datetime) -> bool:
    """Whether bindings allow an action at some place: one that a denial takes back in all of its place does not."""
    held = [b for b in bindings if in_force(b, now) and action in ROLES.get(b.role, ())]
    denials = [b for b in held if not b.allows]
    return any(b.allows and not any(is_within(b, denial) for denial in denials) for b in held)


def widens(before: Binding | None, after: Binding | None) -> bool:
    """Whether somebody may do more with the binding after than with the one before."""
    if after is None:
        return before is not None and not before.allows
    if not after.allows:
        # A denial takes away; one that shrinks, ends earlier or is for less gives back.
        return before is not None and not before.allows and not is_part(before, after)
    return before is None or not before.allows or not is_part(after, before)


def is_part(inner: Binding, outer: Binding) -> bool:
    """Whether one binding says nothing that the other does not say as well."""
    return (
        ROLES[inner.role] <= ROLES[outer.role] and is_within(inner, outer) and lasts_no_longer(inner, outer)
    )
