"""Membership of a group that a policy asks for is a say in production, and given as one."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, User

from access.actions import approve_request, join_group, leave_group
from access.decisions import PermissionMissing
from tests.builders import bind, make_person
from tests.deployments.governing import make_policy

pytestmark = pytest.mark.django_db


@pytest.fixture
def sre(people: dict[str, User]) -> Group:
    """A group without a binding, one of which has to be among those who agree to a deploy to production."""
    make_policy(must_include=["group:sre"])
    return Group.objects.create(name="sre")


@pytest.fixture
def frank(people: dict[str, User]) -> User:
    person = make_person("frank")
    bind(person, "admin")
    return person


def test_nobody_joins_it_alone(people: dict[str, User], sre: Group, frank: User, settings: Any) -> None:
    settings.ACCESS_SECOND_PERSON = False
    erin = people["erin"]
    asked = join_group(person=erin, group=sre, actor=erin).waits
    assert asked
    assert "erin's own access" in asked.why
    assert not erin.groups.exists()
    approve_request(asked=asked, actor=frank)
    assert erin.groups.get() == sre
    assert leave_group(person=erin, group=sre, actor=erin).is_done


def test_nobody_is_added_to_it_without_a_second_person(
    people: dict[str, User], sre: Group, frank: User, settings: Any
) -> None:
    settings.ACCESS_SECOND_PERSON = True
    assert join_group(person=people["bob"], group=sre, actor=people["erin"]).waits
    other = Group.objects.create(name="readers")
    assert join_group(person=people["bob"], group=other, actor=people["erin"]).is_done


def test_admin_of_elsewhere_adds_nobody_to_it(people: dict[str, User], sre: Group) -> None:
    gina = make_person("gina")
    bind(gina, "admin", environment="staging")
    with pytest.raises(PermissionMissing):
        join_group(person=people["bob"], group=sre, actor=gina)
