"""The pages of channels: who may, what they keep, and what they never show."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
import time_machine
from django.apps import apps
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from access.groups import add_mapping
from access.models import GroupMapping
from audit import duties
from audit.models import AuditEntry
from notifications.delivering import deliver
from notifications.models import Channel, Delivery, Message, Subscription
from tests.conftest import SignedIn
from tests.notifications.conftest import SECRET, MakeChannel
from tests.notifications.receivers import Receiver

pytestmark = pytest.mark.django_db
LIST = "/settings/notifications/"
CANARY = "canary4f9d2b7e"


@pytest.fixture(autouse=True)
def _no_broker(wakes: list[int]) -> None:
    """Nothing is woken here."""


def test_channel_is_added_and_its_secrets_are_nowhere_to_be_read(
    as_: SignedIn, receiver: Receiver, caplog: pytest.LogCaptureFixture, settings: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    erin = as_("erin")
    url = receiver.url.replace("hunter2hunter2", CANARY)
    wish = {"name": "#ops", "address": url, "secret": f"{CANARY}-{SECRET}"}
    assert erin.post(f"{LIST}add/webhook/", wish).status_code == 303
    channel = Channel.objects.get()
    receiver.answers = [(500, {}, f"broken {url}".encode())]
    erin.post(f"{LIST}{channel.pk}/test/")
    deliver(Delivery.objects.get().pk, now=timezone.now())
    assert CANARY in receiver.requests[0].path
    for path in (LIST, f"{LIST}{channel.pk}/", f"{LIST}{channel.pk}/edit/", f"{LIST}deliveries/"):
        assert CANARY not in erin.get(path).content.decode()
    assert CANARY not in caplog.text
    for model in apps.get_models():
        for row in model._default_manager.all():
            assert CANARY not in str(
                {f.attname: getattr(row, f.attname) for f in model._meta.concrete_fields}
            )
    entries = set(AuditEntry.objects.values_list("action", flat=True))
    assert entries == {"sign_in.ok", "channel.added", "channel.tested"}


def test_form_keeps_what_was_typed_and_asks_for_secrets_again(as_: SignedIn) -> None:
    wish = {"name": "#ops", "address": f"https://127.0.0.1/{CANARY}", "secret": CANARY * 2}
    answer = as_("erin").post(f"{LIST}add/webhook/", wish)
    text = answer.content.decode()
    assert answer.status_code == 422
    assert 'value="#ops"' in text
    assert CANARY not in text
    assert "not on the public internet" in text
    assert not Channel.objects.exists()


def test_edit_with_empty_address_keeps_the_one_that_is_there(
    as_: SignedIn, make_channel: MakeChannel
) -> None:
    channel = make_channel("webhook", "https://hooks.example/a")
    before = (channel.sealed_address, channel.sealed_secret)
    assert as_("erin").post(f"{LIST}{channel.pk}/edit/", {"name": "#new"}).status_code == 303
    channel.refresh_from_db()
    assert (channel.name, channel.sealed_address, channel.sealed_secret) == ("#new", *before)


def test_recipients_without_a_mail_server_are_refused(as_: SignedIn) -> None:
    answer = as_("erin").post(f"{LIST}add/email/", {"name": "ops", "address": "ops@example.com"})
    assert answer.status_code == 422
    assert "EMAIL_URL is not set" in answer.content.decode()


def test_subscription_keeps_place_and_kinds(as_: SignedIn, make_channel: MakeChannel) -> None:
    channel = make_channel(address="https://x.example/")
    Subscription.objects.all().delete()
    wish = {"kinds": ["change.failed", "hook.paused"], "environment": "production", "cluster": "prod-*"}
    assert as_("erin").post(f"{LIST}{channel.pk}/subscriptions/", wish).status_code == 303
    found = Subscription.objects.get()
    assert (found.kinds, found.place) == (["change.failed", "hook.paused"], "production/prod-*")
    text = as_("erin").get(f"{LIST}{channel.pk}/").content.decode()
    assert "Change failed, Hook paused" in text
    bad = {"account_id": "12", "kinds": ["nothing"], "cluster": "kept-*"}
    answer = as_("erin").post(f"{LIST}{channel.pk}/subscriptions/", bad)
    assert answer.status_code == 422
    assert "kept-*" in answer.content.decode()


def test_test_message_shows_its_result(as_: SignedIn, make_channel: MakeChannel, receiver: Receiver) -> None:
    channel, erin = make_channel(address=receiver.url), as_("erin")
    receiver.answers = [(503, {}, b"busy"), (200, {}, b"")]
    for words in ("Dead letter", "Sent"):
        assert erin.post(f"{LIST}{channel.pk}/test/").status_code == 303
        page = erin.get(f"{LIST}{channel.pk}/", headers={"HX-Request": "true"}).content.decode()
        assert "every 2s" in page
        deliver(Delivery.objects.latest("pk").pk, now=timezone.now())
        page = erin.get(f"{LIST}{channel.pk}/", headers={"HX-Request": "true"}).content.decode()
        assert words in page
        assert "every 2s" not in page
        assert "<html" not in page


def test_switched_off_channel_sends_no_test(as_: SignedIn, make_channel: MakeChannel) -> None:
    channel, erin = make_channel(address="https://x.example/"), as_("erin")
    erin.post(f"{LIST}{channel.pk}/switch/", {"on": "0"})
    assert erin.post(f"{LIST}{channel.pk}/test/").status_code == 409
    erin.post(f"{LIST}{channel.pk}/switch/", {"on": "1"})
    assert erin.post(f"{LIST}{channel.pk}/test/").status_code == 303


def test_dead_letter_is_listed_with_its_error_and_sent_again_once(
    as_: SignedIn, make_channel: MakeChannel, receiver: Receiver
) -> None:
    channel, erin = make_channel(address=receiver.url), as_("erin")
    receiver.answers = [(404, {}, b"no_service")]
    erin.post(f"{LIST}{channel.pk}/test/")
    delivery = Delivery.objects.get()
    deliver(delivery.pk, now=timezone.now())
    text = erin.get(f"{LIST}deliveries/?state=dead").content.decode()
    assert "answered 404: no_service" in text
    assert "Send again" in text
    assert erin.post(f"{LIST}deliveries/{delivery.pk}/again/").status_code == 303
    assert erin.post(f"{LIST}deliveries/{delivery.pk}/again/").status_code == 409
    assert AuditEntry.objects.filter(action="delivery.sent_again").count() == 1


# A channel carries news of production elsewhere, so changing one asks for a recent proof.


@pytest.fixture
def old_sign_in(settings: Any, as_: SignedIn) -> Iterator[Client]:
    """erin, whose session goes on and whose proof of who she is does not."""
    settings.STEP_UP = timedelta(minutes=15)
    erin = as_("erin")
    erin.get(LIST)
    with time_machine.travel(timezone.now() + timedelta(minutes=16), tick=True):
        yield erin


def carried(html: str) -> dict[str, list[str]]:
    """Return the fields that the page of the proof carries on, as a browser would send them."""
    fields: dict[str, list[str]] = {}
    for name, value in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', html):
        if name != "csrfmiddlewaretoken":
            fields.setdefault(unescape(name), []).append(unescape(value))
    return fields


def facts_of_channels() -> list[Any]:
    return [list(model.objects.order_by("pk").values()) for model in (Channel, Subscription, Message)]


@pytest.mark.parametrize("path", ["add/webhook/", "{pk}/edit/"])
def test_form_of_a_channel_asks_for_a_recent_sign_in_first(
    old_sign_in: Client, make_channel: MakeChannel, path: str
) -> None:
    channel = make_channel("webhook", "https://hooks.example/a")
    answer = old_sign_in.get(LIST + path.format(pk=channel.pk))
    assert answer.status_code == 302
    assert answer["Location"].startswith(reverse("confirm-sign-in"))
    # Looking asks for nothing.
    for page in (LIST, f"{LIST}{channel.pk}/", f"{LIST}deliveries/"):
        assert old_sign_in.get(page).status_code == 200


@pytest.mark.parametrize(
    ("path", "typed"),
    [
        ("add/webhook/", {"name": "#new", "address": "https://127.0.0.1/b", "secret": SECRET}),
        ("{pk}/edit/", {"name": "#moved", "address": "https://127.0.0.1/c"}),
        ("{pk}/test/", {}),
        ("{pk}/switch/", {"on": "0"}),
        ("{pk}/remove/", {}),
        ("{pk}/subscriptions/", {"kinds": ["change.failed", "hook.paused"], "cluster": "prod-*"}),
        ("subscriptions/{subscription}/remove/", {}),
    ],
)
def test_change_of_a_channel_waits_for_a_proof_and_keeps_what_was_typed(
    old_sign_in: Client, make_channel: MakeChannel, settings: Any, path: str, typed: dict[str, Any]
) -> None:
    settings.NOTIFICATION_ALLOW_HOSTS = ["127.0.0.1"]
    channel = make_channel("webhook", "https://hooks.example/a")
    address = LIST + path.format(pk=channel.pk, subscription=channel.subscriptions.get().pk)
    before = facts_of_channels()
    waiting = old_sign_in.post(address, typed)
    page = waiting.content.decode()
    assert waiting.status_code == 403
    assert "no-store" in waiting["Cache-Control"]
    assert facts_of_channels() == before
    fields = carried(page)
    assert fields == {name: value if isinstance(value, list) else [value] for name, value in typed.items()}
    wrong = old_sign_in.post(address, {**fields, "proof_password": "wrong"})
    assert wrong.status_code == 403
    assert facts_of_channels() == before
    assert old_sign_in.post(address, {**fields, "proof_password": "demo"}).status_code == 303
    assert facts_of_channels() != before


@pytest.mark.parametrize("name", ["alice", "bob", "carol", "dan", "mallory"])
def test_who_may_not_change_settings_is_told_so(as_: SignedIn, name: str) -> None:
    answer = as_(name).get(LIST)
    assert answer.status_code == 403
    assert "settings.manage" in answer.content.decode()


def test_list_costs_the_same_however_many_channels(
    as_: SignedIn, make_channel: MakeChannel, django_assert_max_num_queries: Any
) -> None:
    for _ in range(5):
        make_channel(address="https://x.example/")
    erin = as_("erin")
    erin.get(LIST)
    with django_assert_max_num_queries(14):
        assert erin.get(LIST).status_code == 200


def test_change_of_access_is_news(make_channel: MakeChannel, people: Any) -> None:
    make_channel(address="https://x.example/", kinds=("access.changed",))
    add_mapping(mapping=GroupMapping(idp_group="sre", role="operator"), actor=people["erin"])
    message = Message.objects.get()
    assert (message.kind, message.actor) == ("access.changed", "erin")
    assert message.title.startswith("Group mapping added: sre")
    assert message.path.startswith("/audit/?entry=")


def test_trouble_with_the_ledger_is_news_when_it_begins(make_channel: MakeChannel) -> None:
    make_channel(address="https://x.example/", kinds=("ledger.problem",))
    now = timezone.now()
    duty = duties.claim(duties.SIGN, now)
    assert duty is not None
    duties.fail(duty, now, "The key file is gone.")
    duty.refresh_from_db()
    duties.fail(duty, now, "The key file is gone.")
    message = Message.objects.get()
    assert (message.title, message.text) == ("The ledger cannot be signed", "The key file is gone.")
