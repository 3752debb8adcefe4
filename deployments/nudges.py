"""Which pages look again when a change moves."""

from __future__ import annotations

from deployments.models import Change
from live.bus import publish_on_commit


def nudge(change: Change) -> None:
    """Publish the names under which a change is shown, once the transaction is through."""
    names = [f"change:{change.pk}", "changes", f"service:{change.service_id}"]
    if change.needs_approval:
        names.append("approvals")
    publish_on_commit(*names)


def nudge_governance() -> None:
    """Publish that freezes or policies moved: what waits may go, or may have to wait."""
    publish_on_commit("approvals", "changes")
