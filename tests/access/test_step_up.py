"""Acts on production ask for a recent proof, and lose nothing that was typed on the way."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from access.models import RoleBinding
from audit.models import AuditEntry
from clusters.models import Service
from deployments.models import Change
from tests.builders import make_change
from tests.conftest import SignedIn
from tests.deployments.pages import Registry, at, deployable, registry

__all__ = ["registry"]
pytestmark = pytest.mark.django_db
FRAGMENT = {"HX-Request": "true"}
CONFIRM = "/confirm/"


@pytest.fixture(autouse=True)
def _limit(settings: Any, registry: Registry) -> None:
    settings.STEP_UP = timedelta(minutes=15)


@pytest.fixture
def later() -> Iterator[Callable[..., None]]:
    """Return a function that lets time pass; the session stays alive, its proof does not."""
    travellers: list[Any] = []

    def pass_time(**span: float) -> None:
        traveller = time_machine.travel(timezone.now() + timedelta(**span), tick=True)
        traveller.start()
        travellers.append(traveller)

    yield pass_time
    for traveller in reversed(travellers):
        traveller.stop()


def hidden(html: str) -> list[tuple[str, str]]:
    """Return the fields that a page carries on, as a browser would send them."""
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', html)
    return [(unescape(name), unescape(value)) for name, value in found if name != "csrfmiddlewaretoken"]


def restart_form(client: Client, service: Service) -> dict[str, str]:
    html = client.get(at("restart", service)).content.decode()
    sha = html.split('name="plan_id" value="', 1)[1].split('"', 1)[0]
    return {"plan_id": sha, "reason": 'leaks "memory" & <more>', "confirm": service.name, "do": "request"}


def resend(client: Client, address: str, page: str, **proof: str) -> Any:
    """Send the carried form again with a proof."""
    data: dict[str, list[str]] = {}
    for name, value in hidden(page):
        data.setdefault(name, []).append(value)
    return client.post(address, {**data, **proof})


@pytest.mark.parametrize("view", ["deploy", "restart", "scale"])
def test_form_for_production_asks_first_when_the_sign_in_is_old(
    as_: SignedIn, later: Callable[..., None], view: str
) -> None:
    service, alice = deployable(), as_("alice")
    assert alice.get(at(view, service)).status_code == 200
    later(minutes=16)
    answer = alice.get(at(view, service) + "?a=1&b=2")
    assert answer.status_code == 302
    assert answer["Location"].startswith(CONFIRM)
    page = alice.get(answer["Location"])
    assert "Confirm it is you" in page.content.decode()
    assert "no-store" in page["Cache-Control"]
    answer = resend(alice, CONFIRM, page.content.decode(), proof_password="demo")
    assert (answer.status_code, answer["Location"]) == (303, at(view, service) + "?a=1&b=2")
    assert alice.get(at(view, service)).status_code == 200


@pytest.mark.parametrize("environment", ["staging", "development"])
def test_other_environments_never_ask(as_: SignedIn, later: Callable[..., None], environment: str) -> None:
    service, alice = deployable(environment), as_("alice")
    alice.get("/profile/")
    later(minutes=55)
    assert alice.get(at("restart", service)).status_code == 200


def test_rollback_never_asks(as_: SignedIn, later: Callable[..., None]) -> None:
    service, alice = deployable(), as_("alice")
    later(minutes=55)
    assert alice.get(at("rollback", service)).status_code == 200
    assert alice.post(at("rollback", service), {"to": "flight"}).status_code != 403


def test_limit_of_zero_never_asks(as_: SignedIn, later: Callable[..., None], settings: Any) -> None:
    settings.STEP_UP = timedelta(0)
    service, alice = deployable(), as_("alice")
    later(minutes=55)
    assert alice.get(at("restart", service)).status_code == 200


def test_request_that_came_too_late_waits_with_everything_that_was_typed(
    as_: SignedIn, later: Callable[..., None]
) -> None:
    service, alice = deployable(), as_("alice")
    form = restart_form(alice, service)
    later(minutes=16)
    waiting = alice.post(at("restart", service), form)
    page = waiting.content.decode()
    assert waiting.status_code == 403
    assert not Change.objects.exists()
    assert dict(hidden(page)) == form
    assert f'action="{at("restart", service)}"' in page
    answer = resend(alice, at("restart", service), page, proof_password="demo")
    change = Change.objects.get()
    assert (answer.status_code, answer["Location"]) == (303, change.get_absolute_url())
    assert change.reason == form["reason"]
    assert AuditEntry.objects.get(action="sign_in.confirmed").data == {"method": "password"}


def test_wrong_password_does_nothing_and_keeps_the_request(as_: SignedIn, later: Callable[..., None]) -> None:
    service, alice = deployable(), as_("alice")
    form = restart_form(alice, service)
    later(minutes=16)
    waiting = alice.post(at("restart", service), {**form, "proof_password": "wrong"})
    page = waiting.content.decode()
    assert waiting.status_code == 403
    assert "not your password" in page
    assert "wrong" not in [value for _, value in hidden(page)]
    assert dict(hidden(page)) == form
    assert not Change.objects.exists()
    assert AuditEntry.objects.filter(action="sign_in.failed", target="alice").exists()
    assert not AuditEntry.objects.filter(action="sign_in.confirmed").exists()


def test_wrong_passwords_close_the_door(as_: SignedIn, later: Callable[..., None]) -> None:
    alice = as_("alice")
    later(minutes=16)
    answers = [alice.post(CONFIRM, {"proof_password": "wrong"}).status_code for _ in range(5)]
    assert answers == [422] * 4 + [429]
    assert alice.post(CONFIRM, {"proof_password": "demo"}).status_code == 429
    assert not AuditEntry.objects.filter(action="sign_in.confirmed").exists()


def test_password_of_somebody_else_proves_nothing(
    as_: SignedIn, people: dict[str, User], later: Callable[..., None]
) -> None:
    people["bob"].set_password("another")
    people["bob"].save()
    alice = as_("alice")
    later(minutes=16)
    fields = {"proof_username": "bob", "username": "bob", "proof_password": "another"}
    assert alice.post(CONFIRM, fields).status_code == 422


def test_fragment_header_does_not_get_a_request_past_the_check(
    as_: SignedIn, later: Callable[..., None]
) -> None:
    service, alice = deployable(), as_("alice")
    form = restart_form(alice, service)
    later(minutes=16)
    alice.post(at("restart", service), form, headers=FRAGMENT)
    alice.post(at("deploy", service), {**form, "do": "request"}, headers=FRAGMENT)
    assert not Change.objects.exists()


def test_approving_asks_and_rejecting_does_not(
    as_: SignedIn, people: dict[str, User], later: Callable[..., None]
) -> None:
    service, bob = deployable(), as_("bob")
    change = make_change(service, people["alice"])
    later(minutes=16)
    approve = bob.post(reverse("approve-change", args=[change.pk]), {"comment": "seen, fine"})
    assert approve.status_code == 403
    assert ("comment", "seen, fine") in hidden(approve.content.decode())
    change.refresh_from_db()
    assert change.state == "awaiting_approval"
    assert bob.post(reverse("reject-change", args=[change.pk]), {"comment": "no"}).status_code == 303


def test_fragment_that_needs_a_proof_leads_the_page_to_it(
    as_: SignedIn, people: dict[str, User], later: Callable[..., None]
) -> None:
    service, bob = deployable(), as_("bob")
    change = make_change(service, people["alice"])
    later(minutes=16)
    headers = {**FRAGMENT, "HX-Current-URL": "http://testserver/approvals/?show=waiting"}
    answer = bob.post(reverse("approve-change", args=[change.pk]), headers=headers)
    assert answer.status_code == 403
    assert answer["HX-Redirect"] == f"{CONFIRM}?next=%2Fapprovals%2F%3Fshow%3Dwaiting"


def test_changing_access_asks(as_: SignedIn, people: dict[str, User], later: Callable[..., None]) -> None:
    erin = as_("erin")
    later(minutes=16)
    data = {
        "subject": f"u-{people['mallory'].pk}",
        "role": "viewer",
        "effect": "allow",
        "environment": "staging",
    }
    add = reverse("binding-add")
    held = RoleBinding.objects.get(user=people["alice"])
    for page in (reverse("binding-remove", args=[held.pk]), reverse("person-disable", args=[held.user_id])):
        assert erin.post(page).status_code == 403
    waiting = erin.post(add, data)
    assert waiting.status_code == 403
    assert not RoleBinding.objects.filter(user=people["mallory"]).exists()
    answer = resend(erin, add, waiting.content.decode(), proof_password="demo")
    assert answer.status_code == 303
    assert RoleBinding.objects.filter(user=people["mallory"]).exists()
    assert erin.post(reverse("binding-remove", args=[held.pk])).status_code == 303


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "javascript:alert(1)", ""])
def test_confirming_leads_nowhere_else(as_: SignedIn, target: str) -> None:
    answer = as_("alice").post(CONFIRM, {"next": target, "proof_password": "demo"})
    assert answer["Location"] == reverse("fleet")


def test_session_from_before_has_no_proof(as_: SignedIn) -> None:
    service, alice = deployable(), as_("alice")
    session = alice.session
    del session["authenticated_at"]
    session.save()
    assert alice.get(at("restart", service))["Location"].startswith(CONFIRM)


def test_proof_from_the_future_is_none(as_: SignedIn) -> None:
    service, alice = deployable(), as_("alice")
    session = alice.session
    session["authenticated_at"] = (timezone.now() + timedelta(days=1)).isoformat()
    session.save()
    assert alice.get(at("restart", service))["Location"].startswith(CONFIRM)
