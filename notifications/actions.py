"""Telling people elsewhere: the outbox is written with what it tells of, and sent after it."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.utils import timezone

from access.resources import Resource
from audit.actions import describe_actor, without_controls
from notifications.kinds import Kind, kind_of
from notifications.matching import channels_for
from notifications.models import Delivery, Message, stored_key
from notifications.waking import wake_on_commit


def notify(
    *,
    kind: str,
    resource: Resource,
    title: str,
    text: str,
    path: str,
    actor: Any,
    data: dict[str, Any] | None = None,
    key: str = "",
    now: datetime | None = None,
) -> Message | None:
    """Write a piece of news into the outbox, in the caller's transaction; None when no channel is to hear of it.

    Who hears of it is decided here and not when it is sent: news goes to those who had asked for it when it happened,
    and what is left to do is one row per channel, which one worker claims. `key` tells a thing once. `text`, `data`
    and `title` leave the console, so they hold no secrets. One query where nobody listens, three where somebody does.
    """
    known, key = kind_of(kind), stored_key(key)
    channels = channels_for(kind, resource)
    if not channels or (key and Message.objects.filter(key=key).exists()):
        return None
    message = build(known, resource, title, text, path, actor, data or {}, key, now or timezone.now())
    with transaction.atomic():
        if key:
            # Of two who tell the same thing at once the unique key lets one through.
            found, is_new = Message.objects.get_or_create(
                key=key, defaults={f.attname: getattr(message, f.attname) for f in fields_of(message)}
            )
            if not is_new:
                return None
            message = found
        else:
            message.save()
        queue(message, channels)
    return message


def fields_of(message: Message) -> list[Any]:
    return [field for field in Message._meta.concrete_fields if field.name not in {"id", "key"}]


def build(
    kind: Kind,
    resource: Resource,
    title: str,
    text: str,
    path: str,
    actor: Any,
    data: dict[str, Any],
    key: str,
    now: datetime,
) -> Message:
    places = ("environment", "account_id", "region", "cluster", "service")
    return Message(
        kind=kind.id,
        actor=describe_actor(actor)[0][:150],
        title=without_controls(title)[:255],
        text=without_controls(text),
        path=path[:500],
        data=json.loads(json.dumps(data, cls=DjangoJSONEncoder)),
        key=key or None,
        created_at=now,
        **{place: getattr(resource, place, "") for place in places},
    )


def queue(message: Message, channels: list[int]) -> None:
    """Write one delivery per channel and wake a worker once that is committed."""
    Delivery.objects.bulk_create(
        Delivery(message=message, channel_id=channel, next_at=message.created_at) for channel in channels
    )
    pks = Delivery.objects.filter(message=message).values_list("pk", flat=True)
    for pk in pks:
        wake_on_commit(pk)
