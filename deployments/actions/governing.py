"""Writing approval policies: each edit is a new version."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.contrib.auth.models import Group, User
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.utils import timezone

from access.decisions import ROLES
from access.queries import Access
from audit.actions import record
from deployments.actions.allowing import require
from deployments.errors import InvalidSpec, WrongState
from deployments.models import ApprovalPolicy
from deployments.nudges import nudge_governance
from deployments.policies import GROUP, ROLE, SUBJECTS

FIELDS = (
    "name",
    "environment",
    "account_id",
    "region",
    "cluster",
    "service",
    "subjects",
    "approvals",
    "eligible",
    "must_include",
    "expiry_hours",
    "wait_minutes",
    "ticket_pattern",
    "needs_reason",
)
MOST_APPROVALS = 5
MOST_HOURS = 24 * 14
MOST_WAIT = 60 * 24 * 7


def save_policy(
    *,
    actor: User,
    access: Access,
    values: Mapping[str, Any],
    policy: ApprovalPolicy | None = None,
    now: datetime | None = None,
    request: HttpRequest | None = None,
) -> ApprovalPolicy:
    """Write a policy, or the next version of one; approvals given under the older version are void.

    Raises PermissionMissing, InvalidSpec, or WrongState when somebody else wrote the next version first.
    """
    now = now or timezone.now()
    fields = {name: getattr(policy, name) for name in FIELDS} if policy else {}
    saved = ApprovalPolicy(
        **{**fields, **{name: values[name] for name in FIELDS if name in values}},
        version=policy.version + 1 if policy else 1,
        created_by=actor,
        created_at=now,
    )
    if policy is not None:
        saved.name = policy.name
        require(access, "policy.manage", policy.access_resource, target=policy.name, request=request)
    require(access, "policy.manage", saved.access_resource, target=saved.name, request=request)
    check_policy(saved)
    try:
        with transaction.atomic():
            if policy is not None:
                supersede(policy, now)
            saved.save()
            write_down(saved, actor, "policy.changed" if policy else "policy.added", request, fields)
    except IntegrityError as error:
        raise InvalidSpec({"name": f"There is a policy {saved.name} already; change that one."}) from error
    return saved


def retire_policy(
    *,
    policy: ApprovalPolicy,
    actor: User,
    access: Access,
    reason: str = "",
    now: datetime | None = None,
    request: HttpRequest | None = None,
) -> None:
    """Take a policy out of force; its versions stay to be read."""
    now = now or timezone.now()
    require(access, "policy.manage", policy.access_resource, target=policy.name, request=request)
    with transaction.atomic():
        supersede(policy, now)
        ApprovalPolicy.objects.filter(pk=policy.pk).update(is_retired=True)
        policy.is_retired = True
        write_down(policy, actor, "policy.retired", request, {}, reason)


def supersede(policy: ApprovalPolicy, now: datetime) -> None:
    rows = ApprovalPolicy.objects.filter(pk=policy.pk, superseded_at=None)
    if rows.update(superseded_at=now) != 1:
        # Somebody else wrote the next version first; theirs stands.
        raise WrongState(f"{policy} is no longer the current version. Look at the new one first.")


def check_policy(policy: ApprovalPolicy) -> None:
    """Raise InvalidSpec unless the policy can be meant, by form field."""
    errors: dict[str, str] = {}
    if not policy.name.strip():
        errors["name"] = "Give it a name that says what it is for."
    if unknown := [name for name in policy.subjects if name not in SUBJECTS]:
        errors["subjects"] = f"{', '.join(map(str, unknown))} is no kind of change."
    limits = (
        ("approvals", 0, MOST_APPROVALS),
        ("expiry_hours", 1, MOST_HOURS),
        ("wait_minutes", 0, MOST_WAIT),
    )
    for name, least, most in limits:
        if not least <= getattr(policy, name) <= most:
            errors[name] = f"Give a number from {least} to {most}."
    for name in ("eligible", "must_include"):
        if wrong := [who for who in getattr(policy, name) if not is_known(str(who))]:
            errors[name] = (
                f"There is no {', '.join(map(str, wrong))}; write role:release_manager or group:sre."
            )
    try:
        re.compile(policy.ticket_pattern)
    except re.error as error:
        errors["ticket_pattern"] = f"That is no regular expression: {error}."
    if errors:
        raise InvalidSpec(errors)


def is_known(who: str) -> bool:
    if who.startswith(ROLE):
        return who.removeprefix(ROLE) in ROLES
    return who.startswith(GROUP) and Group.objects.filter(name=who.removeprefix(GROUP)).exists()


def write_down(
    policy: ApprovalPolicy,
    actor: User,
    action: str,
    request: HttpRequest | None,
    before: Mapping[str, Any],
    reason: str = "",
) -> None:
    after = {name: getattr(policy, name) for name in FIELDS}
    record(
        action=action,
        actor=actor,
        resource=policy.access_resource,
        target=f"policy-{policy.name}"[:255],
        reason=reason,
        data={
            "version": policy.version,
            "before": {key: value for key, value in before.items() if value != after[key]},
            "after": {key: value for key, value in after.items() if value != before.get(key)},
        },
        request=request,
    )
    nudge_governance()
