"""What the pages of channels show."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.paginator import Page, Paginator
from django.db.models import Count, Q, QuerySet

from notifications.models import Channel, Delivery, Message, stored_key

LATEST = 20
PER_PAGE = 50


@dataclass(frozen=True, slots=True)
class ChannelRow:
    """A channel as its row shows it."""

    channel: Channel
    subscriptions: int
    dead: int

    @property
    def health(self) -> tuple[str, str]:
        """Return status and words of how it goes."""
        if not self.channel.is_enabled:
            return "zero", "Off"
        if self.channel.failed_at is not None:
            return "failed", "Failing"
        return ("steady", "Working") if self.channel.succeeded_at else ("zero", "Nothing sent yet")


def channel_rows() -> list[ChannelRow]:
    """Return all channels with their counts, in one query."""
    found = Channel.objects.annotate(
        subscription_count=Count("subscriptions", distinct=True),
        dead_count=Count("deliveries", filter=Q(deliveries__state=Delivery.State.DEAD), distinct=True),
    )
    return [ChannelRow(item, item.subscription_count, item.dead_count) for item in found]


def deliveries_of(channel: Channel) -> dict[str, Any]:
    """Return a channel's latest deliveries, and whether one is still on its way."""
    rows = list(with_names(channel.deliveries.all())[:LATEST])
    return {"deliveries": rows, "is_moving": any(row.state in ("waiting", "sending") for row in rows)}


def with_names(deliveries: QuerySet[Delivery]) -> QuerySet[Delivery]:
    return deliveries.select_related("message", "channel")


def delivery_page(state: str, number: str) -> Page[Delivery]:
    """Return a page of deliveries of one state, of all without one; the newest first."""
    found = with_names(Delivery.objects.all())
    if state in Delivery.State.values:
        found = found.filter(state=state)
    return Paginator(found, PER_PAGE).get_page(number)


def warnings() -> list[str]:
    """Return what keeps messages from being useful."""
    if settings.CONSOLE_URL:
        return []
    return ["CONSOLE_URL is not set, so messages carry no link to the page that they are about."]


def told_of(keys: Iterable[str]) -> set[str]:
    """Return those of keys of which was told."""
    stored = {stored_key(key): key for key in keys}
    return {stored[str(key)] for key in Message.objects.filter(key__in=stored).values_list("key", flat=True)}
