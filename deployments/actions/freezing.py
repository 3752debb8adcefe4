"""Setting freezes up, changing them and taking them away."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from access.queries import Access
from audit.actions import record
from deployments.actions.allowing import require
from deployments.errors import InvalidSpec, WrongState
from deployments.freezes import schedule_of
from deployments.models import Freeze
from deployments.nudges import nudge_governance
from deployments.windows import InvalidRuleError, parse_rule, zone_of

FIELDS = (
    "name",
    "effect",
    "environment",
    "account_id",
    "region",
    "cluster",
    "service",
    "starts_at",
    "duration_minutes",
    "zone",
    "rule",
    "is_rollback_exempt",
    "reason",
)
LONGEST = timedelta(days=92)


def save_freeze(
    *,
    actor: User,
    access: Access,
    values: Mapping[str, Any],
    freeze: Freeze | None = None,
    now: datetime | None = None,
    request: HttpRequest | None = None,
) -> Freeze:
    """Set a freeze up, or change one into its next version; what waits at the place is looked at again.

    The right to manage freezes is asked for at the old and at the new place. Raises PermissionMissing, InvalidSpec,
    or WrongState when somebody else changed it or took it away first.
    """
    now = now or timezone.now()
    before = {name: str(getattr(freeze, name)) for name in FIELDS} if freeze else {}
    if freeze is not None:
        require(access, "freeze.manage", freeze.access_resource, target=freeze.name, request=request)
        if freeze.ended_at is not None:
            raise WrongState(f"{freeze.name} was taken away. Set up a new one.")
    saved = freeze or Freeze(created_by=actor, created_at=now)
    for name in FIELDS:
        if name in values:
            setattr(saved, name, values[name])
    check_freeze(saved)
    require(access, "freeze.manage", saved.access_resource, target=saved.name, request=request)
    with transaction.atomic():
        if freeze is not None:
            take_version(freeze)
        saved.save()
        after = {name: str(getattr(saved, name)) for name in FIELDS}
        write_down(saved, actor, "freeze.changed" if freeze else "freeze.added", request, before, after)
    return saved


def take_version(freeze: Freeze) -> None:
    rows = Freeze.objects.filter(pk=freeze.pk, version=freeze.version, ended_at=None)
    if rows.update(version=freeze.version + 1) != 1:
        # Somebody else wrote the next version, or took it away, first; theirs stands.
        raise WrongState(f"{freeze.name} was changed meanwhile. Look at it as it is now first.")
    freeze.version += 1


def end_freeze(
    *,
    freeze: Freeze,
    actor: User,
    access: Access,
    reason: str = "",
    now: datetime | None = None,
    request: HttpRequest | None = None,
) -> None:
    """Take a freeze away; it stays to be read."""
    now = now or timezone.now()
    require(access, "freeze.manage", freeze.access_resource, target=freeze.name, request=request)
    with transaction.atomic():
        if Freeze.objects.filter(pk=freeze.pk, ended_at=None).update(ended_at=now) != 1:
            # Somebody else took it away at the same moment.
            raise WrongState(f"{freeze.name} was taken away already.")
        freeze.ended_at = now
        write_down(freeze, actor, "freeze.ended", request, {}, {}, reason)


def check_freeze(freeze: Freeze) -> None:
    """Raise InvalidSpec unless the freeze can be meant, by form field."""
    errors: dict[str, str] = {}
    if not freeze.name.strip():
        errors["name"] = "Give it a name that says what it is for."
    if not 0 < freeze.duration_minutes <= LONGEST.total_seconds() // 60:
        errors["duration_minutes"] = f"A window lasts from 1 minute to {LONGEST.days} days."
    try:
        zone = zone_of(freeze.zone)
        if freeze.rule:
            parse_rule(freeze.rule, freeze.starts_at.astimezone(zone).replace(tzinfo=None))
    except InvalidRuleError as error:
        errors["zone" if "time zone" in str(error) else "rule"] = str(error)
    if errors:
        raise InvalidSpec(errors)
    schedule_of(freeze)


def write_down(
    freeze: Freeze,
    actor: User,
    action: str,
    request: HttpRequest | None,
    before: Mapping[str, str],
    after: Mapping[str, str],
    reason: str = "",
) -> None:
    record(
        action=action,
        actor=actor,
        resource=freeze.access_resource,
        target=f"freeze-{freeze.pk}",
        reason=reason or freeze.reason,
        data={
            "name": freeze.name,
            "version": freeze.version,
            "before": {key: value for key, value in before.items() if value != after.get(key)},
            "after": {key: value for key, value in after.items() if value != before.get(key)},
        },
        request=request,
    )
    nudge_governance()
