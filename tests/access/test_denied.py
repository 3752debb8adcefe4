"""What a denial takes away is gone everywhere: in decisions, on pages, in what waits, and for the last admin."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.urls import reverse

from access.actions import add_binding, refuse_request
from access.decisions import PermissionMissing
from access.models import BindingRequest, RoleBinding
from access.queries import access_for
from access.rules import LastAdmin
from audit.models import AuditEntry
from tests.builders import bind, make_person
from tests.conftest import SignedIn

pytestmark = pytest.mark.django_db


def deny(person: User, role: str, **place: Any) -> RoleBinding:
    return bind(person, role, effect="deny", **place)


@pytest.fixture
def denied(people: dict[str, User]) -> User:
    """An admin by a group, to whom the role is denied everywhere."""
    person, group = make_person("ida"), Group.objects.create(name="platform")
    RoleBinding.objects.create(group=group, role="admin")
    person.groups.add(group)
    deny(person, "admin")
    return person


def test_denied_admin_opens_no_page_of_access(denied: User, as_: SignedIn, people: dict[str, User]) -> None:
    people["ida"] = denied
    for name, args in (("bindings", ()), ("people", ()), ("person", (denied.pk,)), ("channels", ())):
        assert as_("ida").get(reverse(name, args=args)).status_code == 403, name
    assert not access_for(denied).holds("access.manage")


@pytest.mark.parametrize(
    ("place", "holds"), [({}, False), ({"environment": "production"}, False), ({"service": "x"}, True)]
)
def test_role_is_held_where_some_of_its_place_is_left(
    people: dict[str, User], place: dict[str, str], holds: bool
) -> None:
    bind(people["mallory"], "release_manager", environment="production")
    deny(people["mallory"], "release_manager", **place)
    assert access_for(people["mallory"]).holds("change.approve") is holds


def test_admin_of_elsewhere_refuses_no_request(people: dict[str, User], settings: Any) -> None:
    settings.ACCESS_SECOND_PERSON = True
    frank, gina = make_person("frank"), make_person("gina")
    bind(frank, "admin")
    bind(gina, "admin", environment="staging")
    values = {"role": "operator", "environment": "production"}
    asked = add_binding(subject=people["mallory"], values=values, actor=people["erin"]).waits
    assert asked
    with pytest.raises(PermissionMissing):
        refuse_request(asked=asked, actor=gina)
    assert BindingRequest.objects.get().state == "open"
    assert AuditEntry.objects.filter(action="access.refused", actor="gina").exists()
    refuse_request(asked=asked, actor=frank)
    assert BindingRequest.objects.get().state == "refused"


def test_last_admin_keeps_all_of_the_place(people: dict[str, User]) -> None:
    erin = people["erin"]
    with pytest.raises(LastAdmin):
        add_binding(
            subject=erin,
            values={"role": "admin", "environment": "production", "effect": "deny"},
            actor=erin,
        )
    assert access_for(erin).can("access.manage").allowed


@pytest.mark.parametrize("name", ["audit", "audit-export", "who-could"])
def test_ledger_is_read_as_a_whole_or_not_at_all(as_: SignedIn, people: dict[str, User], name: str) -> None:
    """It cannot be shown without its entries on a place that is denied, and names every service."""
    assert as_("dan").get(reverse(name)).status_code != 403
    deny(people["dan"], "auditor", service="payout-api")
    refused = as_("dan").get(reverse(name))
    assert refused.status_code == 403
    assert "in a part of" in refused.content.decode()
