"""What a denial hides is in no list, whatever somebody may do there or asked for before."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone

from access.queries import access_for
from clusters.models import Service
from deployments.models import Change, Override, ReviewComment
from tests.builders import bind, make_change, make_cluster, make_service, make_task_definition
from tests.conftest import SignedIn

pytestmark = pytest.mark.django_db
NAME = "payout-api"


@pytest.fixture
def change(people: dict[str, User]) -> Change:
    return make_change(make_service(NAME, make_cluster("prod-core")), people["alice"])


def hide(person: User, role: str) -> None:
    bind(person, role, service=NAME, effect="deny")


def inbox(as_: SignedIn, name: str, **query: str) -> str:
    return as_(name).get(reverse("approvals"), query).content.decode()


def test_what_one_asked_for(change: Change, as_: SignedIn, people: dict[str, User]) -> None:
    ReviewComment.objects.create(change=change, author=people["bob"], text="pin it", asks_for_change=True)
    before = inbox(as_, "alice", show="mine")
    assert before.count(NAME) > 1
    assert "was sent back to you" in before
    hide(people["alice"], "operator")
    after = inbox(as_, "alice", show="mine")
    assert NAME not in after
    assert "was sent back to you" not in after
    assert "was sent back to you" not in inbox(as_, "alice")
    assert after.count("<b>1</b>") == 0


def test_what_waits_for_an_approver(change: Change, as_: SignedIn, people: dict[str, User]) -> None:
    assert NAME in inbox(as_, "bob")
    hide(people["bob"], "viewer")
    assert as_("bob").get(change.get_absolute_url()).status_code == 404
    assert NAME not in inbox(as_, "bob")


def test_what_waits_for_a_reviewer(change: Change, as_: SignedIn, people: dict[str, User]) -> None:
    now = timezone.now()
    Change.objects.update(state="running", dispatched_at=now)
    Override.objects.create(
        change=change,
        kind="break_glass",
        person=people["alice"],
        reason="Checkout is down",
        expires_at=now + timedelta(hours=1),
        review_due_at=now + timedelta(hours=48),
    )
    assert NAME in inbox(as_, "bob")
    hide(people["bob"], "viewer")
    assert NAME not in inbox(as_, "bob")


def test_what_another_role_lets_somebody_do_to_it(change: Change, people: dict[str, User]) -> None:
    hide(people["bob"], "viewer")
    access = access_for(people["bob"])
    assert access.can("service.deploy", change.access_resource)
    for action in ("fleet.view", "logs.view", "service.deploy", "change.approve"):
        assert not access.visible(Service.objects.all(), action).exists()


def test_its_task_definition(change: Change, as_: SignedIn, people: dict[str, User]) -> None:
    """A definition names images, commands and variables, and belongs to no service: it goes with those that ran it."""
    hidden, shared = (
        make_task_definition(change.service),
        make_task_definition(change.service, 8, family="shared"),
    )
    older = make_task_definition(change.service, 6)
    beside = make_service("cart-api", change.service.cluster, task_definition_arn=shared.arn)
    change.service.service_deployments.create(
        arn="arn:1", status="SUCCESSFUL", task_definition_arn=shared.arn, created_at=timezone.now()
    )
    carol = as_("carol")
    families, found = reverse("task-definitions"), reverse("search")
    for name in (NAME, "shared"):
        assert f"{name}:" in carol.get(found, {"q": name}).content.decode()
    hide(people["carol"], "viewer")
    for definition in (hidden, older):
        assert carol.get(definition.get_absolute_url()).status_code == 404
    assert NAME not in carol.get(families).content.decode()
    assert f"{NAME}:" not in carol.get(found, {"q": NAME}).content.decode()
    assert beside.name
    assert carol.get(shared.get_absolute_url()).status_code == 200
    assert "shared:" in carol.get(found, {"q": "shared"}).content.decode()
    hide_all = bind(people["carol"], "viewer", service="cart-*", effect="deny")
    assert carol.get(shared.get_absolute_url()).status_code == 404
    hide_all.delete()
