"""The list of changes and the page of one: where it stands, what was done, what can be done now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.paginator import Paginator
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.http import require_GET, require_POST

from access.queries import Access
from audit.queries import entries_about
from clusters.models import ServiceDeployment, ServiceEvent
from clusters.service_queries import current_tasks
from clusters.service_view import primary_of
from clusters.strip import strip_of
from deployments.actions import cancel_change, request_rollback_of
from deployments.approvals import authors_of
from deployments.change_view import ENDINGS_LEFT, steps_of, timeline_of
from deployments.estimates import pace_of
from deployments.filters import ChangeFilter
from deployments.gate import gate_of, why_not_approve
from deployments.models import Change, Kind
from deployments.models.changes import BESIDE
from deployments.overrides import override_of
from deployments.pauses import Pause, pause_in
from deployments.queries import Approvers, changes_with_places, get_change
from deployments.review import review_of
from deployments.risk import cues_of
from deployments.run_view import run_tasks_of
from deployments.states import State
from ecsconsole.http import ConsoleRequest, render_page, wants_fragment
from logs.views import render_panel

PAGE_SIZE = 50
EVENTS_SHOWN = 40
PAGE = "deployments/change.html"


@require_GET
def changes(request: ConsoleRequest) -> HttpResponse:
    """List the changes that match the filters, newest first."""
    visible = request.access.visible(changes_with_places())
    narrow = visible.defer("plan", "spec", "base", "service__facts", "service__row_html")
    found = ChangeFilter(request.GET, queryset=narrow.order_by("-pk"))
    page = Paginator(found.qs, PAGE_SIZE).get_page(request.GET.get("page"))
    is_filtered = any(value for name, value in request.GET.items() if name != "page")
    context = {"filter": found, "page": page, "is_filtered": is_filtered}
    return render_page(request, "deployments/changes.html", context, partial="changes")


@require_GET
def change(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Show one change."""
    found = get_change(request, pk)
    return render_page(request, PAGE, change_context(request, found), partial="change")


def change_context(request: ConsoleRequest, change: Change) -> dict[str, Any]:
    """Return everything that the page of a change shows."""
    service, access, now = change.service, request.access, timezone.now()
    transitions = list(change.transitions.all())
    attempts = list(change.attempts.all())
    approvals = list(change.approvals.select_related("approver"))
    review = review_of(change, Approvers(now), now)
    deployment = deployment_of(change)
    newest = list(service.service_deployments.order_by("-created_at")[:50]) if change.needs_approval else []
    return {
        "change": change,
        "service": service,
        "cluster": service.cluster,
        "plan": change.plan,
        "is_past": True,
        "steps": steps_of(change, transitions, approvals),
        "endings": ENDINGS_LEFT.get(change.state_choice, ""),
        "gate": gate_of(change, access, review, now, pause_of_change(change, deployment)),
        "strip": strip_of(service, current_tasks(service)) if change.dispatched_at else None,
        "rollout": change.progress.get("rollout") or {},
        "primary": own_deployment(change),
        "pace": pace_of(change, now),
        "deployment": deployment,
        "cues": cues_of(change, newest) if change.state == State.AWAITING_APPROVAL else [],
        "attempts": attempts,
        "run_tasks": run_tasks_of(change),
        "approvals": approvals,
        "review": review,
        "override": override_of(change),
        "may_review": may_review(access, change),
        "comments": change.comments.select_related("author"),
        "may_comment": may_comment(access, change),
        "may_send_back": not why_not_approve(change, access, review)
        and change.state == State.AWAITING_APPROVAL,
        "is_mine": change.requester_id == access.user.pk,
        "timeline": timeline_of(transitions, attempts, approvals, events_during(change), answers_to(change)),
        "entries": entries_about(f"CR-{change.pk}").defer("canonical").order_by("-seq")[:30],
        "can_audit": bool(access.can("audit.view")),
        # A task that was run once has its logs on its own page.
        "can_read_logs": change.kind not in BESIDE and bool(access.can("logs.view", service.access_resource)),
        "is_again": change.kind == Kind.DEPLOY and not change.is_active,
    }


def may_comment(access: Access, change: Change) -> bool:
    """Whether this person may say something on a change: its requester, and those who operate or approve there."""
    place = change.access_resource
    is_own = change.requester_id == access.user.pk
    return is_own or bool(access.can("change.cancel", place) or access.can("change.approve", place))


def may_review(access: Access, change: Change) -> bool:
    """Whether this person may close the review of a change that began: they have the right and did not take part."""
    is_part = access.user.pk in authors_of(change)
    return (
        change.dispatched_at is not None
        and not is_part
        and bool(access.can("freeze.override", change.access_resource))
    )


def own_deployment(change: Change) -> Mapping[str, Any]:
    """Return this change's entry of `deployments`, empty when PRIMARY is another one: its state says nothing here."""
    primary = primary_of(change.service.facts)
    return primary if primary.get("id") == change.progress.get("deployment_id", "") else {}


def deployment_of(change: Change) -> ServiceDeployment | None:
    """Return what ECS says of this change's rollout, as last read."""
    arn = change.progress.get("service_deployment_arn")
    return ServiceDeployment.objects.filter(arn=arn).first() if arn else None


def pause_of_change(change: Change, deployment: ServiceDeployment | None) -> Pause | None:
    """Return the pause at which a change's rollout waits for a person, None when it does not."""
    is_rollout = change.kind not in BESIDE and change.is_active
    return pause_in(deployment.facts) if is_rollout and deployment is not None else None


def answers_to(change: Change) -> list[Change]:
    """Return the changes by which people answered the pauses of this one's rollout."""
    arn = change.progress.get("service_deployment_arn")
    if not arn:
        return []
    answers = Change.objects.filter(service=change.service_id, kind=Kind.CONTINUE)
    return list(answers.filter(spec__service_deployment_arn=arn).select_related("requester"))


def events_during(change: Change) -> list[ServiceEvent]:
    """Return what ECS said about the service while the change ran."""
    if change.dispatched_at is None:
        return []
    events = change.service.events.filter(created_at__gte=change.dispatched_at)
    if change.finished_at:
        events = events.filter(created_at__lte=change.finished_at)
    return list(events[:EVENTS_SHOWN])


@require_GET
def change_logs(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Show the logs of the tasks that a change began; asked as a page, lead to the logs of its service."""
    found = get_change(request, pk)
    request.access.require("logs.view", found.access_resource)
    started_by = str(found.progress.get("deployment_id", ""))
    if wants_fragment(request):
        return render_panel(request, service=found.service, started_by=started_by, since=found.dispatched_at)
    address = reverse("service-logs", args=found.service.url_args)
    return HttpResponseRedirect(
        f"{address}?{urlencode({'started_by': started_by})}" if started_by else address
    )


@require_POST
def cancel(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Withdraw a change that has not begun, or set aside one that needs attention."""
    found = get_change(request, pk)
    if found.requester_id != request.user.pk:
        request.access.require("change.cancel", found.access_resource)
    cancel_change(
        change=found,
        actor=request.user,
        access=request.access,
        reason=request.POST.get("reason", "").strip(),
        request=request,
    )
    return HttpResponseRedirect(found.get_absolute_url(), status=303)


@require_POST
def roll_back(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Roll back a change while it runs."""
    found = get_change(request, pk)
    request.access.require("service.rollback", found.access_resource)
    request_rollback_of(
        change=found,
        actor=request.user,
        access=request.access,
        reason=request.POST.get("reason", "").strip(),
        request=request,
    )
    return HttpResponseRedirect(found.get_absolute_url(), status=303)
