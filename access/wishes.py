"""What a change of access is: asked in plain values, understood as bindings that people gain and lose, and applied."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import Group, User
from django.db.models import Q

from access.decisions import DIMENSIONS, ROLE_LABELS, Binding
from access.models import ApiToken, BindingRequest, GroupMapping, RoleBinding
from access.queries import SUPERUSER_BINDING
from access.records import binding_from, facts_of, id_of
from ecsconsole.errors import ConsoleError

Kind = BindingRequest.Kind
EVERYWHERE = "everywhere"
# What a token has that nothing holds down; its owner and its scope still do.
WHOLE_TOKEN = Binding(id=0, role="operator")
# What somebody may choose of a binding; its subject stays what it is.
CHOICES = ("role", *DIMENSIONS, "effect", "not_after")


# A lower package does not know for what else a group is asked; who does says what it is worth, as a binding.
_group_meanings: list[Callable[[str], Iterable[Binding]]] = []


def register_group_meaning(find: Callable[[str], Iterable[Binding]]) -> None:
    """Have the name of a group looked up by `find` whenever somebody joins or leaves it."""
    _group_meanings.append(find)


class AccessMoved(ConsoleError):
    """What a change of access is about is no longer as it was when it was asked for."""

    title = "The access has changed meanwhile"
    advice = "Look at it as it is now, and ask again if that is still what you want."


@dataclass(frozen=True, slots=True)
class Gain:
    """One binding before and after, and whom it binds; `None` where there is none."""

    before: Binding | None
    after: Binding | None
    people: frozenset[int]


@dataclass(frozen=True, slots=True)
class Wish:
    """A change of access; `values` are plain JSON."""

    kind: str
    values: Mapping[str, Any]
    title: str


def subject_from(stable_id: str) -> User | Group | ApiToken:
    """Return the user, group or token of an id such as u-3; raises `AccessMoved`."""
    letter, _, number = stable_id.partition("-")
    models: dict[str, Any] = {"u": User, "g": Group, "t": ApiToken}
    found = models[letter].objects.filter(pk=number).first()
    if found is None:
        raise AccessMoved(f"{stable_id} is no longer there.")
    return found  # type: ignore[no-any-return]


def people_of(subject: User | Group | ApiToken) -> frozenset[int]:
    """Return the ids of those whom a binding of a subject binds."""
    if isinstance(subject, Group):
        return frozenset(subject.user_set.values_list("pk", flat=True))
    return frozenset([subject.user_id if isinstance(subject, ApiToken) else subject.pk])


def place_words(facts: Mapping[str, Any]) -> str:
    return "/".join(str(facts[name]) for name in DIMENSIONS if facts.get(name)) or EVERYWHERE


def words_of(facts: Mapping[str, Any], subject: object) -> str:
    """Return a binding in words: "alice as operator in production", "no operator for alice in production"."""
    role, place = ROLE_LABELS.get(facts["role"], facts["role"]), place_words(facts)
    where = place if place == EVERYWHERE else f"in {place}"
    if facts.get("effect") == "deny":
        return f"no {role} for {subject} {where}"
    return f"{subject} as {role} {where}"


def wish_to_add(subject: User | Group | ApiToken, values: Mapping[str, Any]) -> Wish:
    facts = {**plain(values), "subject": id_of(subject)}
    return Wish(Kind.ADD, facts, words_of(facts, subject))


def wish_to_change(binding: RoleBinding, values: Mapping[str, Any]) -> Wish:
    before = facts_of(binding)
    after = {**before, **plain(values)}
    title = f"{words_of(before, before['subject_name'])} to {words_of(after, before['subject_name'])}"
    return Wish(Kind.CHANGE, {"binding": binding.pk, "before": before, "after": after}, title)


def wish_to_remove(binding: RoleBinding) -> Wish:
    before = facts_of(binding)
    return Wish(
        Kind.REMOVE, {"binding": binding.pk, "before": before}, words_of(before, before["subject_name"])
    )


def wish_to_join(person: User, group: Group) -> Wish:
    return Wish(Kind.JOIN, {"person": person.pk, "group": group.pk}, f"{person} to the group {group}")


def wish_to_leave(person: User, group: Group) -> Wish:
    return Wish(Kind.LEAVE, {"person": person.pk, "group": group.pk}, f"{person} from the group {group}")


def wish_to_enable(person: User) -> Wish:
    return Wish(Kind.ENABLE, {"person": person.pk}, str(person))


def wish_to_map(mapping: GroupMapping) -> Wish:
    values = {"idp_group": mapping.idp_group, "role": mapping.role}
    values |= {name: getattr(mapping, name) for name in DIMENSIONS}
    return Wish(Kind.MAP, values, words_of(values, f"members of {mapping.idp_group}"))


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the choices of a form as JSON."""
    until = values.get("not_after")
    chosen = {name: values[name] for name in CHOICES if name in values}
    if "not_after" in values:
        chosen["not_after"] = until.isoformat() if isinstance(until, datetime) else (until or "")
    return chosen


def gains_of(wish: Wish) -> list[Gain]:
    """Return what people gain and lose by a wish, as things stand now; raises `AccessMoved`."""
    values = wish.values
    if wish.kind == Kind.ADD:
        return [gain(None, binding_from(dict(values)), values["subject"])]
    if wish.kind in (Kind.CHANGE, Kind.REMOVE):
        before = current(values)
        if before["subject"].startswith("t-") and before["effect"] == RoleBinding.Effect.ALLOW:
            # It holds a token down: without it, the token has all that its owner has.
            return [gain(None, WHOLE_TOKEN, before["subject"])]
        after = binding_from(values["after"]) if wish.kind == Kind.CHANGE else None
        return [gain(binding_from(before), after, before["subject"])]
    if wish.kind == Kind.MAP:
        # Whoever comes with the group; of those here it is known by what the group gives them already.
        members = RoleBinding.objects.filter(mapping__idp_group=values["idp_group"], user__isnull=False)
        people = frozenset(members.values_list("user_id", flat=True))
        return [Gain(None, binding_from(dict(values)), people)]
    person = person_of(values)
    if wish.kind == Kind.ENABLE:
        return gains_of_enabling(person)
    held = given_by_group(values["group"])
    one = frozenset([person.pk])
    return [Gain(None, b, one) if wish.kind == Kind.JOIN else Gain(b, None, one) for b in held]


def given_by_group(group: int) -> list[Binding]:
    """Return what membership of a group gives and denies: its bindings, and what higher packages ask its members for."""
    rows = RoleBinding.objects.filter(group=group)
    name = Group.objects.filter(pk=group).values_list("name", flat=True).first() or ""
    return [row.as_binding() for row in rows] + [b for find in _group_meanings for b in find(name)]


def gains_of_enabling(person: User) -> list[Gain]:
    held = RoleBinding.objects.filter(Q(user=person) | Q(group__user=person)).distinct()
    bindings = [row.as_binding() for row in held if row.effect == RoleBinding.Effect.ALLOW]
    if person.is_superuser:
        bindings.append(SUPERUSER_BINDING)
    return [Gain(None, binding, frozenset([person.pk])) for binding in bindings]


def gain(before: Binding | None, after: Binding | None, subject: str) -> Gain:
    return Gain(before, after, people_of(subject_from(subject)))


def current(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts of the binding that a wish is about; raises `AccessMoved` if they are not what was seen."""
    row = RoleBinding.objects.filter(pk=values["binding"]).first()
    if row is None:
        raise AccessMoved("The binding is no longer there.")
    facts = facts_of(row)
    if facts != values["before"]:
        raise AccessMoved("The binding was changed after this was asked.")
    return facts


def person_of(values: Mapping[str, Any]) -> User:
    person = User.objects.filter(pk=values["person"]).first()
    if person is None:
        raise AccessMoved("The person is no longer there.")
    return person


def fields_of(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of a binding's row from its facts."""
    until = facts.get("not_after") or None
    return {
        "role": facts["role"],
        **{name: facts.get(name, "") for name in DIMENSIONS},
        "effect": facts.get("effect", RoleBinding.Effect.ALLOW),
        "not_after": datetime.fromisoformat(until) if until else None,
    }


def subject_columns(subject: User | Group | ApiToken) -> dict[str, Any]:
    if isinstance(subject, Group):
        return {"group": subject}
    return {"token": subject} if isinstance(subject, ApiToken) else {"user": subject}


def everybody(gains: Iterable[Gain]) -> frozenset[int]:
    return frozenset().union(*(one.people for one in gains))
