"""Changing who may do what: checked under one lock, written, and put into the ledger in the same transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import Group, User
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from access import rules, wishes
from access.bounds import widens
from access.decisions import PermissionMissing
from access.models import ApiToken, BindingRequest, RoleBinding
from access.queries import Access, access_for
from access.records import Actor, person_facts, record_group, record_person
from access.sessions import end_sessions
from access.wishes import AccessMoved, Gain, Wish
from access.wishing import apply
from audit.actions import record
from audit.models import AuditChain

ASKED_FOR = timedelta(days=7)
SYSTEM = "system: shell"
BY_HAND = "Somebody with a shell on the server can do it: manage.py grant --user NAME --role ROLE."


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a change of access: done, or waiting for a second person as this request."""

    waits: BindingRequest | None = None

    @property
    def is_done(self) -> bool:
        return self.waits is None


DONE = Outcome()


def add_binding(
    *,
    subject: User | Group | ApiToken,
    values: Mapping[str, Any],
    actor: Actor,
    reason: str = "",
    now: datetime | None = None,
    request: HttpRequest | None = None,
) -> Outcome:
    """Give or deny a role; raises PermissionMissing, LastAdmin or SecondPersonMissing."""
    wish = wishes.wish_to_add(subject, values)
    return change_access(wish, actor=actor, reason=reason, now=now, request=request)


def change_binding(
    *,
    binding: RoleBinding,
    values: Mapping[str, Any],
    actor: Actor,
    reason: str = "",
    now: datetime | None = None,
    request: HttpRequest | None = None,
) -> Outcome:
    """Change the role, the place, the effect or the end of a binding; raises as `add_binding`."""
    require_local(binding)
    wish = wishes.wish_to_change(binding, values)
    return change_access(wish, actor=actor, reason=reason, now=now, request=request)


def remove_binding(
    *,
    binding: RoleBinding,
    actor: Actor,
    reason: str = "",
    now: datetime | None = None,
    request: HttpRequest | None = None,
) -> Outcome:
    """Take a binding away; raises as `add_binding`."""
    require_local(binding)
    wish = wishes.wish_to_remove(binding)
    return change_access(wish, actor=actor, reason=reason, now=now, request=request)


def join_group(
    *,
    person: User,
    group: Group,
    actor: Actor,
    reason: str = "",
    now: datetime | None = None,
    request: HttpRequest | None = None,
) -> Outcome:
    """Add a person to a group, which gives them all that the group holds."""
    wish = wishes.wish_to_join(person, group)
    return change_access(wish, actor=actor, reason=reason, now=now, request=request)


def leave_group(
    *,
    person: User,
    group: Group,
    actor: Actor,
    reason: str = "",
    now: datetime | None = None,
    request: HttpRequest | None = None,
) -> Outcome:
    """Take a person out of a group, and with it all that the group gave or denied them."""
    wish = wishes.wish_to_leave(person, group)
    return change_access(wish, actor=actor, reason=reason, now=now, request=request)


def enable_person(
    *,
    person: User,
    actor: Actor,
    reason: str = "",
    now: datetime | None = None,
    request: HttpRequest | None = None,
) -> Outcome:
    """Let a disabled person sign in again, with all that they hold."""
    wish = wishes.wish_to_enable(person)
    return change_access(wish, actor=actor, reason=reason, now=now, request=request)


def disable_person(
    *,
    person: User,
    actor: User,
    reason: str = "",
    now: datetime | None = None,
    request: HttpRequest | None = None,
) -> bool:
    """Shut a person out at once, everywhere; their bindings stay to be read. False when they were shut out before."""
    now = now or timezone.now()
    gains = [Gain(one.after, None, one.people) for one in wishes.gains_of_enabling(person)]
    with refusals_recorded(actor, person.get_username(), request), transaction.atomic():
        lock_access()
        rules.require_rights(access_for(actor), gains, now)
        left, before = rules.admins_left(now), person_facts(person)
        if User.objects.filter(pk=person.pk, is_active=True).update(is_active=False) != 1:
            # Two clicked at once: the first one's entry stands.
            return False
        person.is_active = False
        rules.require_admin_left(left, now)
        record_person("disabled", actor, person, before=before, reason=reason, request=request)
        end_sessions(person=person, actor=actor, reason="The account was disabled.", request=request)
    return True


def add_group(
    *, name: str, actor: User, now: datetime | None = None, request: HttpRequest | None = None
) -> Group:
    """Make a group of people here; it gives nothing until a binding names it."""
    with refusals_recorded(actor, name, request), transaction.atomic():
        lock_access()
        rules.require_rights(access_for(actor), [], now or timezone.now())
        group = Group.objects.create(name=name.strip())
        record_group("added", actor, group, request=request)
    return group


def remove_group(
    *,
    group: Group,
    actor: User,
    now: datetime | None = None,
    request: HttpRequest | None = None,
) -> None:
    """Remove a group that gives and denies nothing any more; raises `AccessMoved` while a binding names it."""
    with refusals_recorded(actor, group.name, request), transaction.atomic():
        lock_access()
        rules.require_rights(access_for(actor), [], now or timezone.now())
        if count := group.role_bindings.count():
            raise AccessMoved(
                f"{count} {'binding names' if count == 1 else 'bindings name'} {group}.",
                advice="Remove them first; each is an entry of its own.",
            )
        for person in group.user_set.all():
            before = person_facts(person)
            person.groups.remove(group)
            record_person("left_group", actor, person, before=before, request=request)
        record_group("removed", actor, group, gone=True, request=request)
        group.delete()


def change_access(
    wish: Wish,
    *,
    actor: Actor,
    reason: str = "",
    now: datetime | None = None,
    request: HttpRequest | None = None,
) -> Outcome:
    """Apply a change of access, or have it wait for a second person where the rules ask for one.

    Rights, the second person and the last admin are looked at under one lock, as things stand then. `system` (a
    shell, the setup of a console) may all, but never leaves a console without an admin.
    """
    now = now or timezone.now()
    with refusals_recorded(actor, wish.title, request), transaction.atomic():
        lock_access()
        gains = wishes.gains_of(wish)
        if isinstance(actor, User):
            rules.require_rights(access_for(actor), gains, now)
            if why := rules.second_person_for(gains, actor):
                return Outcome(ask_second_person(wish, gains, actor, why, reason, now, request))
        carry_out(wish, actor, reason, {}, now, request)
    return DONE


def carry_out(
    wish: Wish, actor: Actor, reason: str, data: dict[str, Any], now: datetime, request: HttpRequest | None
) -> None:
    """Apply a change that nothing speaks against but the last admin. Call it under the lock."""
    left = rules.admins_left(now)
    apply(wish, actor=actor, reason=reason, data=data, request=request)
    rules.require_admin_left(left, now)


def lock_access() -> None:
    """Let one change of access happen at a time: the head of the ledger is locked as its entry would do later."""
    AuditChain.objects.select_for_update().get(pk=1)


def require_local(binding: RoleBinding) -> None:
    """Raise `AccessMoved` for a binding that a group at the identity provider gave."""
    if binding.source != RoleBinding.Source.LOCAL:
        raise AccessMoved(
            f"{binding} comes from the identity provider and would be back at the next sign-in.",
            advice="Change the mapping of the group, the membership there, or deny the role here.",
        )


class refusals_recorded:
    """Put a missing permission into the ledger, outside of the transaction that it ends."""

    def __init__(self, actor: Actor, target: str, request: HttpRequest | None) -> None:
        self.actor, self.target, self.request = actor, target, request

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, PermissionMissing):
            return
        record(
            action="access.refused",
            actor=self.actor,
            resource=error.resource,
            target=self.target,
            outcome="refused",
            reason=error.sentence,
            data={"permission": error.action},
            request=self.request,
        )


# The second person


def ask_second_person(
    wish: Wish,
    gains: list[Gain],
    actor: User,
    why: str,
    reason: str,
    now: datetime,
    request: HttpRequest | None,
) -> BindingRequest:
    """Write down what waits for a second person; raises `SecondPersonMissing` where there is nobody."""
    if not rules.second_persons(gains, actor, now):
        raise rules.SecondPersonMissing(
            f"{why} So a second person who manages access there must agree, and there is nobody but you.",
            advice=BY_HAND,
        )
    asked = BindingRequest.objects.create(
        kind=wish.kind,
        title=wish.title[:255],
        wish=dict(wish.values),
        reason=reason.strip(),
        why=why,
        requester=actor,
        created_at=now,
        expires_at=now + ASKED_FOR,
    )
    note(asked, "access.requested", actor, asked.reason, request)
    return asked


def approve_request(
    *, asked: BindingRequest, actor: User, now: datetime | None = None, request: HttpRequest | None = None
) -> None:
    """Agree to a change of access as the second person, which applies it; raises where the rules forbid it.

    The requester's rights and what it is about are looked at again: neither may have moved.
    """
    now = now or timezone.now()
    with refusals_recorded(actor, str(asked), request), transaction.atomic():
        lock_access()
        wish = wish_of(asked)
        require_agreement(asked, wishes.gains_of(wish), access_for(actor), now)
        close(asked, BindingRequest.State.APPLIED, actor, now)
        by = {"request": str(asked), "requested_by": asked.requester.get_username()}
        carry_out(wish, actor, asked.reason, by, now, request)
        note(asked, "access.request_approved", actor, asked.reason, request)


def wish_of(asked: BindingRequest) -> Wish:
    return Wish(asked.kind, asked.wish, asked.title)


def require_agreement(asked: BindingRequest, gains: list[Gain], access: Access, now: datetime) -> None:
    """Raise unless the agreement of this person would let a change of access happen, and its requester still may ask."""
    rules.require_rights(access, gains, now)
    require_other(asked, gains, access.user.pk)
    if not asked.requester.is_active:
        raise AccessMoved(f"{asked.requester}, who asked for this, is disabled.")
    rules.require_rights(access_for(asked.requester), gains, now)


def require_other(asked: BindingRequest, gains: list[Gain], person: int | None) -> None:
    """Raise unless the person neither asked for this nor gains by it."""
    gainers = {pk for one in gains if widens(one.before, one.after) for pk in one.people}
    if person == asked.requester_id:
        raise AccessMoved("You asked for this; somebody else has to agree.", advice="")
    if person in gainers:
        raise AccessMoved("This widens your own access; somebody else has to agree.", advice="")


def refuse_request(
    *,
    asked: BindingRequest,
    actor: User,
    reason: str = "",
    now: datetime | None = None,
    request: HttpRequest | None = None,
) -> None:
    """Refuse what waits for a second person, as whoever manages access there, or withdraw what one asked for oneself."""
    now = now or timezone.now()
    own = asked.requester_id == actor.pk
    with refusals_recorded(actor, str(asked), request), transaction.atomic():
        if not own:
            require_say(asked, access_for(actor), now)
        close(asked, BindingRequest.State.WITHDRAWN if own else BindingRequest.State.REFUSED, actor, now)
        note(asked, "access.request_withdrawn" if own else "access.request_refused", actor, reason, request)


def require_say(asked: BindingRequest, access: Access, now: datetime) -> None:
    """Raise unless somebody manages access in every place that a request touches.

    What moved since can only be closed, and so by anybody who manages access.
    """
    try:
        gains = wishes.gains_of(wish_of(asked))
    except AccessMoved:
        return
    rules.require_rights(access, gains, now)


def close(asked: BindingRequest, state: BindingRequest.State, actor: User, now: datetime) -> None:
    still_open = BindingRequest.objects.filter(
        pk=asked.pk, state=BindingRequest.State.OPEN, expires_at__gt=now
    )
    if still_open.update(state=state, decided_by=actor, decided_at=now) != 1:
        # Somebody else decided first, or its week is over.
        raise AccessMoved(f"{asked} is no longer open.", advice="Look at the list of what waits.")


def note(asked: BindingRequest, action: str, actor: User, reason: str, request: HttpRequest | None) -> None:
    record(
        action=action,
        actor=actor,
        target=str(asked),
        reason=reason,
        data={
            "kind": asked.kind,
            "title": asked.title,
            "why": asked.why,
            "wish": asked.wish,
            "requested_by": asked.requester.get_username(),
            "expires_at": asked.expires_at,
        },
        request=request,
    )
