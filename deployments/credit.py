"""Whose deployment it was: ECS keeps no name, so the console writes the requester's beside the service deployment."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from clusters.actions import note_deployer
from deployments.models import Change
from deployments.states import TERMINAL

# The deployment is in the inventory only once a poll has read it; a region may be unreadable for a while.
ASK_AGAIN = timedelta(seconds=10)
GIVE_UP = timedelta(hours=1)


def is_owed(progress: Mapping[str, Any]) -> bool:
    """Whether a service deployment is known that bears no name yet."""
    return bool(progress.get("service_deployment_arn")) and not progress.get("is_credited")


def credit(change: Change) -> bool:
    """Write the requester's name to the change's service deployment; False while that is not in the inventory."""
    if not is_owed(change.progress):
        return True
    arn = change.progress["service_deployment_arn"]
    name = change.requester.get_full_name() or change.requester.get_username()
    if not note_deployer(service_deployment_arn=arn, name=name):
        return False
    change.progress = {**change.progress, "is_credited": True}
    Change.objects.filter(pk=change.pk, version=change.version).update(progress=change.progress)
    return True


def credit_ended(change_id: int, now: datetime) -> None:
    """Try again for a change that ended before its deployment was read."""
    change = Change.objects.select_related("requester").filter(pk=change_id, state__in=TERMINAL).first()
    if change is None or change.next_wake_at is None or change.next_wake_at > now:
        return
    is_over = credit(change) or change.finished_at is None or now - change.finished_at > GIVE_UP
    Change.objects.filter(pk=change.pk).update(next_wake_at=None if is_over else now + ASK_AGAIN)
