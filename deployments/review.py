"""Where a change under review stands: what is asked of it, who agreed, what is missing, and who could give it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import QuerySet

from access.queries import Access
from deployments.approvals import authors_of, shortage, standing_approvals
from deployments.models import Approval, Change, Override, ReviewComment
from deployments.policies import Requirement, Voice
from deployments.queries import Approvers
from deployments.states import State

WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Review:
    """The review of one change as its pages show it."""

    requirement: Requirement
    # Voices that count now, and what is missing beside them.
    given: tuple[Voice, ...]
    missing: tuple[str, ...]
    # Who may still agree with effect, by name.
    others: tuple[str, ...]
    # What could not be met even if all of them did.
    short: tuple[str, ...]
    # The latest word that asks for a change, unless the requester has answered it since.
    sent_back: ReviewComment | None = None

    @property
    def summary(self) -> str:
        """Say in one line how far it is: "1 of 2 given. Missing: 1 more of release managers (Two of us)."."""
        given = f"{len(self.given)} of {self.requirement.count} given." if self.given else ""
        missing = f"Missing: {'; '.join(self.missing)}." if self.missing else "Nothing is missing."
        return f"{given} {missing}".strip()


def review_of(change: Change, approvers: Approvers, now: datetime) -> Review:
    """Return where the review of a change stands."""
    requirement = Requirement.from_json(change.requirement)
    authors = authors_of(change)
    eligible = [voice for voice in approvers.voices(change.access_resource) if voice.user_id not in authors]
    standing = {item.approver_id for item in standing_approvals(change, now)}
    given = tuple(voice for voice in eligible if voice.user_id in standing)
    others = tuple(sorted(voice.name for voice in eligible if voice.user_id not in standing))
    return Review(
        requirement,
        given,
        tuple(requirement.missing(given)),
        others,
        tuple(shortage(requirement, eligible, authors)),
        sent_back(change),
    )


def sent_back(change: Change) -> ReviewComment | None:
    """Return the word that sent a request back, None once its requester has said something after it."""
    last = None
    for said in change.comments.all():
        if said.asks_for_change:
            last = said
        elif said.author_id == change.requester_id:
            last = None
    return last


def unreviewed() -> QuerySet[Override]:
    """Return the overrides that wait for a review: a change that has not begun went past nothing."""
    return Override.objects.filter(reviewed_at=None, change__dispatched_at__isnull=False)


def open_reviews(access: Access) -> QuerySet[Override]:
    """Return the overrides that this person could review, the first to be due first."""
    waiting = unreviewed().exclude(person_id=access.user.pk)
    places = "change__service__cluster__account", "change__requester", "person"
    return access.visible(waiting.select_related(*places), action="freeze.override").order_by("review_due_at")


def sent_back_to(access: Access) -> list[Change]:
    """Return the requests of this person that somebody wants changed."""
    mine = Change.objects.filter(
        requester_id=access.user.pk, state=State.AWAITING_APPROVAL, comments__asks_for_change=True
    )
    mine = access.visible(mine)
    found = mine.select_related("service__cluster__account", "requester").distinct().order_by("-pk")
    found = found.prefetch_related("comments")
    return [change for change in found if sent_back(change)]


@dataclass(frozen=True, slots=True)
class Figures:
    """What a person decided within a week."""

    approved: int
    rejected: int
    median: timedelta | None
    # Changes that they let go and that did not end well.
    turned_back: tuple[Change, ...]


def figures_of(user_id: int | None, now: datetime) -> Figures:
    """Return a person's figures of the last seven days."""
    given = list(
        Approval.objects.filter(approver_id=user_id, created_at__gt=now - WEEK).select_related("change")
    )
    waits = sorted(item.created_at - item.change.created_at for item in given)
    approved = [item for item in given if item.decision == Approval.Decision.APPROVE]
    bad = (State.ROLLED_BACK, State.FAILED)
    return Figures(
        approved=len(approved),
        rejected=len(given) - len(approved),
        median=waits[len(waits) // 2] if waits else None,
        turned_back=tuple(item.change for item in approved if item.change.state in bad),
    )
