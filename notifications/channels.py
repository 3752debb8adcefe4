"""Adding, changing and trying channels; each act is in the ledger, without addresses and secrets."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest
from django.urls import reverse

from access.resources import ANYWHERE
from audit.actions import record
from ecsconsole.errors import ConsoleError
from notifications import delivering
from notifications.actions import build, queue
from notifications.kinds import TEST
from notifications.matching import drop_waiting
from notifications.models import Channel, Delivery, Subscription
from notifications.seals import seal
from notifications.waking import wake_on_commit


class ChannelOff(ConsoleError):
    """The channel is switched off, so nothing goes out by it."""

    advice = "Switch it on first."


class NotDead(ConsoleError):
    """The delivery is no dead letter (any more)."""


def shown_form(type_: str, address: str) -> str:
    """Return what of an address may be shown: recipients as they are, of a URL only the host."""
    return address[:500] if type_ == Channel.Type.EMAIL else (urlsplit(address).hostname or "")[:500]


def note(
    action: str, channel: Channel, actor: User, request: HttpRequest | None, reason: str = "", **data: Any
) -> None:
    facts = {"type": channel.type, "address": channel.shown_address, **data}
    record(action=action, actor=actor, target=channel.name, reason=reason, data=facts, request=request)


def add_channel(
    *,
    type_: str,
    name: str,
    address: str,
    secret: str,
    actor: User,
    now: datetime,
    request: HttpRequest | None = None,
) -> Channel:
    """Add a channel; it hears nothing until it subscribes to something."""
    with transaction.atomic():
        channel = Channel.objects.create(
            type=type_,
            name=name,
            sealed_address=seal(address),
            sealed_secret=seal(secret),
            shown_address=shown_form(type_, address),
            created_at=now,
        )
        note("channel.added", channel, actor, request)
    return channel


def change_channel(
    *,
    channel: Channel,
    name: str,
    address: str,
    secret: str,
    actor: User,
    request: HttpRequest | None = None,
) -> Channel:
    """Change a channel; an empty address or secret leaves the one that is there."""
    before = channel.name
    channel.name = name
    if address:
        channel.sealed_address, channel.shown_address = seal(address), shown_form(channel.type, address)
    if secret:
        channel.sealed_secret = seal(secret)
    changed: dict[str, Any] = {
        "was": before,
        "has_new_address": bool(address),
        "has_new_secret": bool(secret),
    }
    with transaction.atomic():
        channel.save(update_fields=["name", "sealed_address", "sealed_secret", "shown_address"])
        note("channel.changed", channel, actor, request, **changed)
    return channel


def switch_channel(*, channel: Channel, is_on: bool, actor: User, request: HttpRequest | None = None) -> bool:
    """Switch a channel on or off and drop what waits for it; False when it was so before."""
    with transaction.atomic():
        rows = Channel.objects.filter(pk=channel.pk, is_enabled=not is_on)
        if rows.update(is_enabled=is_on, failed_at=None, failure_count=0, error="") != 1:
            # Two clicked at once: the first one's entry in the ledger stands.
            return False
        dropped = drop_waiting(channel)
        note(f"channel.switched_{'on' if is_on else 'off'}", channel, actor, request, dropped=dropped)
    channel.is_enabled = is_on
    return True


def remove_channel(*, channel: Channel, actor: User, request: HttpRequest | None = None) -> None:
    """Remove a channel with its subscriptions, its deliveries and its secrets."""
    with transaction.atomic():
        note("channel.removed", channel, actor, request)
        channel.delete()


def send_test(
    *, channel: Channel, actor: User, now: datetime, request: HttpRequest | None = None
) -> Delivery:
    """Put a test message into the outbox, on the way that news takes; its outcome stands with the deliveries."""
    if not channel.is_enabled:
        raise ChannelOff(f"{channel} is switched off, so no test was sent.")
    message = build(
        TEST,
        ANYWHERE,
        f"Test message for {channel}",
        "Somebody tried this channel from its page.",
        reverse("channel", args=[channel.pk]),
        actor,
        {},
        "",
        now,
    )
    with transaction.atomic():
        message.save()
        queue(message, [channel.pk])
        note("channel.tested", channel, actor, request)
    return message.deliveries.get()


def add_subscription(
    *, subscription: Subscription, actor: User, request: HttpRequest | None = None
) -> Subscription:
    with transaction.atomic():
        subscription.save()
        note_subscription("subscription.added", subscription, actor, request)
    return subscription


def remove_subscription(
    *, subscription: Subscription, actor: User, request: HttpRequest | None = None
) -> None:
    with transaction.atomic():
        note_subscription("subscription.removed", subscription, actor, request)
        subscription.delete()


def note_subscription(
    action: str, subscription: Subscription, actor: User, request: HttpRequest | None
) -> None:
    record(
        action=action,
        actor=actor,
        resource=subscription.access_resource,
        target=subscription.channel.name,
        data={"kinds": subscription.kinds or "all", "place": subscription.place},
        request=request,
    )


def send_again(*, delivery: Delivery, actor: User, now: datetime, request: HttpRequest | None = None) -> None:
    """Send a dead letter again, with all its tries and under its own message id."""
    if not delivery.channel.is_enabled:
        raise ChannelOff(f"{delivery.channel} is switched off, so nothing was sent again.")
    with transaction.atomic():
        if not delivering.send_again(delivery, now):
            raise NotDead("This message is on its way or has arrived. Nothing was sent again.")
        data = {"message_id": str(delivery.message.message_id), "kind": delivery.message.kind}
        note("delivery.sent_again", delivery.channel, actor, request, **data)
        wake_on_commit(delivery.pk)
