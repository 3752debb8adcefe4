"""Words in which tests set policies and freezes up."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from deployments.models import ApprovalPolicy, Freeze
from deployments.terms import OverrideAsked
from tests.deployments.rig import Rig

WHY = "Checkout is down and this is the fix"


def make_policy(name: str = "Two of us", **fields: Any) -> ApprovalPolicy:
    defaults: dict[str, Any] = {"environment": "production", "subjects": ["deploy"], "needs_reason": False}
    return ApprovalPolicy.objects.create(name=name, **{**defaults, **fields})


def only_policy(**fields: Any) -> ApprovalPolicy:
    """Put one policy in the place of those that a console starts with."""
    ApprovalPolicy.objects.all().delete()
    return make_policy(**fields)


def freeze_now(rig: Rig, *, hours: float = 2, name: str = "Quarter close", **fields: Any) -> Freeze:
    """Begin a freeze of production a minute ago."""
    return Freeze.objects.create(
        name=name,
        environment=fields.pop("environment", rig.service.environment),
        starts_at=rig.now - timedelta(minutes=1),
        duration_minutes=int(hours * 60) + 1,
        **fields,
    )


def past(*rules: Any, kind: str = "override", **fields: Any) -> OverrideAsked:
    """Return the wish to go past freezes and policies."""
    names = tuple(f"{'freeze' if isinstance(rule, Freeze) else 'policy'}:{rule.pk}" for rule in rules)
    return OverrideAsked(kind=kind, rules=names, **{"reason": WHY, **fields})
