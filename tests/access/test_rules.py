"""Who may change whose access, and what nobody may: each rule, by the actions that the pages call."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command
from django.utils import timezone

from access.actions import (
    add_binding,
    approve_request,
    change_binding,
    disable_person,
    enable_person,
    join_group,
    leave_group,
    refuse_request,
    remove_binding,
    remove_group,
)
from access.decisions import PermissionMissing
from access.groups import add_mapping, remove_mapping
from access.models import BindingRequest, GroupMapping, RoleBinding
from access.queries import access_for
from access.resources import Resource
from access.rules import LastAdmin, SecondPersonMissing, require_power_over
from access.tokens import TokenPlace, create_token
from access.wishes import AccessMoved, gains_of_enabling
from audit.models import AuditEntry
from tests.builders import bind, make_person

pytestmark = pytest.mark.django_db
CHECKOUT = Resource("production", "111122223333", "us-east-1", "prod-core", "checkout-api")
STAGING = Resource("staging", "222233334444", "us-east-1", "staging-core", "checkout-api")


@pytest.fixture
def erin(people: dict[str, User]) -> User:
    return people["erin"]


@pytest.fixture
def frank(people: dict[str, User]) -> User:
    """A second admin, everywhere."""
    person = make_person("frank")
    bind(person, "admin")
    return person


@pytest.fixture
def gina(people: dict[str, User]) -> User:
    """An admin of staging alone."""
    person = make_person("gina")
    bind(person, "admin", environment="staging")
    return person


@pytest.fixture
def _by_two(settings: Any) -> None:
    settings.ACCESS_SECOND_PERSON = True


def role(name: str, **place: Any) -> dict[str, Any]:
    return {"role": name, **place}


def admin_of(person: User) -> RoleBinding:
    return RoleBinding.objects.get(user=person, role="admin")


# Nobody grants more than they hold.


def test_grant_counts_at_once_and_carries_everything_into_the_ledger(
    people: dict[str, User], erin: User
) -> None:
    mallory = people["mallory"]
    assert add_binding(subject=mallory, values=role("operator", cluster="prod-*"), actor=erin).is_done
    assert access_for(mallory).can("service.deploy", CHECKOUT)
    entry = AuditEntry.objects.get(action="binding.added")
    assert (entry.actor, entry.cluster) == ("erin", "prod-*")
    assert entry.data["after"]["subject"] == f"u-{mallory.pk}"
    assert entry.data["after"]["role"] == "operator"


@pytest.mark.parametrize("name", ["alice", "bob", "carol", "dan", "mallory"])
def test_who_does_not_manage_access_grants_nothing(people: dict[str, User], name: str) -> None:
    with pytest.raises(PermissionMissing):
        add_binding(subject=people["mallory"], values=role("viewer"), actor=people[name])
    assert not RoleBinding.objects.filter(user=people["mallory"]).exists()
    refused = AuditEntry.objects.get(action="access.refused")
    assert (refused.actor, refused.outcome) == (name, "refused")


@pytest.mark.parametrize(
    "place", [{}, {"environment": "production"}, {"cluster": "staging-*"}, {"service": "checkout-api"}]
)
def test_admin_of_a_place_grants_nothing_outside_it(
    people: dict[str, User], gina: User, place: dict[str, str]
) -> None:
    with pytest.raises(PermissionMissing, match="in all of it"):
        add_binding(subject=people["mallory"], values=role("viewer", **place), actor=gina)
    # A denial is a change of access like any other.
    with pytest.raises(PermissionMissing):
        add_binding(subject=people["mallory"], values=role("viewer", effect="deny", **place), actor=gina)


def test_admin_of_a_place_grants_within_it(people: dict[str, User], gina: User) -> None:
    values = role("operator", environment="staging", cluster="staging-core")
    add_binding(subject=people["mallory"], values=values, actor=gina)
    access = access_for(people["mallory"])
    assert (bool(access.can("service.deploy", STAGING)), bool(access.can("service.deploy", CHECKOUT))) == (
        True,
        False,
    )


def test_admin_of_a_place_cannot_move_a_binding_into_or_out_of_it(
    people: dict[str, User], gina: User
) -> None:
    inside, outside = (
        bind(people["mallory"], "viewer", environment="staging"),
        bind(people["mallory"], "viewer"),
    )
    with pytest.raises(PermissionMissing):
        change_binding(binding=inside, values=role("viewer", environment=""), actor=gina)
    with pytest.raises(PermissionMissing):
        change_binding(binding=outside, values=role("viewer", environment="staging"), actor=gina)
    with pytest.raises(PermissionMissing):
        remove_binding(binding=outside, actor=gina)
    assert RoleBinding.objects.get(pk=inside.pk).environment == "staging"


def test_admin_to_whom_a_part_is_denied_grants_nothing_that_reaches_it(
    people: dict[str, User], erin: User, frank: User
) -> None:
    bind(erin, "admin", environment="production", effect="deny")
    with pytest.raises(PermissionMissing, match="denies you"):
        add_binding(subject=people["mallory"], values=role("viewer"), actor=erin)
    assert add_binding(
        subject=people["mallory"], values=role("viewer", environment="staging"), actor=erin
    ).is_done


def test_admin_for_a_while_grants_nothing_that_outlasts_it(people: dict[str, User]) -> None:
    now, henry = timezone.now(), make_person("henry")
    bind(henry, "admin", not_after=now + timedelta(days=3))
    for until in (None, now + timedelta(days=4)):
        with pytest.raises(PermissionMissing, match="outlast"):
            add_binding(subject=people["mallory"], values=role("viewer", not_after=until), actor=henry)
    values = role("viewer", not_after=now + timedelta(days=2))
    assert add_binding(subject=people["mallory"], values=values, actor=henry).is_done
    # What others gave for longer may be taken away, though.
    assert remove_binding(binding=RoleBinding.objects.get(user=people["alice"]), actor=henry).is_done


# Nobody widens their own access.


def test_own_grant_waits_for_somebody_else(erin: User, frank: User) -> None:
    outcome = add_binding(subject=erin, values=role("operator", environment="staging"), actor=erin)
    assert outcome.waits
    assert "erin's own access" in outcome.waits.why
    assert not access_for(erin).can("service.deploy", STAGING)


def test_own_grant_is_refused_where_there_is_nobody_else(erin: User) -> None:
    with pytest.raises(SecondPersonMissing, match="nobody but you") as missing:
        add_binding(subject=erin, values=role("operator"), actor=erin)
    assert "manage.py grant" in missing.value.advice
    assert not BindingRequest.objects.exists()


def test_own_group_and_own_denial_count_as_own(erin: User, frank: User) -> None:
    group = Group.objects.create(name="sre")
    erin.groups.add(group)
    assert add_binding(subject=group, values=role("operator"), actor=erin).waits
    denial = bind(erin, "operator", effect="deny")
    assert remove_binding(binding=denial, actor=erin).waits
    shorter = {"not_after": timezone.now() + timedelta(hours=1)}
    assert change_binding(binding=denial, values=shorter, actor=erin).waits


def test_joining_a_group_is_a_grant_of_what_it_holds(people: dict[str, User], erin: User, gina: User) -> None:
    group = Group.objects.create(name="sre")
    bind_group = RoleBinding.objects.create(group=group, role="operator")
    with pytest.raises(PermissionMissing):
        join_group(person=people["mallory"], group=group, actor=gina)
    with pytest.raises(SecondPersonMissing):
        join_group(person=erin, group=group, actor=erin)
    assert join_group(person=people["mallory"], group=group, actor=erin).is_done
    assert access_for(people["mallory"]).can("service.deploy", CHECKOUT)
    assert AuditEntry.objects.get(action="person.joined_group").data["after"]["groups"] == [f"g-{group.pk}"]
    assert leave_group(person=people["mallory"], group=group, actor=erin).is_done
    assert not access_for(people["mallory"]).can("service.deploy", CHECKOUT)
    with pytest.raises(AccessMoved, match="1 binding names"):
        remove_group(group=group, actor=erin)
    remove_binding(binding=bind_group, actor=erin)
    remove_group(group=group, actor=erin)
    assert not Group.objects.exists()


def test_taking_away_from_oneself_needs_nobody(erin: User, frank: User) -> None:
    own = bind(erin, "operator")
    assert remove_binding(binding=own, actor=erin).is_done


def test_leaving_a_group_that_denies_widens(erin: User, frank: User) -> None:
    group = Group.objects.create(name="not-in-production")
    RoleBinding.objects.create(group=group, role="operator", effect="deny")
    erin.groups.add(group)
    assert leave_group(person=erin, group=group, actor=erin).waits


def test_token_that_was_held_down_is_not_let_loose_by_oneself(erin: User, frank: User) -> None:
    token, _ = create_token(
        owner=erin, name="ci", scope="read", actor=erin, place=TokenPlace(environment="staging")
    )
    assert remove_binding(binding=token.role_bindings.get(), actor=erin).waits


# Access to production is granted by two.


@pytest.mark.usefixtures("_by_two")
@pytest.mark.parametrize(
    ("values", "waits"),
    [
        (role("operator"), True),
        (role("operator", environment="production", cluster="prod-core"), True),
        (role("auditor", cluster="staging-*"), True),
        (role("viewer"), False),
        (role("operator", environment="staging"), False),
        (role("operator", effect="deny"), False),
    ],
)
def test_more_than_looking_at_production_waits_for_a_second_person(
    people: dict[str, User], erin: User, frank: User, values: dict[str, Any], waits: bool
) -> None:
    outcome = add_binding(subject=people["mallory"], values=values, actor=erin)
    assert bool(outcome.waits) is waits
    assert RoleBinding.objects.filter(user=people["mallory"]).exists() is not waits


def test_without_the_setting_one_person_is_enough(people: dict[str, User], erin: User, frank: User) -> None:
    assert add_binding(subject=people["mallory"], values=role("operator"), actor=erin).is_done


@pytest.mark.usefixtures("_by_two")
def test_widening_into_production_waits_and_narrowing_does_not(
    people: dict[str, User], erin: User, frank: User
) -> None:
    held = bind(people["mallory"], "operator", environment="staging")
    assert change_binding(binding=held, values={"environment": ""}, actor=erin).waits
    assert change_binding(binding=held, values={"cluster": "staging-core"}, actor=erin).is_done
    wide = RoleBinding.objects.get(user=people["alice"])
    assert change_binding(
        binding=wide, values={"not_after": timezone.now() + timedelta(days=1)}, actor=erin
    ).is_done


@pytest.mark.usefixtures("_by_two")
def test_second_person_applies_it_once(people: dict[str, User], erin: User, frank: User) -> None:
    asked = add_binding(subject=people["mallory"], values=role("operator"), actor=erin, reason="OPS-1").waits
    assert asked
    approve_request(asked=asked, actor=frank)
    assert access_for(people["mallory"]).can("service.deploy", CHECKOUT)
    with pytest.raises(AccessMoved, match="no longer open"):
        approve_request(asked=asked, actor=frank)
    assert RoleBinding.objects.filter(user=people["mallory"]).count() == 1
    told = list(AuditEntry.objects.order_by("seq").values_list("action", "actor"))
    assert told == [
        ("access.requested", "erin"),
        ("binding.added", "frank"),
        ("access.request_approved", "frank"),
    ]
    assert AuditEntry.objects.get(action="binding.added").data["requested_by"] == "erin"


@pytest.mark.usefixtures("_by_two")
def test_second_person_is_neither_the_asker_nor_who_gains_nor_an_admin_of_elsewhere(
    people: dict[str, User], erin: User, frank: User, gina: User
) -> None:
    hugo = make_person("hugo")
    bind(hugo, "admin")
    asked = add_binding(subject=frank, values=role("operator"), actor=erin).waits
    assert asked
    for person in (erin, frank):
        with pytest.raises(AccessMoved, match="somebody else has to agree"):
            approve_request(asked=asked, actor=person)
    with pytest.raises(PermissionMissing):
        approve_request(asked=asked, actor=gina)
    approve_request(asked=asked, actor=hugo)
    assert access_for(frank).can("service.deploy", CHECKOUT)


@pytest.mark.usefixtures("_by_two")
def test_request_is_void_when_its_week_is_over_or_things_moved(
    people: dict[str, User], erin: User, frank: User
) -> None:
    now = timezone.now()
    held = bind(people["mallory"], "viewer")
    asked = change_binding(binding=held, values=role("operator"), actor=erin, now=now).waits
    assert asked
    with pytest.raises(AccessMoved, match="no longer open"):
        approve_request(asked=asked, actor=frank, now=now + timedelta(days=7, seconds=1))
    RoleBinding.objects.filter(pk=held.pk).update(cluster="prod-core")
    with pytest.raises(AccessMoved, match="changed after"):
        approve_request(asked=asked, actor=frank)
    RoleBinding.objects.filter(pk=held.pk).update(cluster="")
    disable_person(person=erin, actor=frank)
    with pytest.raises(AccessMoved, match="disabled"):
        approve_request(asked=asked, actor=frank)
    assert RoleBinding.objects.get(pk=held.pk).role == "viewer"


@pytest.mark.usefixtures("_by_two")
def test_refused_and_withdrawn_requests_change_nothing(
    people: dict[str, User], erin: User, frank: User
) -> None:
    for decider, state in ((frank, "refused"), (erin, "withdrawn")):
        asked = add_binding(subject=people["mallory"], values=role("operator"), actor=erin).waits
        assert asked
        refuse_request(asked=asked, actor=decider)
        asked.refresh_from_db()
        assert asked.state == state
        with pytest.raises(AccessMoved):
            approve_request(asked=asked, actor=frank)
    assert not RoleBinding.objects.filter(user=people["mallory"]).exists()


@pytest.mark.usefixtures("_by_two")
def test_enabling_and_mapping_are_grants_too(people: dict[str, User], erin: User, frank: User) -> None:
    disable_person(person=people["alice"], actor=erin)
    assert enable_person(person=people["alice"], actor=erin).waits
    people["mallory"].is_active = False
    people["mallory"].save()
    assert enable_person(person=people["mallory"], actor=erin).is_done
    assert add_mapping(mapping=GroupMapping(idp_group="ops", role="operator"), actor=erin).waits
    assert not GroupMapping.objects.exists()
    asked = BindingRequest.objects.get(kind="map")
    approve_request(asked=asked, actor=frank)
    assert GroupMapping.objects.get().idp_group == "ops"


def test_password_of_somebody_who_holds_more_is_not_set_alone(
    people: dict[str, User], erin: User, gina: User, settings: Any
) -> None:
    now = timezone.now()

    def may_set(actor: User, person: User) -> None:
        require_power_over(actor, person, gains_of_enabling(person), now)

    may_set(erin, people["bob"])
    with pytest.raises(PermissionMissing):
        may_set(gina, people["bob"])
    settings.ACCESS_SECOND_PERSON = True
    with pytest.raises(SecondPersonMissing) as missing:
        may_set(erin, people["bob"])
    assert "manage.py changepassword bob" in missing.value.advice
    may_set(erin, people["carol"])
    may_set(erin, erin)


# Somebody always manages access.


def test_last_admin_cannot_go(people: dict[str, User], erin: User) -> None:
    own = admin_of(erin)
    soon = timezone.now() + timedelta(days=1)
    ways = [
        lambda: remove_binding(binding=own, actor=erin),
        lambda: change_binding(binding=own, values={"not_after": soon}, actor=erin),
        lambda: change_binding(binding=own, values={"environment": "staging"}, actor=erin),
        lambda: change_binding(binding=own, values={"effect": "deny"}, actor=erin),
        lambda: add_binding(subject=erin, values=role("admin", effect="deny"), actor=erin),
        lambda: disable_person(person=erin, actor=erin),
    ]
    for way in ways:
        with pytest.raises(LastAdmin, match="Nobody would be left"):
            way()
    own.refresh_from_db()
    assert (own.effect, own.not_after, User.objects.get(pk=erin.pk).is_active) == ("allow", None, True)
    assert not AuditEntry.objects.exclude(action="access.refused").exists()


def test_last_admin_by_a_group_cannot_lose_it(people: dict[str, User], erin: User) -> None:
    group = Group.objects.create(name="admins")
    held = RoleBinding.objects.create(group=group, role="admin")
    people["dan"].groups.add(group)
    assert remove_binding(binding=admin_of(erin), actor=erin).is_done
    dan = people["dan"]
    with pytest.raises(LastAdmin):
        leave_group(person=dan, group=group, actor=dan)
    with pytest.raises(LastAdmin):
        remove_binding(binding=held, actor=dan)


def test_admins_by_the_identity_provider_or_for_a_while_do_not_stand_in_for_the_last(
    people: dict[str, User], erin: User
) -> None:
    mapping = GroupMapping.objects.create(idp_group="admins", role="admin")
    RoleBinding.objects.create(user=people["dan"], role="admin", source="idp", mapping=mapping)
    bind(people["carol"], "admin", not_after=timezone.now() + timedelta(days=1))
    with pytest.raises(LastAdmin, match="without an end"):
        remove_binding(binding=admin_of(erin), actor=erin)


def test_last_admins_of_all_cannot_go_with_their_mapping(people: dict[str, User], erin: User) -> None:
    mapping = GroupMapping.objects.create(idp_group="admins", role="admin")
    RoleBinding.objects.create(user=people["dan"], role="admin", source="idp", mapping=mapping)
    RoleBinding.objects.filter(user=erin).delete()
    with pytest.raises(LastAdmin):
        remove_mapping(mapping=mapping, actor=people["dan"])
    assert RoleBinding.objects.filter(user=people["dan"], source="idp").exists()


def test_superuser_counts_as_an_admin(people: dict[str, User], erin: User) -> None:
    root = make_person("root", is_superuser=True)
    assert remove_binding(binding=admin_of(erin), actor=erin).is_done
    with pytest.raises(LastAdmin):
        disable_person(person=root, actor=root)


# From a shell.


def test_shell_grants_without_a_second_person_and_the_ledger_says_shell(
    people: dict[str, User], settings: Any
) -> None:
    settings.ACCESS_SECOND_PERSON = True
    out = StringIO()
    call_command("grant", user="mallory", role="admin", days=2, reason="Everybody is ill", stdout=out)
    assert "mallory is admin everywhere" in out.getvalue()
    entry = AuditEntry.objects.get(action="binding.added")
    assert (entry.actor, entry.actor_id, entry.reason) == ("system: shell", "", "Everybody is ill")
    assert access_for(people["mallory"]).can("access.manage")


def test_shell_enables_the_disabled_only_when_told(people: dict[str, User]) -> None:
    User.objects.filter(pk=people["mallory"].pk).update(is_active=False)
    with pytest.raises(CommandError, match="add --enable"):
        call_command("grant", user="mallory", role="admin")
    call_command("grant", user="mallory", role="admin", enable=True, stdout=StringIO())
    assert AuditEntry.objects.filter(action="person.enabled", actor="system: shell").exists()


def test_createsuperuser_is_in_the_ledger(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "a long enough passphrase")
    call_command(
        "createsuperuser", username="root", email="r@example.com", interactive=False, stdout=StringIO()
    )
    entry = AuditEntry.objects.get(action="person.created")
    assert (entry.actor, entry.data["after"]["is_superuser"]) == ("system: shell", True)
    assert User.objects.get().check_password("a long enough passphrase")
