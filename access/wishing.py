"""Writing a change of access that was allowed: rows and their entries, nothing decided."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group
from django.http import HttpRequest

from access.models import GroupMapping, RoleBinding
from access.records import Actor, facts_of, person_facts, record_binding, record_person
from access.wishes import AccessMoved, Kind, Wish, fields_of, person_of, subject_columns, subject_from
from audit.actions import record


def apply(
    wish: Wish, *, actor: Actor, reason: str, data: dict[str, Any], request: HttpRequest | None
) -> None:
    """Write the rows and the entry of a change of access."""
    said: dict[str, Any] = {"reason": reason, "data": data, "request": request}
    values = wish.values
    if wish.kind == Kind.ADD:
        subject = subject_from(values["subject"])
        row = RoleBinding.objects.create(**subject_columns(subject), **fields_of(values))
        record_binding("added", actor, after=facts_of(row), **said)
    elif wish.kind == Kind.CHANGE:
        RoleBinding.objects.filter(pk=values["binding"]).update(**fields_of(values["after"]))
        row = RoleBinding.objects.get(pk=values["binding"])
        record_binding("changed", actor, before=dict(values["before"]), after=facts_of(row), **said)
    elif wish.kind == Kind.REMOVE:
        RoleBinding.objects.filter(pk=values["binding"]).delete()
        record_binding("removed", actor, before=dict(values["before"]), **said)
    elif wish.kind == Kind.MAP:
        add_mapping_row(wish, actor, said)
    else:
        apply_to_person(wish, actor, said)


def apply_to_person(wish: Wish, actor: Actor, said: dict[str, Any]) -> None:
    person = person_of(wish.values)
    before = person_facts(person)
    if wish.kind == Kind.ENABLE:
        person.is_active = True
        person.save(update_fields=["is_active"])
        record_person("enabled", actor, person, before=before, **said)
        return
    group = Group.objects.filter(pk=wish.values["group"]).first()
    if group is None:
        raise AccessMoved("The group is no longer there.")
    said["data"] = {**said["data"], "group": group.name}
    if wish.kind == Kind.JOIN:
        person.groups.add(group)
        record_person("joined_group", actor, person, before=before, **said)
    else:
        person.groups.remove(group)
        record_person("left_group", actor, person, before=before, **said)


def add_mapping_row(wish: Wish, actor: Actor, said: dict[str, Any]) -> None:
    mapping, created = GroupMapping.objects.get_or_create(**wish.values)
    if not created:
        raise AccessMoved("This group has this role there already.")
    record(
        action="group_mapping.added",
        actor=actor,
        resource=mapping.access_resource,
        target=str(mapping),
        reason=said["reason"],
        data={**said["data"], "group": mapping.idp_group, **mapping.facts},
        request=said["request"],
    )
