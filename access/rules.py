"""Rules for whoever changes access: no more than one holds, not for oneself, by two where it counts, never nobody."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import Q

from access.bounds import MANAGE, can_meet, is_sensitive, is_within, lasts_no_longer, widens
from access.decisions import ROLES, Binding, Decision, PermissionMissing, in_force
from access.models import RoleBinding
from access.queries import SUPERUSER_BINDING, Access, access_for
from access.resources import Resource
from access.wishes import Gain
from ecsconsole.errors import ConsoleError


class LastAdmin(ConsoleError):
    """Afterwards nobody could manage access any more."""

    title = "Somebody has to manage access"
    advice = "Give somebody else the role admin everywhere without an end date first."


class SecondPersonMissing(ConsoleError):
    """A second person is needed, and there is none."""

    title = "A second person is needed"


def resource_of(binding: Binding) -> Resource:
    return Resource(binding.environment, binding.account_id, binding.region, binding.cluster, binding.service)


def manages(bindings: Iterable[Binding], wanted: Binding, now: datetime) -> Decision:
    """Decide whether bindings carry the right to manage access in all of the place of another, for as long as it lasts."""
    held = [b for b in bindings if in_force(b, now) and MANAGE in ROLES.get(b.role, ())]
    denying = [b.id for b in held if not b.allows and can_meet(b, wanted)]
    place = resource_of(wanted)
    if denying:
        return Decision(False, f"A binding denies you to manage access in a part of {place}.", tuple(denying))
    around = [b for b in held if b.allows and is_within(wanted, b)]
    if not around:
        return Decision(False, f"To grant in {place} you must hold the role admin in all of it.")
    lasting = [b.id for b in around if lasts_no_longer(wanted, b)]
    if not lasting:
        latest = max(b.not_after for b in around if b.not_after)
        reason = (
            f"You manage access there until {latest:%d %b %Y %H:%M} UTC; nothing you grant may outlast that."
        )
        return Decision(False, reason, tuple(b.id for b in around))
    return Decision(True, f"Manages access in {place}.", tuple(lasting))


def require_rights(access: Access, gains: Iterable[Gain], now: datetime) -> None:
    """Raise `PermissionMissing` unless somebody manages access in every place that a change touches."""
    found = list(gains)
    if not found:
        # A group without bindings, a person with none: they may get some at any place.
        found = [Gain(None, Binding(0, "viewer"), frozenset())]
    for one in found:
        for side in (one.before, one.after):
            if side is None:
                continue
            # Taking away what outlasts oneself is no grant.
            asked = side if side is one.after else place_alone(side, now)
            decision = manages(access.bindings, asked, now)
            if not decision:
                raise PermissionMissing(MANAGE, resource_of(side), decision)


def place_alone(side: Binding, now: datetime) -> Binding:
    """Return a binding as it counts when it is taken away: by its place, however long it would have lasted."""
    return replace(side, not_after=now)


def second_person_for(gains: Iterable[Gain], actor: User) -> str:
    """Return why a change needs a second person, empty when it does not."""
    wider = [one for one in gains if widens(one.before, one.after)]
    if any(actor.pk in one.people for one in wider):
        return f"It widens {actor}'s own access."
    if settings.ACCESS_SECOND_PERSON and any(touches_production(one) for one in wider):
        return "It gives more than looking at a place that may hold production."
    return ""


def require_power_over(actor: User, person: User, gains: Iterable[Gain], now: datetime) -> None:
    """Raise unless somebody could alone give all that a person holds: who sets a password can sign in with it."""
    found = list(gains)
    if actor.pk == person.pk:
        return
    require_rights(access_for(actor), found, now)
    if why := second_person_for(found, actor):
        raise SecondPersonMissing(
            f"Who sets {person}'s password can sign in with it. {why}",
            advice=f"Somebody with a shell on the server can set it: manage.py changepassword {person}.",
        )


def touches_production(one: Gain) -> bool:
    """Whether what is gained may be in production: by a grant, or by the end of a denial."""
    return any(side is not None and is_sensitive(side) for side in (one.before, one.after))


def second_persons(gains: Iterable[Gain], asker: User, now: datetime) -> list[User]:
    """Return who could agree to a change: they hold as much as it gives, and gain nothing by it."""
    found = list(gains)
    gainers = {pk for one in found if widens(one.before, one.after) for pk in one.people}
    return [person for person in managers(now) if may_agree(person, found, asker, gainers, now)]


def may_agree(person: User, gains: list[Gain], asker: User, gainers: set[int], now: datetime) -> bool:
    if person.pk == asker.pk or person.pk in gainers:
        return False
    try:
        require_rights(access_for(person), gains, now)
    except PermissionMissing:
        return False
    return True


def managers(now: datetime) -> list[User]:
    """Return the active people who manage access somewhere."""
    roles = [role for role, actions in ROLES.items() if MANAGE in actions]
    held = RoleBinding.objects.filter(role__in=roles, effect=RoleBinding.Effect.ALLOW)
    held = held.filter(Q(not_after=None) | Q(not_after__gt=now))
    bound = Q(role_bindings__in=held) | Q(groups__role_bindings__in=held) | Q(is_superuser=True)
    return list(User.objects.filter(bound, is_active=True).distinct().order_by("username"))


def admins_left(now: datetime) -> tuple[set[int], set[int]]:
    """Return who manages access everywhere, with no part denied to them: those for good, and all of them.

    For good is by the console's own bindings and without an end: what the identity provider gave it takes back at
    any sign-in.
    """
    lasting, everybody = set(), set()
    everywhere = place_alone(Binding(0, "admin"), now)
    for person in managers(now):
        rows = list(RoleBinding.objects.filter(Q(user=person) | Q(group__user=person)).distinct())
        own = [SUPERUSER_BINDING] if person.is_superuser else []
        if manages([*own, *(row.as_binding() for row in rows)], everywhere, now):
            everybody.add(person.pk)
        kept = [row for row in rows if row.effect == RoleBinding.Effect.DENY or is_lasting(row)]
        if manages([*own, *(row.as_binding() for row in kept)], everywhere, now):
            lasting.add(person.pk)
    return lasting, everybody


def is_lasting(row: RoleBinding) -> bool:
    return row.source == RoleBinding.Source.LOCAL and row.not_after is None


def require_admin_left(before: tuple[set[int], set[int]], now: datetime) -> None:
    """Raise `LastAdmin` where a change took the last who manages access everywhere, for good or at all.

    Call it under the lock of the change: two who remove each other at once would both find the other one left.
    """
    after = admins_left(now)
    if before[1] and not after[1]:
        raise LastAdmin("Nobody would be left who manages access everywhere. Nothing was changed.")
    if before[0] and not after[0]:
        raise LastAdmin(
            "Nobody would be left who manages access everywhere without an end date. Nothing was changed."
        )
