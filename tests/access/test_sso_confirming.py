"""Confirming at the provider before an act on production."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from access.models import GroupMapping
from audit.models import AuditEntry
from tests.access.idp import Idp, asked, changed, come_back, leave
from tests.access.signing import roles, sign_in
from tests.deployments.pages import Registry, at, deployable, registry

__all__ = ["registry"]
pytestmark = pytest.mark.django_db


@pytest.fixture
def stale(idp: Idp, settings: Any, registry: Registry) -> Iterator[Client]:
    """A browser whose sign-in by the provider is 16 minutes old."""
    settings.STEP_UP = timedelta(minutes=15)
    GroupMapping.objects.create(idp_group="ops", role="operator")
    idp.knows("sam-1", preferred_username="sam", groups=["ops"])
    client, _ = sign_in(idp, "sam-1")
    session = client.session
    session["authenticated_at"] = (timezone.now() - timedelta(minutes=16)).isoformat()
    session.save()
    return client


def confirming(client: Client, **fields: str) -> str:
    return leave(client, purpose="confirm", **fields)


def test_confirming_asks_the_provider_to_ask_again(idp: Idp, stale: Client) -> None:
    service = deployable()
    target = at("restart", service)
    page = stale.get(stale.get(target)["Location"]).content.decode()
    assert "Confirm with Acme ID" in page
    assert "proof_password" not in page
    address = confirming(stale, next=target)
    assert (asked(address)["prompt"], asked(address)["max_age"]) == ("login", "0")
    idp.knows("sam-1", preferred_username="sam", groups=["ops"], auth_time=int(time.time()))
    answer = come_back(stale, idp.authorize(address, "sam-1"))
    assert (answer.status_code, answer["Location"]) == (302, target)
    assert stale.get(target).status_code == 200
    assert AuditEntry.objects.get(action="sign_in.confirmed").data == {"method": "sso"}


def test_waiting_request_is_confirmed_in_a_tab_of_its_own(idp: Idp, stale: Client) -> None:
    service = deployable()
    waiting = stale.post(at("restart", service), {"reason": "typed", "do": "request"}).content.decode()
    assert 'target="_blank"' in waiting
    assert 'name="reason" value="typed"' in waiting
    idp.knows("sam-1", preferred_username="sam", groups=["ops"], auth_time=int(time.time()))
    tab = come_back(stale, idp.authorize(confirming(stale, own_tab="1"), "sam-1"))
    assert "Close this tab" in tab.content.decode()
    assert stale.post(at("restart", service), {"reason": "typed", "do": "request"}).status_code != 403


@pytest.mark.parametrize(
    ("auth_time", "sentence"),
    [
        (timedelta(minutes=-10), "did not ask you again"),
        (timedelta(minutes=10), "did not ask you again"),
        ("now", "does not say when"),
        (None, "does not say when"),
        (True, "does not say when"),
    ],
)
def test_answer_from_an_older_sign_in_confirms_nothing(
    idp: Idp, stale: Client, auth_time: Any, sentence: str
) -> None:
    service = deployable()
    if isinstance(auth_time, timedelta):
        # Reckoned here: the name of a case must be the same in each process that runs tests.
        auth_time = int(time.time() + auth_time.total_seconds())
    idp.knows("sam-1", preferred_username="sam", groups=["ops"], auth_time=auth_time)
    answer = come_back(stale, idp.authorize(confirming(stale), "sam-1"))
    assert answer.status_code == 403
    assert sentence in answer.content.decode()
    assert stale.get(at("restart", service)).status_code == 302
    assert not AuditEntry.objects.filter(action="sign_in.confirmed").exists()


def test_somebody_else_confirms_nothing(idp: Idp, stale: Client) -> None:
    idp.knows("tom-1", preferred_username="tom", auth_time=int(time.time()))
    sign_in(idp, "tom-1")
    answer = come_back(stale, idp.authorize(confirming(stale), "tom-1"))
    assert answer.status_code == 403
    assert stale.get("/profile/").wsgi_request.user.username == "sam"
    assert not AuditEntry.objects.filter(action="sign_in.confirmed").exists()


def test_plain_sign_in_cannot_be_passed_off_as_a_confirmation(idp: Idp, stale: Client) -> None:
    """The session knows what it asked for, whatever the address says."""
    address = confirming(stale)
    idp.knows("sam-1", preferred_username="sam", groups=["ops"], auth_time=int(time.time()) - 600)
    tampered = changed(address, prompt=None, max_age=None)
    assert come_back(stale, idp.authorize(tampered, "sam-1")).status_code == 403


def test_confirming_updates_the_roles(idp: Idp, stale: Client) -> None:
    idp.knows("sam-1", preferred_username="sam", groups=["left"], auth_time=int(time.time()))
    come_back(stale, idp.authorize(confirming(stale), "sam-1"))
    assert roles("sam-1") == []


def test_anonymous_confirmation_is_a_sign_in(idp: Idp) -> None:
    assert "prompt" not in asked(confirming(Client()))


@pytest.mark.parametrize(
    ("auth_time", "asks"),
    [
        (timedelta(minutes=-1), False),
        (timedelta(hours=-8), True),
        (timedelta(minutes=10), True),
        (None, True),
    ],
)
def test_sign_in_without_a_word_counts_as_proof_from_when_it_was_given_there(
    idp: Idp, settings: Any, registry: Registry, auth_time: timedelta | None, asks: bool
) -> None:
    """Signing out and in again, past a session there that is still open, is no proof of who sits here."""
    settings.STEP_UP = timedelta(minutes=15)
    GroupMapping.objects.create(idp_group="ops", role="operator")
    moment = None if auth_time is None else int(time.time() + auth_time.total_seconds())
    idp.knows("sam-2", preferred_username="sam", groups=["ops"], auth_time=moment)
    client, _ = sign_in(idp, "sam-2")
    answer = client.get(at("restart", deployable()))
    assert answer.status_code == (302 if asks else 200)
