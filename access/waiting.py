"""What waits for a second person: every open change of access, and those that a person may let happen."""

from __future__ import annotations

from datetime import datetime

from django.db.models import QuerySet

from access.actions import require_agreement, wish_of
from access.bounds import MANAGE
from access.decisions import PermissionMissing
from access.models import BindingRequest
from access.queries import Access
from access.wishes import AccessMoved, gains_of


def open_requests(now: datetime) -> QuerySet[BindingRequest]:
    """Return the changes of access that wait for a second person."""
    rows = BindingRequest.objects.filter(state=BindingRequest.State.OPEN, expires_at__gt=now)
    return rows.select_related("requester")


def requests_for(access: Access, now: datetime) -> list[BindingRequest]:
    """Return the changes of access to which this person could agree now, the next to expire first.

    No query for those who manage access nowhere; for the others some for each open request, of which there are few.
    """
    if not access.holds(MANAGE):
        return []
    others = open_requests(now).exclude(requester_id=access.user.pk).order_by("expires_at", "pk")
    return [asked for asked in others if may_agree_to(asked, access, now)]


def may_agree_to(asked: BindingRequest, access: Access, now: datetime) -> bool:
    """Whether agreeing would pass; what moved since it was asked can only be refused, on the page of access."""
    try:
        require_agreement(asked, gains_of(wish_of(asked)), access, now)
    except (AccessMoved, PermissionMissing):
        return False
    return True
