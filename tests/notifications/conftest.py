from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import User

from notifications import waking
from notifications.channels import add_channel
from notifications.models import Channel, Subscription
from tests.notifications.receivers import MailServer, Receiver, receiving, receiving_mail

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
SECRET = "signing-secret-of-16-and-more"


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    settings.NOTIFICATION_ALLOW_HOSTS = ["127.0.0.1"]
    settings.CONSOLE_URL = "https://console.example.com"
    with receiving() as found:
        yield found


@pytest.fixture
def mail_server(settings: Any) -> Iterator[MailServer]:
    settings.CONSOLE_URL = "https://console.example.com"
    with receiving_mail() as found:
        settings.HAS_EMAIL = True
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", found.port
        settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
        settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
        settings.DEFAULT_FROM_EMAIL = "console@example.com"
        yield found


@pytest.fixture
def wakes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Collect wake-ups instead of sending them to a broker."""
    found: list[int] = []
    monkeypatch.setattr(waking, "enqueue", lambda pk: bool(found.append(pk)) or True)
    return found


MakeChannel = Callable[..., Channel]


@pytest.fixture
def make_channel(people: dict[str, User]) -> MakeChannel:
    """Return a function that adds a channel told of everything, or of `kinds` at a place."""

    def make(type_: str = "slack", address: str = "", kinds: tuple[str, ...] = (), **place: str) -> Channel:
        name = f"#{type_}-{Channel.objects.count()}"
        secret = SECRET if type_ == "webhook" else ""
        channel = add_channel(
            type_=type_, name=name, address=address, secret=secret, actor=people["erin"], now=NOW
        )
        Subscription.objects.create(channel=channel, kinds=list(kinds), **place)
        return channel

    return make
