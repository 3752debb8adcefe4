"""The pages of bindings: who has which role where; giving, changing and taking it; and what waits for a second person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from access.actions import (
    Outcome,
    add_binding,
    approve_request,
    change_binding,
    refuse_request,
    remove_binding,
)
from access.binding_forms import BindingFilter, BindingForm, NewBindingForm, initial_of, seen_of
from access.decisions import ACTION_PHRASES, ROLE_LABELS, ROLES
from access.models import BindingRequest, RoleBinding
from access.records import id_of, subject_of
from access.rules import LastAdmin, SecondPersonMissing
from access.step_up import require_recent_sign_in
from access.waiting import open_requests
from access.wishes import AccessMoved, subject_from
from ecsconsole.errors import ConsoleError
from ecsconsole.http import ConsoleRequest, render_page

PAGE_SIZE = 100
# What the rules say to a form, which keeps what was typed.
REFUSALS = (AccessMoved, LastAdmin, SecondPersonMissing)
BY_PLACE = ("environment", "account_id", "region", "cluster", "service", "pk")
BY_SUBJECT = ("user__username", "group__name", "token__name", "pk")


@dataclass(frozen=True, slots=True)
class Row:
    """A binding as its row shows it."""

    binding: RoleBinding
    now: datetime

    @property
    def subject(self) -> Any:
        return subject_of(self.binding)

    @property
    def kind(self) -> str:
        return {"u": "user", "g": "approvals", "t": "bolt"}[id_of(self.subject)[0]]

    @property
    def is_over(self) -> bool:
        return self.binding.not_after is not None and self.binding.not_after <= self.now


def require_manager(request: ConsoleRequest) -> None:
    """Let in whoever manages access somewhere; what they may do where is for each action to say."""
    if not request.access.holds("access.manage"):
        request.access.require("access.manage")


def with_subjects() -> QuerySet[RoleBinding]:
    return RoleBinding.objects.select_related("user", "group", "token__user")


@require_GET
def bindings(request: ConsoleRequest) -> HttpResponse:
    """List the bindings that match the filters, by whom they bind or by place."""
    require_manager(request)
    now = timezone.now()
    order = BY_PLACE if request.GET.get("by") == "place" else BY_SUBJECT
    found = BindingFilter(request.GET, queryset=with_subjects().order_by(*order))
    page = Paginator(found.qs, PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "filter": found,
        "page": page,
        "rows": [Row(binding, now) for binding in page],
        "is_by_place": order is BY_PLACE,
        "is_filtered": any(value for name, value in request.GET.items() if name not in {"page", "by"}),
        "waiting": open_requests(now),
    }
    return render_page(request, "access/bindings.html", context, partial="bindings")


@require_http_methods(["GET", "POST"])
def add(request: ConsoleRequest) -> HttpResponse:
    """Give or deny somebody a role."""
    require_manager(request)
    if request.method == "GET":
        chosen = {name: request.GET[name] for name in request.GET if name in NewBindingForm.base_fields}
        return show(request, NewBindingForm(initial=chosen))
    require_recent_sign_in(request)
    form = NewBindingForm(request.POST)
    if not form.is_valid():
        return show(request, form, status=422)
    try:
        outcome = add_binding(
            subject=subject_from(form.cleaned_data["subject"]),
            values=form.values,
            actor=request.user,
            reason=form.cleaned_data["reason"],
            request=request,
        )
    except REFUSALS as refusal:
        return show(request, form, refusal=refusal)
    return lead_back(request, outcome, "Granted." if form.values["effect"] == "allow" else "Denied.")


@require_http_methods(["GET", "POST"])
def binding(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Show a binding and change it."""
    require_manager(request)
    found = get_object_or_404(with_subjects(), pk=pk)
    if request.method == "GET":
        return show(request, BindingForm(initial=initial_of(found)), binding=found)
    require_recent_sign_in(request)
    form = BindingForm(request.POST)
    if not form.is_valid():
        return show(request, form, binding=found, status=422)
    try:
        require_as_seen(form, found)
        outcome = change_binding(
            binding=found,
            values=form.values,
            actor=request.user,
            reason=form.cleaned_data["reason"],
            request=request,
        )
    except REFUSALS as refusal:
        return show(request, form, binding=found, refusal=refusal)
    return lead_back(request, outcome, "Changed.")


def require_as_seen(form: BindingForm, binding: RoleBinding) -> None:
    """Raise `AccessMoved` unless the binding is as the form showed it: the other edit would be undone unseen."""
    if form.cleaned_data["seen"] != seen_of(binding):
        raise AccessMoved("The binding was changed after this form was opened.")


@require_POST
def remove(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Take a binding away."""
    require_manager(request)
    found = get_object_or_404(with_subjects(), pk=pk)
    require_recent_sign_in(request)
    reason = request.POST.get("reason", "")
    outcome = remove_binding(binding=found, actor=request.user, reason=reason, request=request)
    return lead_back(request, outcome, f"Removed: {found}.")


@require_POST
def approve(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Agree to a change of access as the second person."""
    require_manager(request)
    asked = get_object_or_404(BindingRequest.objects.select_related("requester"), pk=pk)
    require_recent_sign_in(request)
    approve_request(asked=asked, actor=request.user, request=request)
    messages.info(request, f"{asked} is applied: {asked.get_kind_display().lower()} {asked.title}.")
    return HttpResponseRedirect(where_asked(request), status=303)


@require_POST
def refuse(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Refuse a change of access, or withdraw one's own."""
    require_manager(request)
    asked = get_object_or_404(BindingRequest.objects.select_related("requester"), pk=pk)
    require_recent_sign_in(request)
    refuse_request(asked=asked, actor=request.user, reason=request.POST.get("reason", ""), request=request)
    messages.info(request, f"{asked} is closed; nothing was changed.")
    return HttpResponseRedirect(where_asked(request), status=303)


def where_asked(request: ConsoleRequest) -> str:
    """Return the page on which a request was decided: the inbox, or the list of bindings."""
    return reverse("approvals" if request.POST.get("from") == "inbox" else "bindings")


def lead_back(request: ConsoleRequest, outcome: Outcome, done: str, where: str = "") -> HttpResponse:
    """Say what became of it, on the list."""
    asked = outcome.waits
    if asked is None:
        messages.info(request, done)
    else:
        messages.warning(
            request,
            f"{asked} waits for a second person until {asked.expires_at:%d %b %H:%M} UTC. {asked.why}",
        )
    return HttpResponseRedirect(where or reverse("bindings"), status=303)


def show(
    request: ConsoleRequest,
    form: BindingForm,
    *,
    binding: RoleBinding | None = None,
    status: int = 200,
    refusal: ConsoleError | None = None,
) -> HttpResponse:
    """Show the form, with what was typed and what the rules say to it."""
    phrases = [
        (label, ", ".join(sorted(ACTION_PHRASES[action] for action in ROLES[role])))
        for role, label in ROLE_LABELS.items()
    ]
    context: dict[str, Any] = {"form": form, "binding": binding, "phrases": phrases, "refusal": refusal}
    status = refusal.status if refusal else status
    if binding is not None:
        context["is_local"] = binding.source == RoleBinding.Source.LOCAL
    return render_page(request, "access/binding.html", context, status=status)
