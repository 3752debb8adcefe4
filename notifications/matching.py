"""Which channels are to hear of a piece of news."""

from __future__ import annotations

from access.resources import Resource
from notifications.models import Channel, Subscription


def channels_for(kind: str, resource: Resource) -> list[int]:
    """Return the enabled channels with a subscription that covers kind and place, in one query."""
    holding = (item.channel_id for item in subscriptions_to(kind) if item.holds_at(resource))
    return list(dict.fromkeys(holding))


def subscriptions_to(kind: str) -> list[Subscription]:
    """Return the subscriptions of enabled channels that cover a kind of news, in one query."""
    enabled = Subscription.objects.filter(channel__is_enabled=True).order_by("channel_id")
    return [item for item in enabled if not item.kinds or kind in item.kinds]


def drop_waiting(channel: Channel) -> int:
    """Drop what waits for a channel: news that comes days later would only mislead."""
    waiting = channel.deliveries.filter(state__in=("waiting", "sending"))
    return waiting.update(state="dropped", next_at=None, error="The channel was switched off.")
