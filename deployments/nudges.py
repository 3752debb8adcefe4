"""Which pages look again when a change moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deployments.models import Change
from live.bus import publish_on_commit

if TYPE_CHECKING:
    from audit.models import AuditEntry

# What the ledger calls asking for a change of access, and each answer.
ACCESS_REQUEST = "access.request"


def nudge(change: Change) -> None:
    """Publish the names under which a change is shown, once the transaction is through."""
    names = [f"change:{change.pk}", "changes", f"service:{change.service_id}"]
    if change.needs_approval:
        names.append("approvals")
    publish_on_commit(*names)


def nudge_of_entry(entry: AuditEntry) -> None:
    """Publish that a change of access waits for a second person, or does so no longer."""
    if entry.action.startswith(ACCESS_REQUEST):
        publish_on_commit("approvals")


def nudge_governance() -> None:
    """Publish that freezes or policies moved: what waits may go, or may have to wait."""
    publish_on_commit("approvals", "changes")
