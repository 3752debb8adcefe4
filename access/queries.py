"""A person's access: decisions about one thing, and the same rule as a filter over many."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cached_property
from typing import Any, TypeVar

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.db.models import Model, Q, QuerySet
from django.utils import timezone

from access.bounds import allows_somewhere
from access.decisions import (
    ACTION_PHRASES,
    DIMENSIONS,
    ROLE_LABELS,
    ROLES,
    SCOPES,
    Binding,
    Decision,
    decide,
    glob_regex,
    in_force,
    is_glob,
    part_matches,
)
from access.models import ApiToken, RoleBinding
from access.resources import ANYWHERE, Resource

M = TypeVar("M", bound=Model)
SEEING = "fleet.view"
# The ledger is one chain over all places: it cannot be shown, verified or handed out without those that are denied.
WHOLE = frozenset({"audit.view", "audit.export"})
# `createsuperuser` makes the first admin; a binding row for it would be a second truth.
SUPERUSER_BINDING = Binding(id=0, role="admin")


class Access:
    """What one person may do, or a token of theirs; bindings are read once and kept for the life of the object."""

    def __init__(self, user: AbstractBaseUser | AnonymousUser, token: ApiToken | None = None) -> None:
        self.user = user
        self.token = token

    @property
    def actor_name(self) -> str:
        return self.user.get_username() or "anonymous"

    @property
    def is_revoked(self) -> bool:
        """Whether the token was taken back: what it asked for and has not begun is taken back with it."""
        return self.token is not None and self.token.revoked_at is not None

    @cached_property
    def bindings(self) -> list[Binding]:
        """Return the bindings of the user and their groups; none for the anonymous and the disabled."""
        if not isinstance(self.user, User) or not self.user.is_active or self.is_revoked:
            return []
        rows = RoleBinding.objects.filter(Q(user=self.user) | Q(group__user=self.user)).distinct()
        bindings = [row.as_binding() for row in rows]
        return [*bindings, SUPERUSER_BINDING] if self.user.is_superuser else bindings

    @cached_property
    def narrowing(self) -> list[Binding]:
        """Return the bindings of the token, to which its owner's rights are cut down; none leave them as they are."""
        return [row.as_binding() for row in self.token.role_bindings.all()] if self.token else []

    @property
    def roles(self) -> list[str]:
        """Return the labels of all roles held anywhere, the most powerful last."""
        now = timezone.now()
        held = {b.role for b in self.bindings if b.allows and in_force(b, now)}
        return [label for role, label in ROLE_LABELS.items() if role in held]

    def can(self, action: str, resource: Resource = ANYWHERE) -> Decision:
        """Decide without consequence, for buttons and filters."""
        now = timezone.now()
        if self.token is not None and self.is_revoked:
            return Decision(False, f"The token {self.token.prefix} was revoked.")
        if self.token is not None and action not in SCOPES.get(self.token.scope, ()):
            return Decision(False, f"A token of scope {self.token.scope} may not {phrase_of(action)}.")
        decision = decide(self.bindings, action, resource, now)
        if decision and action in WHOLE:
            return whole(self.bindings, action, decision, now)
        if not decision or not self.narrowing:
            return decision
        narrowed = decide(self.narrowing, action, resource, now)
        return narrowed if not narrowed else decision

    def holds(self, action: str) -> bool:
        """Whether an action is allowed anywhere at all, for pages that filter by themselves and links to them."""
        now = timezone.now()
        if self.token is not None and action not in SCOPES.get(self.token.scope, ()):
            return False
        sets = [self.bindings, self.narrowing] if self.narrowing else [self.bindings]
        return all(allows_somewhere(bindings, action, now) for bindings in sets)

    @property
    def hides_services(self) -> bool:
        """Whether a denial hides single clusters or services, so that what belongs to no service may tell of them."""
        now = timezone.now()
        denials = [b for b in (*self.bindings, *self.narrowing) if not b.allows and in_force(b, now)]
        return any(SEEING in ROLES.get(b.role, ()) and (b.cluster or b.service) for b in denials)

    def visible(self, queryset: QuerySet[M], action: str = SEEING) -> QuerySet[M]:
        """Filter a queryset to what the person may see and do this to; agrees with `can` for every row.

        A denied viewer hides a place also from whoever may still approve or deploy there by another role.
        """
        found = queryset
        for needed in dict.fromkeys((SEEING, action)):
            if self.token is not None and needed not in SCOPES.get(self.token.scope, ()):
                return queryset.none()
            found = within(found, self.bindings, needed)
            found = within(found, self.narrowing, needed) if self.narrowing else found
        return found


def whole(bindings: Iterable[Binding], action: str, decision: Decision, now: datetime) -> Decision:
    """Return the decision on what is one thing for all places: a denial for a part of them is one of all of it."""
    denying = [
        b.id for b in bindings if not b.allows and in_force(b, now) and action in ROLES.get(b.role, ())
    ]
    if not denying:
        return decision
    text = f"A binding denies you to {phrase_of(action)} in a part of the console, and there is only the whole of it."
    return Decision(False, text, tuple(denying))


def within(queryset: QuerySet[M], bindings: Iterable[Binding], action: str) -> QuerySet[M]:
    """Filter a queryset to where bindings allow an action."""
    paths: Mapping[str, str] = queryset.model.ACCESS_PATHS  # type: ignore[attr-defined]
    now = timezone.now()
    relevant = [b for b in bindings if in_force(b, now) and action in ROLES[b.role]]
    allowed = combine(place_filter(b, paths) for b in relevant if b.allows)
    denied = combine(place_filter(b, paths) for b in relevant if not b.allows)
    return queryset.filter(allowed).exclude(denied)


def combine(places: Iterable[Q | None]) -> Q:
    """Join places by OR; no place at all is a filter that matches nothing."""
    joined = Q(pk__in=[])
    for place in places:
        if place is not None:
            # An empty Q would vanish in an OR, and 'everywhere' with it.
            joined |= place if place else Q(pk__isnull=False)
    return joined


def place_filter(binding: Binding, paths: Mapping[str, str]) -> Q | None:
    """Return a binding's place as a filter; an empty Q for everywhere, None where it can match no row."""
    place = Q()
    for name in DIMENSIONS:
        pattern = getattr(binding, name)
        if not pattern or pattern == "*":
            continue
        path = paths.get(name)
        if path is None:
            # Rows without that part: a glob that may stand for nothing means them too, as in `decide`.
            if part_matches(pattern, ""):
                continue
            return None
        place &= Q(**{f"{path}__regex": glob_regex(pattern)}) if is_glob(pattern) else Q(**{path: pattern})
    return place


def access_for(user: Any, token: ApiToken | None = None) -> Access:
    """Return the access of a user, or of their token, outside a request, read afresh."""
    return Access(user, token)


def phrase_of(action: str) -> str:
    return ACTION_PHRASES.get(action, action)


def people_who_can(action: str, resource: Resource) -> list[User]:
    """Return the active people who may do something at a place, to tell a requester whom to ask; three queries."""
    now = timezone.now()
    roles = [role for role, actions in ROLES.items() if action in actions]
    rows = RoleBinding.objects.filter(role__in=roles, token=None).select_related("user")
    held: dict[int, tuple[User, list[Binding]]] = {
        person.pk: (person, [SUPERUSER_BINDING]) for person in User.objects.filter(is_superuser=True)
    }
    for row in rows.prefetch_related("group__user_set"):
        for person in row.group.user_set.all() if row.group else filter(None, [row.user]):
            held.setdefault(person.pk, (person, []))[1].append(row.as_binding())
    found = [
        person
        for person, bindings in held.values()
        if person.is_active and decide(bindings, action, resource, now)
    ]
    return sorted(found, key=lambda person: person.get_username())
