"""Entries about people, groups and bindings: each carries everything, so that the ledger alone says who could what."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.auth.models import Group, User
from django.http import HttpRequest

from access.decisions import DIMENSIONS, Binding
from access.models import ApiToken, RoleBinding
from access.resources import Resource
from audit.actions import record

Actor = User | str
Facts = dict[str, Any]
# By which letter the ids of each kind of subject begin.
LETTERS = {"user": "u", "group": "g", "token": "t"}


def id_of(subject: User | Group | ApiToken) -> str:
    """Return the stable id of a subject: u-3, g-1, t-12."""
    kind = "group" if isinstance(subject, Group) else "token" if isinstance(subject, ApiToken) else "user"
    return f"{LETTERS[kind]}-{subject.pk}"


def subject_of(binding: RoleBinding) -> User | Group | ApiToken:
    found = binding.user or binding.group or binding.token
    if found is None:
        raise ValueError(f"Binding {binding.pk} binds nobody; a constraint of the table forbids that.")
    return found


def facts_of(binding: RoleBinding) -> Facts:
    """Return a binding as an entry carries it."""
    subject = subject_of(binding)
    return {
        "binding": binding.pk,
        "subject": id_of(subject),
        "subject_name": str(subject),
        "role": binding.role,
        **{name: getattr(binding, name) for name in DIMENSIONS},
        "effect": binding.effect,
        "not_after": binding.not_after.isoformat() if binding.not_after else "",
        "source": binding.source,
    }


def binding_from(facts: Facts) -> Binding:
    """Return the pure binding that facts describe."""
    until = facts.get("not_after", "")
    return Binding(
        id=facts.get("binding") or 0,
        role=facts["role"],
        **{name: facts.get(name, "") for name in DIMENSIONS},
        allows=facts.get("effect", "allow") == "allow",
        not_after=datetime.fromisoformat(until) if until else None,
    )


def place_of(facts: Facts) -> Resource:
    return Resource(**{name: facts.get(name, "") for name in DIMENSIONS})


def person_facts(person: User) -> Facts:
    """Return a person as an entry carries them; the groups count for what they may do."""
    return {
        "id": id_of(person),
        "username": person.get_username(),
        "is_active": person.is_active,
        "is_superuser": person.is_superuser,
        "groups": [id_of(group) for group in person.groups.order_by("pk")],
    }


def group_facts(group: Group) -> Facts:
    return {"id": id_of(group), "name": group.name}


def record_binding(
    verb: str,
    actor: Actor,
    *,
    before: Facts | None = None,
    after: Facts | None = None,
    reason: str = "",
    data: Facts | None = None,
    request: HttpRequest | None = None,
) -> None:
    """Record that a binding was added, changed or removed, with all of it on both sides."""
    facts = after or before or {}
    record(
        action=f"binding.{verb}",
        actor=actor,
        resource=place_of(facts),
        target=f"{facts['effect']} {facts['subject_name']} {facts['role']}"[:255],
        reason=reason,
        data=data,
        before=before,
        after=after,
        request=request,
    )


def record_person(
    verb: str,
    actor: Actor,
    person: User,
    *,
    before: Facts | None = None,
    reason: str = "",
    data: Facts | None = None,
    request: HttpRequest | None = None,
) -> None:
    """Record what happened to a person, with how they stand afterwards."""
    record(
        action=f"person.{verb}",
        actor=actor,
        target=person.get_username(),
        reason=reason,
        data=data,
        before=before,
        after=person_facts(person),
        request=request,
    )


def record_group(
    verb: str, actor: Actor, group: Group, *, gone: bool = False, request: HttpRequest | None = None
) -> None:
    """Record that a group was added or removed."""
    facts = group_facts(group)
    record(
        action=f"group.{verb}",
        actor=actor,
        target=group.name,
        before=facts if gone else None,
        after=None if gone else facts,
        request=request,
    )
