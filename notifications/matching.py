"""Which channels are to hear of a piece of news."""

from __future__ import annotations

from access.resources import Resource
from notifications.models import Channel, Subscription


def channels_for(kind: str, resource: Resource) -> list[int]:
    """Return the enabled channels with a subscription that covers kind and place, in one query."""
    wanted = Subscription.objects.filter(channel__is_enabled=True).order_by("channel_id")
    return list(
        dict.fromkeys(
            item.channel_id
            for item in wanted
            if (not item.kinds or kind in item.kinds) and item.holds_at(resource)
        )
    )


def drop_waiting(channel: Channel) -> int:
    """Drop what waits for a channel: news that comes days later would only mislead."""
    waiting = channel.deliveries.filter(state__in=("waiting", "sending"))
    return waiting.update(state="dropped", next_at=None, error="The channel was switched off.")
