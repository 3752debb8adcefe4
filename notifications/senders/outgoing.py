"""A message as the senders see it: who, what, where and why, with the link."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings

from notifications.kinds import Kind
from notifications.models import Delivery, Message
from notifications.seals import open_sealed


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message for one channel; the address and the secret are plain, and therefore not in its repr."""

    address: str = field(repr=False)
    secret: str = field(repr=False)
    message_id: str
    kind: Kind
    at: datetime
    actor: str
    title: str
    text: str
    place: str
    url: str
    data: dict[str, Any]
    resource: dict[str, str]

    @property
    def facts(self) -> list[tuple[str, str]]:
        """Return what is said beside the title, in words."""
        facts = [("Who", self.actor), ("Where", self.place), ("Why", self.text)]
        more = [(name.replace("_", " ").capitalize(), str(value)) for name, value in self.data.items()]
        return [(name, value) for name, value in [*facts, *more] if value]


def link_to(path: str) -> str:
    """Return the absolute address of a page; empty as long as the console does not know its own."""
    return settings.CONSOLE_URL.rstrip("/") + path if settings.CONSOLE_URL and path else ""


def outgoing_of(delivery: Delivery) -> Outgoing:
    """Open the channel's secrets and return the message to send; raises `CannotSend`."""
    message, channel = delivery.message, delivery.channel
    return Outgoing(
        address=open_sealed(channel.sealed_address),
        secret=open_sealed(channel.sealed_secret),
        message_id=str(message.message_id),
        kind=message.look,
        at=message.created_at,
        actor=message.actor,
        title=message.title,
        text=message.text,
        place="" if message.place == "everywhere" else message.place,
        url=link_to(message.path),
        data=message.data,
        resource=resource_of(message),
    )


def resource_of(message: Message) -> dict[str, str]:
    names = ("environment", "account_id", "region", "cluster", "service")
    return {name: getattr(message, name) for name in names}
