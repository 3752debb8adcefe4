"""Agreeing to a change, refusing it, and talking about it."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from access.queries import Access
from deployments import machine, waking
from deployments.actions.allowing import note, require
from deployments.actions.requesting import begins_by
from deployments.approvals import PERMISSION, authors_of, still_missing, void_approvals, write_decision
from deployments.errors import ApprovalRefused, ConfirmationMissing, LostRace, PlanMoved, WrongState
from deployments.fingerprint import sha256_of, what_moved
from deployments.models import Approval, Change, ReviewComment
from deployments.nudges import nudge
from deployments.queueing import waits_turn
from deployments.requirements import refresh_requirement
from deployments.states import NOT_BEGUN, State
from deployments.verbs import verb_for

MOST_WORDS = 4000


def approve_change(
    *,
    change: Change,
    approver: User,
    access: Access,
    comment: str = "",
    now: datetime | None = None,
    request: HttpRequest | None = None,
) -> Approval:
    """Agree to exactly this spec on exactly this base; with the last voice that was missing it is queued."""
    now = now or timezone.now()
    check_voice(change, approver, access, now, request)
    check_turn(change)
    check_still_so(change, now)
    with transaction.atomic():
        hold(change, approver, now)
        approval = write_decision(change, approver, Approval.Decision.APPROVE, comment, now)
        missing = still_missing(change, now)
        note(change, approver, "change.approved", comment, request, missing=missing)
        nudge(change)
        if not missing:
            queue(change, approver, now, request)
    return approval


def queue(change: Change, approver: User, now: datetime, request: HttpRequest | None) -> None:
    """Let a change go that everybody has agreed to who must."""
    names = sorted(
        change.approvals.filter(decision=Approval.Decision.APPROVE, voided_at=None)
        .values_list("approver__username", flat=True)
        .distinct()
    )
    machine.move(
        change,
        State.QUEUED,
        actor=approver,
        note=f"Approved by {' and '.join(names)}.",
        now=now,
        request=request,
        next_wake_at=now,
        deadline_at=begins_by(change, now),
    )
    waking.wake_on_commit(change.pk)


def check_turn(change: Change) -> None:
    """Raise while a change waits behind another: what it builds upon is not known before that has ended."""
    if not waits_turn(change):
        return
    raise WrongState(
        f"CR-{change.pk} waits its turn behind another change, and what it builds upon is not known yet.",
        advice="Approve it once the other one has ended.",
    )


def check_still_so(change: Change, now: datetime) -> None:
    """Raise PlanMoved when the service or the policies are no longer what is being approved."""
    base = verb_for(change.kind).base(change.service.facts, change.spec)
    if sha256_of(base) != change.base_fingerprint:
        text = f"{what_moved(change.base, base)} The request is stale; ask for it again."
        make_stale(change, text, now)
        raise PlanMoved(text)
    moved = refresh_requirement(change, now)
    if moved:
        raise PlanMoved(f"{moved} Look at what it asks for now, and decide again.")


def reject_change(
    *,
    change: Change,
    approver: User,
    access: Access,
    comment: str = "",
    now: datetime | None = None,
    request: HttpRequest | None = None,
) -> Approval:
    """Refuse a change for good; what was asked has to be asked anew."""
    now = now or timezone.now()
    check_voice(change, approver, access, now, request)
    with transaction.atomic():
        hold(change, approver, now)
        approval = write_decision(change, approver, Approval.Decision.REJECT, comment, now)
        note(change, approver, "change.rejected", comment, request)
        text = f"Rejected by {approver.get_username()}{': ' + comment if comment else '.'}"
        machine.move(change, State.REJECTED, actor=approver, note=text, now=now, request=request)
        void_approvals(change, now, text)
    return approval


def ask_for_change(
    *,
    change: Change,
    approver: User,
    access: Access,
    comment: str,
    now: datetime | None = None,
    request: HttpRequest | None = None,
) -> ReviewComment:
    """Send a request back with what should be different; it stays open until it is edited, decided on or withdrawn."""
    now = now or timezone.now()
    check_voice(change, approver, access, now, request, action="change.sent_back")
    return say(change, approver, comment, now, request, asks_for_change=True)


def comment_on_change(
    *,
    change: Change,
    author: User,
    access: Access,
    comment: str,
    now: datetime | None = None,
    request: HttpRequest | None = None,
) -> ReviewComment:
    """Say something on a change; whoever asked for it and whoever may operate or approve there can."""
    now = now or timezone.now()
    if author.pk != change.requester_id and not access.can(PERMISSION, change.access_resource):
        require(access, "change.cancel", change.access_resource, target=f"CR-{change.pk}", request=request)
    return say(change, author, comment, now, request)


def say(
    change: Change,
    author: User,
    comment: str,
    now: datetime,
    request: HttpRequest | None,
    *,
    asks_for_change: bool = False,
) -> ReviewComment:
    text = comment.strip()[:MOST_WORDS]
    if not text:
        raise ConfirmationMissing({"comment": "Write what you want to say."})
    with transaction.atomic():
        said = ReviewComment.objects.create(
            change=change, author=author, text=text, asks_for_change=asks_for_change, created_at=now
        )
        note(change, author, "change.sent_back" if asks_for_change else "change.commented", text, request)
        nudge(change)
    return said


def check_voice(
    change: Change,
    approver: User,
    access: Access,
    now: datetime,
    request: HttpRequest | None,
    *,
    action: str = "change.approved",
) -> None:
    """Raise unless this person may decide on this change now."""
    require(access, PERMISSION, change.access_resource, target=f"CR-{change.pk}", request=request)
    if approver.pk in authors_of(change):
        own = (
            "You asked for this change yourself"
            if approver.pk == change.requester_id
            else "You edited this request"
        )
        text = f"{own}; another release manager has to decide on it."
        note(change, approver, action, text, request, outcome="refused")
        raise ApprovalRefused(text)
    if change.state != State.AWAITING_APPROVAL:
        raise WrongState(f"CR-{change.pk} is {change.state_choice.label.lower()} and waits for no approval.")
    if change.deadline_at and change.deadline_at <= now:
        raise WrongState(f"CR-{change.pk} waited too long for approval and expires.")
    check_first_voice(change, approver, now)


def check_first_voice(change: Change, approver: User, now: datetime) -> None:
    if change.approvals.filter(approver=approver, voided_at=None, expires_at__gt=now).exists():
        raise WrongState(f"You have decided on CR-{change.pk} already; it waits for somebody else.")


def hold(change: Change, approver: User, now: datetime) -> None:
    """Lock a change that is still what is being decided on: of two voices at once the second one counts the first.

    The lock also comes before the ledger's, as in every other move, so that no two transactions wait for each other.
    """
    seen = {name: getattr(change, name) for name in ("version", "state", "base_fingerprint", "policy_sha256")}
    if not Change.objects.select_for_update().filter(pk=change.pk, **seen).exists():
        # Somebody else decided, withdrew it, or the policy moved, since the checks above.
        raise LostRace(change)
    check_first_voice(change, approver, now)
    # What has expired counts no more, and would stand in the way of the same person's next word.
    own = change.approvals.filter(approver=approver, voided_at=None, expires_at__lte=now)
    own.update(voided_at=now, void_reason="It expired, and was given anew.")


def make_stale(change: Change, text: str, now: datetime) -> None:
    """End a change whose base moved, and void its approvals."""
    if change.state not in NOT_BEGUN:
        return
    with transaction.atomic():
        machine.move(change, State.STALE, actor=machine.SYSTEM, note=text, now=now)
        void_approvals(change, now, text)
