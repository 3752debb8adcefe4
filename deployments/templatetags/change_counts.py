"""The counts beside Changes and Approvals in the rail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import template

from deployments.models import Change
from deployments.states import ACTIVE, State

register = template.Library()


@register.simple_tag(takes_context=True)
def change_counts(context: Mapping[str, Any]) -> dict[str, int]:
    """Return how many changes are active, and how many wait for this person's decision."""
    access = getattr(context.get("request"), "access", None)
    if access is None:
        return {"active": 0, "waiting": 0}
    waiting = Change.objects.filter(state=State.AWAITING_APPROVAL).exclude(requester_id=access.user.pk)
    return {
        "active": access.visible(Change.objects.filter(state__in=sorted(ACTIVE))).count(),
        "waiting": access.visible(waiting, "change.approve").count(),
    }
