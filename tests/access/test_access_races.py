from __future__ import annotations

import threading
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from access.actions import add_binding, approve_request, disable_person, remove_binding
from access.decisions import PermissionMissing
from access.models import RoleBinding
from access.rules import LastAdmin, admins_left
from access.wishes import AccessMoved
from audit.verification import verify_ledger
from tests.audit.test_races import all_at_once
from tests.builders import bind, make_people, make_person


class Each:
    """Give each thread a thing of its own, the same one again when it tries again."""

    def __init__(self, things: list[Any]) -> None:
        self.things, self.own = list(things), threading.local()

    def __call__(self) -> Any:
        if not hasattr(self.own, "thing"):
            self.own.thing = self.things.pop()
        return self.own.thing


@pytest.fixture
def admins(transactional_db: None) -> list[User]:
    """Three who manage access, erin among them."""
    people = make_people()
    more = [make_person(name) for name in ("frank", "gina")]
    for person in more:
        bind(person, "admin")
    return [people["erin"], *more]


def test_admins_who_remove_each_other_at_once_leave_one(admins: list[User]) -> None:
    held = list(RoleBinding.objects.filter(role="admin").select_related("user"))
    todo = Each([(held[0], held[1].user), (held[1], held[2].user), (held[2], held[0].user)])

    def remove() -> str:
        binding, actor = todo()
        try:
            remove_binding(binding=binding, actor=actor)
        except (LastAdmin, PermissionMissing) as error:
            return type(error).__name__
        return "done"

    results = all_at_once(3, remove)
    assert results.count("done") <= 2
    assert len(admins_left(timezone.now())[0]) == 3 - results.count("done") >= 1
    assert verify_ledger().holds


def test_admins_who_shut_themselves_out_at_once_leave_one(admins: list[User]) -> None:
    todo = Each(admins)

    def leave() -> str:
        person = todo()
        try:
            disable_person(person=person, actor=person)
        except LastAdmin:
            return "last"
        return "done"

    assert sorted(all_at_once(3, leave)) == ["done", "done", "last"]
    assert User.objects.filter(pk__in=[person.pk for person in admins], is_active=True).count() == 1


def test_two_second_persons_at_once_apply_it_once(admins: list[User]) -> None:
    erin, frank, gina = admins
    asked = add_binding(subject=erin, values={"role": "operator"}, actor=erin).waits
    assert asked
    todo = Each([frank, gina])

    def agree() -> str:
        try:
            approve_request(asked=asked, actor=todo())
        except AccessMoved:
            return "late"
        return "done"

    assert sorted(all_at_once(2, agree)) == ["done", "late"]
    assert RoleBinding.objects.filter(user=erin, role="operator").count() == 1
