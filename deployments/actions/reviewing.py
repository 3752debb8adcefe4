"""Looking back at overrides."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from access.queries import Access
from deployments.actions.allowing import note, require
from deployments.approvals import authors_of
from deployments.errors import ApprovalRefused, ConfirmationMissing, WrongState
from deployments.models import Override
from deployments.nudges import nudge


def close_review(
    *,
    override: Override,
    reviewer: User,
    access: Access,
    was_justified: bool,
    review: str,
    now: datetime | None = None,
    request: HttpRequest | None = None,
) -> None:
    """Close the review of an override with a judgement; somebody else than its authors has to."""
    now = now or timezone.now()
    change = override.change
    require(access, "freeze.override", change.access_resource, target=f"CR-{change.pk}", request=request)
    if reviewer.pk == override.person_id or reviewer.pk in authors_of(change):
        text = "You went past the rules yourself; somebody else has to review it."
        note(change, reviewer, "override.reviewed", text, request, outcome="refused")
        raise ApprovalRefused(text)
    if change.dispatched_at is None:
        raise WrongState(
            f"CR-{change.pk} has not begun, so it went past no rule and there is nothing to review."
        )
    if not review.strip():
        raise ConfirmationMissing({"review": "Write what you found; it goes into the ledger."})
    with transaction.atomic():
        rows = Override.objects.filter(pk=override.pk, reviewed_at=None)
        fields = {
            "reviewed_by": reviewer,
            "reviewed_at": now,
            "review": review.strip(),
            "was_justified": was_justified,
        }
        if rows.update(**fields) != 1:
            # Another reviewer closed it first; their judgement stands.
            raise WrongState(f"The review of CR-{change.pk} is closed already.")
        note(
            change,
            reviewer,
            "override.reviewed",
            review.strip(),
            request,
            kind=override.kind,
            rules=override.rules,
            was_justified=was_justified,
        )
        nudge(change)
    for name, value in fields.items():
        setattr(override, name, value)
