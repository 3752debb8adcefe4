from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from access.models import ApiToken, RoleBinding
from access.queries import access_for
from access.resources import Resource
from clusters.models import Service
from tests.builders import bind, make_cluster, make_service

pytestmark = pytest.mark.django_db


def token_of(person: User, scope: str) -> ApiToken:
    later = timezone.now() + timedelta(days=1)
    return ApiToken.objects.create(
        user=person, name="ci", prefix="ecs_x", sha256="0" * 64, scope=scope, expires_at=later
    )


def test_read_token_of_an_operator_may_not_deploy(people: dict[str, User]) -> None:
    access = access_for(people["alice"], token_of(people["alice"], "read"))
    assert access.can("fleet.view")
    decision = access.can("service.deploy")
    assert not decision
    assert decision.reason == "A token of scope read may not deploy."


@pytest.mark.parametrize("action", ["change.approve", "freeze.override", "freeze.manage", "env.reveal"])
def test_no_token_approves_overrides_or_manages(people: dict[str, User], action: str) -> None:
    assert access_for(people["bob"]).can(action)
    access = access_for(people["bob"], token_of(people["bob"], "operate"))
    assert not access.can(action)
    assert not access.holds(action)


def test_token_never_has_more_than_its_owner(people: dict[str, User]) -> None:
    access = access_for(people["carol"], token_of(people["carol"], "operate"))
    assert not access.can("service.deploy")


def test_bindings_of_a_token_narrow_it_in_decisions_and_in_lists(people: dict[str, User]) -> None:
    bind(people["alice"], "operator", environment="staging")
    token = token_of(people["alice"], "operate")
    RoleBinding.objects.create(token=token, role="operator", cluster="shop-*")
    mine, other = make_service("a", make_cluster("shop-1")), make_service("b", make_cluster("core"))
    access = access_for(people["alice"], token)
    assert access.can("service.deploy", mine.access_resource)
    assert not access.can("service.deploy", other.access_resource)
    assert list(access.visible(Service.objects.all())) == [mine]
    assert not access_for(people["carol"], token).can("service.deploy", Resource(cluster="shop-1"))
