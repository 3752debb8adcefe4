"""The ledger alone says who could what: rebuilt at any moment it equals what the tables had then."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from access import actions
from access.apps import write_starting_point
from access.decisions import ROLE_LABELS
from access.history import bindings_at, who_could
from access.models import RoleBinding
from access.queries import access_for
from access.resources import Resource
from access.snapshots import access_entries, first_reach, live_state, take_snapshot, told_state
from access.sso.claims import Groups
from access.sso.people import sync_bindings
from access.tokens import TokenPlace, create_token
from audit.models import AuditEntry
from ecsconsole.errors import ConsoleError
from tests.builders import bind, make_person

pytestmark = pytest.mark.django_db
CHECKOUT = Resource("production", "111122223333", "us-east-1", "prod-core", "checkout-api")
DEPLOY = "service.deploy"


def told(moment: datetime | None = None) -> dict[str, Any]:
    return told_state(bindings_at(access_entries(), moment))


def names(moment: datetime) -> list[str]:
    return [one.name for one in who_could(bindings_at(access_entries(), moment), DEPLOY, CHECKOUT, moment)]


STEPS = st.lists(st.tuples(st.sampled_from("ACRJLDESTM"), st.integers(0, 10**6)), min_size=4, max_size=14)
PLACES = [{}, {"environment": "staging"}, {"cluster": "prod-*"}, {"service": "checkout-api"}]


class World:
    """A few people and groups, and something that happens to them by a number."""

    def __init__(self) -> None:
        actions.add_binding(subject=make_person("root"), values={"role": "admin"}, actor="system")
        self.people = [make_person(f"p{number}") for number in range(3)]
        self.groups = [Group.objects.create(name=f"g{number}") for number in range(2)]
        take_snapshot(actor="system")

    def step(self, letter: str, number: int) -> None:
        dice = random.Random(number)
        person, group = dice.choice(self.people), dice.choice(self.groups)
        held = list(RoleBinding.objects.filter(token=None, source="local"))
        root = User.objects.get(username="root")
        values = {
            "role": dice.choice(list(ROLE_LABELS)),
            "effect": dice.choice(["allow", "allow", "deny"]),
            "not_after": dice.choice([None, timezone.now() + timedelta(days=1)]),
            **dice.choice(PLACES),
        }
        if letter == "A":
            actions.add_binding(subject=dice.choice([person, group]), values=values, actor=root)
        elif letter == "C":
            actions.change_binding(binding=dice.choice(held), values=values, actor=root)
        elif letter == "R":
            actions.remove_binding(binding=dice.choice(held), actor=root)
        elif letter == "J":
            actions.join_group(person=person, group=group, actor=root)
        elif letter == "L":
            actions.leave_group(person=person, group=group, actor=root)
        elif letter == "D":
            actions.disable_person(person=person, actor=root)
        elif letter == "E":
            actions.enable_person(person=person, actor=root)
        elif letter == "S":
            take_snapshot(actor="system")
        elif letter == "T":
            place = TokenPlace(environment="staging")
            create_token(owner=person, name=f"t{number}", scope="read", actor=person, place=place)
        else:
            actions.add_group(name=f"made-{Group.objects.count()}", actor=root)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=STEPS)
def test_rebuilt_at_any_moment_it_equals_the_tables_of_that_moment(
    db: None, steps: list[tuple[str, int]]
) -> None:
    from django.db import transaction

    with transaction.atomic():
        world, seen = World(), []
        for letter, number in steps:
            try:
                with transaction.atomic():
                    world.step(letter, number)
            except ConsoleError:
                # A rule forbade it: the last admin, a token's name; the tables are as they were.
                pass
            moment = timezone.now()
            could = [
                person.username
                for person in User.objects.order_by("username")
                if access_for(person).can(DEPLOY, CHECKOUT)
            ]
            seen.append((moment, live_state(), could))
        for moment, live, could in seen:
            assert told(moment) == live
            assert names(moment) == could
        transaction.set_rollback(True)


def test_answer_names_the_binding_who_gave_it_and_when(people: dict[str, User]) -> None:
    take_snapshot(actor="system")
    before = timezone.now()
    actions.add_binding(subject=people["mallory"], values={"role": "operator"}, actor=people["erin"])
    granted = timezone.now()
    actions.remove_binding(binding=RoleBinding.objects.get(user=people["mallory"]), actor=people["erin"])
    assert "mallory" not in names(before)
    found = who_could(bindings_at(access_entries(), granted), DEPLOY, CHECKOUT, granted)
    mallory = next(one for one in found if one.name == "mallory")
    entry = AuditEntry.objects.get(action="binding.added")
    assert [(held.source.seq, held.source.actor) for held in mallory.by] == [(entry.seq, "erin")]
    assert "mallory" not in names(timezone.now())


def test_binding_that_ended_by_itself_is_over_without_an_entry(people: dict[str, User]) -> None:
    take_snapshot(actor="system")
    now = timezone.now()
    values = {"role": "operator", "not_after": now + timedelta(hours=1)}
    actions.add_binding(subject=people["mallory"], values=values, actor=people["erin"])
    assert "mallory" in names(now + timedelta(minutes=59))
    assert "mallory" not in names(now + timedelta(hours=1))


def test_bindings_of_the_identity_provider_are_told(people: dict[str, User]) -> None:
    from access.models import GroupMapping

    take_snapshot(actor="system")
    GroupMapping.objects.create(idp_group="ops", role="operator")
    sync_bindings(people["mallory"], Groups(("ops",), ""), None)
    held = timezone.now()
    sync_bindings(people["mallory"], Groups((), "The claim is empty."), None)
    assert "mallory" in names(held)
    assert "mallory" not in names(timezone.now())


def test_people_of_the_demo_are_told_from_the_first_entry_on(db: None, settings: Any) -> None:
    settings.LOCAL = True
    call_command("demo_world")
    assert told() == live_state()
    assert first_reach() is None
    assert names(timezone.now()) == ["alice", "bob", "frank", "gina"]


def test_snapshot_is_written_once_and_says_what_was_not_told(people: dict[str, User]) -> None:
    assert take_snapshot(actor="system") == 1
    assert take_snapshot(actor="system") == 0
    entry = first_reach()
    assert entry is not None
    assert f"u-{people['alice'].pk}" in entry.data["untold"]
    bind(people["mallory"], "operator")
    call_command("access_snapshot")
    assert AuditEntry.objects.filter(action="access.snapshot").count() == 2
    assert told() == live_state()


def test_upgrade_writes_the_starting_point_and_a_new_console_none(
    people: dict[str, User], django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(0):
        write_starting_point("default", plan=[])
    write_starting_point("default", plan=["a migration"])
    write_starting_point("default", plan=["a migration"])
    assert AuditEntry.objects.get(action="access.snapshot").actor == "system: shell"
    assert told() == live_state()


def test_large_console_is_written_down_in_parts(
    people: dict[str, User], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("access.snapshots.ROWS_PER_ENTRY", 4)
    assert take_snapshot(actor="system") == 3
    assert told() == live_state()


def test_snapshot_in_parts_forgets_nobody_who_gave_something(
    people: dict[str, User], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("access.snapshots.ROWS_PER_ENTRY", 4)
    take_snapshot(actor="system")
    actions.add_binding(subject=people["mallory"], values={"role": "operator"}, actor=people["erin"])
    # Written past the console, which the next snapshot has to tell.
    bind(people["carol"], "operator")
    assert take_snapshot(actor="system") > 2
    now = timezone.now()
    found = who_could(bindings_at(access_entries(), now), DEPLOY, CHECKOUT, now)
    mallory = next(one for one in found if one.name == "mallory")
    assert [(held.source.actor, held.source.is_snapshot) for held in mallory.by] == [("erin", False)]


def test_renamed_person_is_still_the_same(people: dict[str, User]) -> None:
    take_snapshot(actor="system")
    User.objects.filter(pk=people["alice"].pk).update(username="alicia")
    assert take_snapshot(actor="system") == 1
    assert "alicia" in names(timezone.now())
