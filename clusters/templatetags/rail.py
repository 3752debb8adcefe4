"""What the rail says about our own data: how old the figures of each account and region are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import template
from django.utils import timezone

from clusters.sources import Source, sources_of

register = template.Library()


@register.simple_tag(takes_context=True)
def data_sources(context: Mapping[str, Any]) -> list[Source]:
    """Return the account and region pairs that this person may see, oldest data first; once a page has read them, its own."""
    known: list[Source] | None = context.get("known_sources")
    if known is not None:
        return known
    access = getattr(context.get("request"), "access", None)
    return sources_of(access, timezone.now()) if access is not None else []
