"""The approvals inbox, and the two answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from access.queries import Access
from access.step_up import require_recent_sign_in
from access.waiting import open_requests, requests_for
from clusters.models import ServiceDeployment, Task
from clusters.strip import Strip, strip_of
from deployments.actions import (
    approve_change,
    ask_for_change,
    close_review,
    comment_on_change,
    reject_change,
)
from deployments.calendar import default_zone, freezes_in_words, month_of
from deployments.errors import ConfirmationMissing, WrongState
from deployments.gate import why_not_approve
from deployments.history import HistoryRow, rows_of
from deployments.models import Change
from deployments.overrides import override_of
from deployments.pauses import Pause
from deployments.queries import (
    Approvers,
    changes_with_places,
    get_change,
    paused_deployments,
    rail_counts,
    waiting_for,
)
from deployments.review import Review, figures_of, open_reviews, review_of, sent_back_to
from deployments.risk import Cue, cues_of, look_elsewhere
from deployments.states import State
from deployments.summary import Line, lines_of
from ecsconsole.errors import ConsoleError
from ecsconsole.http import ConsoleRequest, render_page

SHOWN = 30
# An expiry this near is said in bold.
SOON = timedelta(hours=1)
DEPLOYMENTS_READ = 400
WAITING, MINE, DECIDED = "waiting", "mine", "decided"


@dataclass(frozen=True, slots=True)
class Item:
    """One card of the inbox."""

    change: Change
    cues: list[Cue]
    lines: list[Line]
    strip: Strip
    reason: str
    review: Review
    is_soon: bool


@dataclass(frozen=True, slots=True)
class Held:
    """One card of a deployment that a hook holds."""

    row: HistoryRow
    pause: Pause
    strip: Strip


@require_GET
def approvals(request: ConsoleRequest) -> HttpResponse:
    """Show what waits for this person, what they asked for, or what was decided."""
    show = request.GET.get("show", WAITING)
    show = show if show in (WAITING, MINE, DECIDED) else WAITING
    now = timezone.now()
    waiting = waiting_for(request.access).count()
    mine = mine_of(request).filter(state=State.AWAITING_APPROVAL).count()
    to_agree = requests_for(request.access, now)
    own_access = list(open_requests(now).filter(requester=request.user))
    held = held_for(request.access)
    found = list(chosen(request, show)[:SHOWN])
    context = {
        "show": show,
        "change_count": waiting,
        "access_count": len(to_agree),
        "waiting_count": waiting + len(to_agree) + len(held),
        "mine_count": mine + len(own_access),
        "access_requests": {WAITING: to_agree, MINE: own_access}.get(show, []),
        "items": [] if show == DECIDED else items_of(request, found, now),
        "decided": found if show == DECIDED else [],
        "next_deadline": min((c.deadline_at for c in found if c.deadline_at), default=None),
        "paused": held if show == WAITING else [],
        "paused_count": len(held),
        "can_approve": request.access.holds("change.approve") or request.access.holds("access.manage"),
        "reviews": list(open_reviews(request.access)[:SHOWN]) if show == WAITING else [],
        "sent_back": sent_back_to(request.access) if show != DECIDED else [],
        "figures": figures_of(request.user.pk, now) if request.access.holds("change.approve") else None,
        "now": now,
        **calendar_of(request, now),
    }
    return render_page(request, "deployments/approvals.html", context, partial="approvals")


def calendar_of(request: ConsoleRequest, now: datetime) -> dict[str, Any]:
    """Return this month and what holds changes up, for the side of the inbox; three queries."""
    today = now.astimezone(default_zone())
    return {
        "month": month_of(request.access, today.year, today.month, now),
        "freeze_lines": freezes_in_words(request.access, now),
    }


def mine_of(request: ConsoleRequest) -> QuerySet[Change]:
    """Return what this person asked for, and may still see, that needed or needs another person."""
    return request.access.visible(Change.objects.filter(requester=request.user, needs_approval=True))


def chosen(request: ConsoleRequest, show: str) -> QuerySet[Change]:
    """Return the changes of one view; the next to expire first while they wait."""
    places = changes_with_places().select_related("replaces", "override")
    places = places.prefetch_related("approvals__approver", "comments__author")
    if show == WAITING:
        return places.filter(pk__in=waiting_for(request.access)).order_by("deadline_at", "pk")
    if show == MINE:
        unread_endings = Q(state__in=[State.AWAITING_APPROVAL, State.STALE, State.EXPIRED])
        return places.filter(pk__in=mine_of(request)).filter(unread_endings).order_by("-pk")
    decided = places.filter(needs_approval=True).exclude(state=State.AWAITING_APPROVAL)
    return request.access.visible(decided).order_by("-pk")


def held_for(access: Access) -> list[Held]:
    """Return the cards of deployments that this person may let go on, in three queries."""
    found = paused_deployments(access)
    tasks = tasks_of({row.service_id for row, _ in found})
    rows = rows_of([row for row, _ in found])
    return [
        Held(row, pause, strip_of(row.deployment.service, tasks[row.deployment.service_id]))
        for row, (_, pause) in zip(rows, found, strict=True)
    ]


def tasks_of(services: set[int]) -> dict[int, list[Task]]:
    """Return the tasks that run or will, by service."""
    tasks: dict[int, list[Task]] = {pk: [] for pk in services}
    current = Task.objects.filter(service__in=services, gone_at=None).exclude(last_status="STOPPED")
    for task in current.defer("facts"):
        tasks[task.service_id or 0].append(task)
    return tasks


def items_of(request: ConsoleRequest, changes: list[Change], now: datetime) -> list[Item]:
    """Return the cards of changes, in seven queries however many there are."""
    approvers, elsewhere = Approvers(now), look_elsewhere(changes)
    services = {change.service_id for change in changes}
    deployments: dict[int, list[ServiceDeployment]] = {pk: [] for pk in services}
    newest = ServiceDeployment.objects.filter(service__in=services).defer("facts").order_by("-created_at")
    for found in newest[:DEPLOYMENTS_READ]:
        deployments[found.service_id].append(found)
    tasks = tasks_of(services)
    return [
        item_of(
            request,
            change,
            cues_of(change, deployments[change.service_id], elsewhere),
            tasks[change.service_id],
            approvers,
            now,
        )
        for change in changes
    ]


def item_of(
    request: ConsoleRequest,
    change: Change,
    cues: list[Cue],
    tasks: list[Task],
    approvers: Approvers,
    now: datetime,
) -> Item:
    review = review_of(change, approvers, now)
    soon = change.deadline_at is not None and change.deadline_at - now < SOON
    return Item(
        change=change,
        cues=cues,
        lines=lines_of(change),
        strip=strip_of(change.service, tasks),
        reason=why_not_approve(change, request.access, review),
        review=review,
        is_soon=soon,
    )


@require_POST
def approve(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Agree to a change that somebody else asked for."""
    found = get_change(request, pk)
    request.access.require("change.approve", found.access_resource)
    require_recent_sign_in(request, found.access_resource)
    with comment_kept(request):
        approve_change(**decision(request, found))
    state = (
        "approved and queued" if found.state == State.QUEUED else "approved by you; it needs others as well"
    )
    messages.info(request, f"CR-{found.pk} is {state}.")
    return HttpResponseRedirect(found.get_absolute_url(), status=303)


@require_POST
def reject(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Refuse a change; the comment tells its requester why."""
    found = get_change(request, pk)
    request.access.require("change.approve", found.access_resource)
    if not request.POST.get("comment", "").strip():
        messages.error(request, f"CR-{found.pk} is not rejected: say why, so that its requester knows.")
        return HttpResponseRedirect(found.get_absolute_url(), status=303)
    with comment_kept(request):
        reject_change(**decision(request, found))
    messages.info(request, f"CR-{found.pk} is rejected. Nothing was changed in AWS.")
    return HttpResponseRedirect(found.get_absolute_url(), status=303)


@require_POST
def comment(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Say something on a change, or ask for it to be changed before it can be approved."""
    found = get_change(request, pk)
    said = request.POST.get("comment", "")
    try:
        if request.POST.get("do") == "send-back":
            request.access.require("change.approve", found.access_resource)
            with comment_kept(request):
                ask_for_change(
                    change=found, approver=request.user, access=request.access, comment=said, request=request
                )
            messages.info(request, f"CR-{found.pk} is sent back to {found.requester.get_username()}.")
        else:
            comment_on_change(
                change=found, author=request.user, access=request.access, comment=said, request=request
            )
    except ConfirmationMissing as error:
        messages.error(request, error.errors["comment"])
    return HttpResponseRedirect(f"{found.get_absolute_url()}#talk", status=303)


@require_POST
def review(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Close the review of an override with a judgement."""
    found = get_change(request, pk)
    request.access.require("freeze.override", found.access_resource)
    override = override_of(found)
    if override is None:
        raise WrongState(f"CR-{found.pk} went past no rule, so there is nothing to review.")
    try:
        close_review(
            override=override,
            reviewer=request.user,
            access=request.access,
            was_justified=request.POST.get("justified") == "yes",
            review=request.POST.get("review", ""),
            request=request,
        )
        messages.info(request, f"The review of CR-{found.pk} is closed.")
    except ConfirmationMissing as error:
        messages.error(request, error.errors["review"])
    return HttpResponseRedirect(found.get_absolute_url(), status=303)


@contextmanager
def comment_kept(request: ConsoleRequest) -> Iterator[None]:
    """Show on the page of a refusal what was typed, where somebody was faster or something moved meanwhile."""
    try:
        yield
    except ConsoleError as error:
        if said := request.POST.get("comment", "").strip():
            error.details["Your comment"] = said
        raise


def decision(request: ConsoleRequest, change: Change) -> dict[str, Any]:
    return {
        "change": change,
        "approver": request.user,
        "access": request.access,
        "comment": request.POST.get("comment", "").strip(),
        "request": request,
    }


@require_GET
def counts(request: ConsoleRequest) -> HttpResponse:
    """Show the two counts of the rail as a fragment."""
    context = {"counts": rail_counts(request.access)}
    return render_page(request, "deployments/rail_counts.html", context, partial="rail-counts")
