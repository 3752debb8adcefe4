"""Changes in the palette."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from clusters.search import LIMIT, Result, Section
from deployments.models import Change
from deployments.states import State

if TYPE_CHECKING:
    from access.queries import Access

NUMBER = re.compile(r"(?:cr-?)?(\d+)")


def find_changes(access: Access, words: str) -> Section:
    """Return the change of that number, or the newest whose title or service holds every word."""
    changes = access.visible(Change.objects.all())
    number = NUMBER.fullmatch(words)
    if number:
        changes = changes.filter(pk=int(number[1]))
    else:
        for word in words.split():
            changes = changes.filter(title__icontains=word)
    found = [
        Result(
            f"CR-{change.pk} {change.title}",
            change.get_absolute_url(),
            icon="changes",
            note=State(change.state).label.lower(),
        )
        for change in changes.order_by("-created_at")[:LIMIT]
    ]
    return Section("Changes", found)
