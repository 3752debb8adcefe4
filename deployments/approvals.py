"""Whose voices count on a change, now: nothing that was true when it was given is taken for granted."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.contrib.auth.models import Group, User

from access.decisions import ROLES, Binding, covers, in_force
from access.queries import Access, access_for
from access.resources import Resource
from deployments.models import Approval, Change
from deployments.policies import Requirement, Voice

PERMISSION = "change.approve"
# A chain of requests that replace each other is rarely longer; beyond it something is wrong.
MOST_EDITS = 50


def authors_of(change: Change) -> set[int]:
    """Return everybody who had a hand in a request: its requester, and those of the requests that it replaces."""
    authors, current = {change.requester_id}, change.replaces
    for _ in range(MOST_EDITS):
        if current is None:
            break
        authors.add(current.requester_id)
        current = current.replaces
    return authors


def roles_at(bindings: Iterable[Binding], resource: Resource, now: datetime) -> frozenset[str]:
    """Return the roles that bindings give at a place; a denied role is not held."""
    current = [b for b in bindings if in_force(b, now) and covers(b, resource) and b.role in ROLES]
    denied = {b.role for b in current if not b.allows}
    return frozenset(b.role for b in current if b.allows) - denied


def voice_of(person: User, resource: Resource, now: datetime, access: Access | None = None) -> Voice | None:
    """Return the voice of a person at a place, None if they may not approve there."""
    access = access or access_for(person)
    if not access.can(PERMISSION, resource):
        return None
    groups = frozenset(Group.objects.filter(user=person).values_list("name", flat=True))
    roles = roles_at(access.bindings, resource, now)
    return Voice(person.pk, person.get_username(), roles, groups)


def standing_approvals(change: Change, now: datetime) -> list[Approval]:
    """Return the approvals bound to what the change is now, unused, in time, and by others than its authors."""
    bound = (change.spec_sha256, change.base_fingerprint, change.policy_sha256)
    authors = authors_of(change)
    return [
        item
        for item in change.approvals.all()
        if item.decision == Approval.Decision.APPROVE
        and (item.spec_sha256, item.base_fingerprint, item.policy_sha256) == bound
        and item.consumed_at is None
        and item.voided_at is None
        and item.expires_at > now
        and item.approver_id not in authors
    ]


def voices_for(change: Change, now: datetime) -> list[Voice]:
    """Return the voices that count now: of standing approvals whose givers still may approve."""
    place = change.access_resource
    voices = (voice_of(item.approver, place, now) for item in standing_approvals(change, now))
    return [voice for voice in voices if voice is not None]


def still_missing(change: Change, now: datetime) -> list[str]:
    """Return what the change lacks to be allowed to begin, in words."""
    return Requirement.from_json(change.requirement).missing(voices_for(change, now))


def opens_at(change: Change, requirement: Requirement | None = None) -> datetime:
    """Return from when on a change may begin: its own hour, or the end of the wait that is asked for."""
    wanted = requirement or Requirement.from_json(change.requirement)
    waited = change.created_at + wanted.wait
    return max(waited, change.scheduled_at or waited)


def shortage(requirement: Requirement, people: Iterable[Voice], authors: Iterable[int]) -> list[str]:
    """Return what could not be met even if everybody who may approve agreed; a gate nobody can pass is said early."""
    excluded = set(authors)
    return requirement.missing([voice for voice in people if voice.user_id not in excluded])


def write_decision(
    change: Change, approver: User, decision: Approval.Decision, comment: str, now: datetime
) -> Approval:
    """Write a decision, bound to exactly this spec on this base under these policies, for a limited time.

    Its time counts from the moment at which the change may begin: whoever agrees on Friday to what begins on Monday
    means Monday, and everything is looked at again then.
    """
    holds = Requirement.from_json(change.requirement).expiry
    return Approval.objects.create(
        change=change,
        spec_sha256=change.spec_sha256,
        base_fingerprint=change.base_fingerprint,
        policy_sha256=change.policy_sha256,
        approver=approver,
        decision=decision,
        comment=comment,
        created_at=now,
        expires_at=max(now, opens_at(change)) + holds,
    )


def void_approvals(change: Change, now: datetime, why: str = "") -> int:
    """Void the approvals that were not used; they stay to be seen, with what moved."""
    unused = change.approvals.filter(consumed_at=None, voided_at=None)
    return unused.update(voided_at=now, void_reason=why)
