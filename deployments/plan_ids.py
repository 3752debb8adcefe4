"""The id of a plan: signed, so that nothing has to be stored for the many plans that nobody applies."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any

from django.core import signing

from deployments.errors import PlanExpired, PlanMoved

SALT = "deployments.plan.v1"
LIFETIME = timedelta(minutes=30)
MOVED = "The service or the request is no longer what the plan showed. Nothing was done."


def make_plan_id(content: list[Any], made_at: datetime) -> str:
    """Return the id of a plan of this content; it holds for `LIFETIME`."""
    return signing.dumps([*content, int(made_at.timestamp())], salt=SALT, compress=True)


def check_plan_id(plan_id: str, content: list[Any], now: datetime) -> None:
    """Raise PlanMoved unless the id is of a plan of exactly this content, PlanExpired when it is too old."""
    try:
        *seen, made_at = signing.loads(plan_id, salt=SALT)
    except (signing.BadSignature, ValueError) as error:
        raise PlanMoved("That is no plan of this console. Nothing was done.") from error
    if seen != content:
        raise PlanMoved(MOVED)
    if now.timestamp() - made_at > LIFETIME.total_seconds():
        minutes = int(LIFETIME.total_seconds() // 60)
        raise PlanExpired(f"The plan is older than {minutes} min. Nothing was done.")


def short(plan_id: str) -> str:
    """Return what people call a plan by."""
    return hashlib.sha256(plan_id.encode()).hexdigest()[:10]
