"""The counts beside Changes and Approvals in the rail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import template

from deployments.queries import rail_counts

register = template.Library()


@register.simple_tag(takes_context=True)
def change_counts(context: Mapping[str, Any]) -> dict[str, int]:
    """Return how many changes are active, and how many wait for this person's decision."""
    access = getattr(context.get("request"), "access", None)
    if access is None:
        return {"active": 0, "waiting": 0}
    counts = rail_counts(access)
    return {"active": counts.active_changes, "waiting": counts.waiting_approvals}
