"""News that the ledger brings: who may do what has changed, and trouble with the ledger itself."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.urls import reverse

from access.resources import ANYWHERE, Resource
from notifications.actions import notify

if TYPE_CHECKING:
    from audit.models import AuditEntry

# Actions of the ledger by what comes before the dot; of some only what is named.
ACCESS = {
    "binding": "Role binding",
    "rolebinding": "Role binding",
    "group_mapping": "Group mapping",
    "token": "API token",
    "user": "Person",
    "person": "Person",
    "group": "Group",
    "factor": "Second factor",
    "admin": "Admin",
}
# What a person does to their own sign-in every day.
ORDINARY = frozenset({"factor.recovery_code_used", "factor.added"})
DUTIES = {
    "checkpoints": "The ledger cannot be signed",
    "verification": "The ledger does not verify",
    "folder": "The ledger cannot be copied to its folder",
    "s3": "The ledger cannot be copied to S3",
}


def tell_of_entry(entry: AuditEntry) -> None:
    """Tell of an entry that changes access; every other one costs a look into a dictionary."""
    subject, _, verb = entry.action.partition(".")
    if subject not in ACCESS or entry.action in ORDINARY or entry.outcome != "ok":
        return
    resource = Resource(entry.environment, entry.account_id, entry.region, entry.cluster, entry.service)
    notify(
        kind="access.changed",
        resource=resource,
        title=f"{ACCESS[subject]} {verb.replace('_', ' ')}: {entry.target}",
        text=entry.reason,
        path=f"{reverse('audit')}?entry={entry.seq}",
        actor=entry.actor,
        data={"ledger_entry": entry.seq},
        now=entry.at,
    )


def tell_of_duty(name: str, error: str, now: datetime) -> None:
    """Tell when a duty for the ledger begins to fail; it goes on failing in silence, and on the ledger's page."""
    notify(
        kind="ledger.problem",
        resource=ANYWHERE,
        title=DUTIES.get(name, f"Trouble with the ledger: {name}"),
        text=error,
        path=reverse("audit"),
        actor="system",
        now=now,
    )
