"""Changes of access that wait for a second person, in the inbox of those who may agree to them."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from access.actions import add_binding, change_binding
from access.models import BindingRequest, RoleBinding
from live.bus import KEY
from tests.builders import bind, make_change, make_cluster, make_person, make_service
from tests.conftest import SignedIn

pytestmark = pytest.mark.django_db
AGREE = "Agree and apply"


@pytest.fixture(autouse=True)
def _by_two(settings: Any) -> None:
    settings.ACCESS_SECOND_PERSON = True


@pytest.fixture
def world(people: dict[str, User]) -> dict[str, User]:
    """frank is a second admin, everywhere; gina is one of staging alone."""
    people["frank"], people["gina"] = make_person("frank"), make_person("gina")
    bind(people["frank"], "admin")
    bind(people["gina"], "admin", environment="staging")
    return people


@pytest.fixture
def asked(world: dict[str, User]) -> BindingRequest:
    """erin asks that mallory operates production."""
    return ask(world["erin"], world["mallory"])


def ask(asker: User, subject: User) -> BindingRequest:
    values = {"role": "operator", "environment": "production"}
    waits = add_binding(subject=subject, values=values, actor=asker, reason="on call from Monday").waits
    assert waits is not None
    return waits


def inbox(client: Client, show: str = "waiting") -> str:
    return " ".join(client.get(reverse("approvals"), {"show": show}).content.decode().split())


def counts(client: Client) -> tuple[int, int]:
    """Return what the badge of the rail and the tab of the inbox say."""
    html = inbox(client)
    badge = re.search(r'<span>Approvals</span><span class="count hot">(\d+)', html)
    tab = re.search(r"Waiting for you <b>(\d+)</b>", html)
    assert tab
    return int(badge[1]) if badge else 0, int(tab[1])


def test_card_says_who_asks_for_what_and_why(asked: BindingRequest, as_: SignedIn) -> None:
    html = inbox(as_("frank"))
    card = html[html.index(f'id="access-{asked.pk}"') :]
    card = card[: card.index("</article>")]
    assert f"{asked} Grant mallory as operator in production" in card
    assert ">erin</strong>" in card
    assert "It gives more than looking at a place that may hold production." in card
    assert "on call from Monday" in card
    assert re.search(r"data-age=\"ago\">\d+ s ago", card)
    assert AGREE in card
    assert "1 change of access waits for a second person." in html
    assert counts(as_("frank")) == (1, 1)


def test_changes_and_changes_of_access_are_counted_together(
    asked: BindingRequest, as_: SignedIn, people: dict[str, User]
) -> None:
    bind(people["frank"], "release_manager")
    make_change(make_service("checkout-api", make_cluster("prod-core")), people["alice"])
    assert counts(as_("frank")) == (2, 2)
    assert counts(as_("bob")) == (1, 1)


@pytest.mark.parametrize("name", ["erin", "alice", "bob", "carol", "dan", "mallory", "gina"])
def test_nobody_else_is_asked(asked: BindingRequest, as_: SignedIn, name: str) -> None:
    client = as_(name)
    assert AGREE not in inbox(client)
    assert counts(client) == (0, 0)


def test_who_gains_by_it_is_not_asked(world: dict[str, User], as_: SignedIn) -> None:
    world["hugo"] = make_person("hugo")
    bind(world["hugo"], "admin")
    ask(world["erin"], world["frank"])
    assert (counts(as_("frank")), counts(as_("hugo"))) == ((0, 0), (1, 1))


def expire(asked: BindingRequest, world: dict[str, User]) -> None:
    BindingRequest.objects.update(expires_at=asked.created_at - timedelta(seconds=1))


def disable_asker(asked: BindingRequest, world: dict[str, User]) -> None:
    User.objects.filter(username="erin").update(is_active=False)


def take_the_askers_right(asked: BindingRequest, world: dict[str, User]) -> None:
    RoleBinding.objects.filter(user=world["erin"]).delete()


def take_own_right(asked: BindingRequest, world: dict[str, User]) -> None:
    RoleBinding.objects.filter(user=world["frank"]).update(environment="staging")


@pytest.mark.parametrize("move", [expire, disable_asker, take_the_askers_right, take_own_right])
def test_what_cannot_be_agreed_to_any_more_leaves_the_inbox(
    asked: BindingRequest,
    world: dict[str, User],
    as_: SignedIn,
    move: Callable[[BindingRequest, dict[str, User]], None],
) -> None:
    frank = as_("frank")
    assert counts(frank) == (1, 1)
    move(asked, world)
    assert counts(frank) == (0, 0)


def test_binding_that_moved_since_leaves_the_inbox(world: dict[str, User], as_: SignedIn) -> None:
    held = bind(world["mallory"], "viewer", environment="production")
    change_binding(
        binding=held, values={"role": "operator", "environment": "production"}, actor=world["erin"]
    )
    assert counts(as_("frank")) == (1, 1)
    RoleBinding.objects.filter(pk=held.pk).update(cluster="prod-core")
    assert counts(as_("frank")) == (0, 0)


def test_agreement_is_given_from_the_inbox(
    asked: BindingRequest, world: dict[str, User], as_: SignedIn
) -> None:
    frank = as_("frank")
    answer = frank.post(reverse("access-request-approve", args=[asked.pk]), {"from": "inbox"}, follow=True)
    assert answer.redirect_chain == [(reverse("approvals"), 303)]
    assert f"{asked} is applied" in answer.content.decode()
    assert RoleBinding.objects.get(user=world["mallory"]).role == "operator"
    assert counts(frank) == (0, 0)


def test_refusal_is_given_from_the_inbox(asked: BindingRequest, as_: SignedIn) -> None:
    address = reverse("access-request-refuse", args=[asked.pk])
    answer = as_("frank").post(address, {"from": "inbox", "reason": "not this week"})
    assert answer["Location"] == reverse("approvals")
    asked.refresh_from_db()
    assert asked.state == BindingRequest.State.REFUSED


def test_asker_sees_their_own_and_withdraws_it(asked: BindingRequest, as_: SignedIn) -> None:
    erin = as_("erin")
    mine = inbox(erin, "mine")
    assert "Requested by you <b>1</b>" in mine
    assert "Withdraw" in mine
    assert AGREE not in mine
    erin.post(reverse("access-request-refuse", args=[asked.pk]), {"from": "inbox"})
    asked.refresh_from_db()
    assert asked.state == BindingRequest.State.WITHDRAWN
    assert "Withdraw" not in inbox(erin, "mine")


def test_asking_and_each_answer_nudge_the_inbox(
    world: dict[str, User],
    as_: SignedIn,
    settings: Any,
    django_capture_on_commit_callbacks: Any,
) -> None:
    bus = redis.Redis.from_url(settings.REDIS_URL, decode_responses=True)

    def nudged(act: Callable[[], Any]) -> set[str]:
        bus.delete(KEY)
        with django_capture_on_commit_callbacks(execute=True):
            act()
        return {name for _, entry in bus.xrange(KEY) for name in entry["names"].split()}

    frank = as_("frank")
    try:
        assert "approvals" in nudged(lambda: ask(world["erin"], world["mallory"]))
        first = BindingRequest.objects.get()
        assert "approvals" in nudged(lambda: frank.post(reverse("access-request-approve", args=[first.pk])))
        second = ask(world["erin"], world["alice"])
        assert "approvals" in nudged(lambda: frank.post(reverse("access-request-refuse", args=[second.pk])))
        carol = world["carol"]
        assert "approvals" not in nudged(
            lambda: add_binding(subject=carol, values={"role": "viewer"}, actor=world["erin"])
        )
    finally:
        bus.delete(KEY)
        bus.close()


def test_rail_costs_nothing_more_for_those_who_manage_no_access(
    asked: BindingRequest, as_: SignedIn, django_assert_num_queries: Any, people: dict[str, User]
) -> None:
    from access.queries import access_for
    from deployments.queries import rail_counts

    access = access_for(people["bob"])
    assert access.bindings
    with django_assert_num_queries(3):
        rail_counts(access)
