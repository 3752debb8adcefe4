"""The pages of people: who they are here, what they hold, their groups, and shutting them out."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.models import Group, User
from django.core.paginator import Paginator
from django.db.models import Count, Prefetch, Q, QuerySet
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from access.actions import add_group, disable_person, enable_person, join_group, leave_group, remove_group
from access.binding_pages import Row, lead_back, require_manager, with_subjects
from access.decisions import ROLE_LABELS
from access.models import RoleBinding
from access.proofs import comes_by_sso
from access.sessions import living_sessions
from access.step_up import require_recent_sign_in
from ecsconsole.http import ConsoleRequest, render_page
from ecsconsole.numbers import is_number

PAGE_SIZE = 100


class GroupForm(forms.ModelForm):  # type: ignore[type-arg]
    """The name of a group."""

    class Meta:
        model = Group
        fields = ["name"]


@require_GET
def people(request: ConsoleRequest) -> HttpResponse:
    """List people with their roles, and the groups."""
    require_manager(request)
    page = Paginator(found_people(request), PAGE_SIZE).get_page(request.GET.get("page"))
    now = timezone.now()
    context = {
        "page": page,
        "rows": [{"person": person, "roles": roles_of(person, now)} for person in page],
        "groups": Group.objects.annotate(
            people=Count("user", distinct=True), bindings=Count("role_bindings", distinct=True)
        ).order_by("name"),
        "group_form": GroupForm(),
        "may_add": request.access.can("access.manage"),
    }
    return render_page(request, "access/people.html", context, partial="people")


def found_people(request: ConsoleRequest) -> QuerySet[User]:
    """Return the people whom the filters in the address mean, with what they hold."""
    text, active = request.GET.get("q", "").strip(), request.GET.get("active", "")
    rows = User.objects.order_by("username")
    if text:
        rows = rows.filter(
            Q(username__icontains=text)
            | Q(first_name__icontains=text)
            | Q(last_name__icontains=text)
            | Q(email__icontains=text)
            | Q(groups__name__icontains=text)
        ).distinct()
    if active in {"yes", "no"}:
        rows = rows.filter(is_active=active == "yes")
    held = RoleBinding.objects.all()
    return rows.prefetch_related(
        Prefetch("role_bindings", queryset=held), Prefetch("groups__role_bindings", queryset=held)
    )


def roles_of(person: User, now: datetime) -> list[str]:
    """Return the labels of the roles in force that somebody holds anywhere, from prefetched rows."""
    rows = [
        *person.role_bindings.all(),
        *(b for group in person.groups.all() for b in group.role_bindings.all()),
    ]
    allowed = [b for b in rows if b.effect == "allow" and (b.not_after is None or b.not_after > now)]
    held = {b.role for b in allowed} | ({"admin"} if person.is_superuser else set())
    return [label for role, label in ROLE_LABELS.items() if role in held]


@require_GET
def person(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Show somebody: what they hold and by which binding, their groups, and whether they may sign in."""
    require_manager(request)
    found, now = get_object_or_404(User, pk=pk), timezone.now()
    held = with_subjects().filter(Q(user=found) | Q(group__user=found)).distinct().order_by("pk")
    mine = Group.objects.filter(user=found).order_by("name")
    context: dict[str, Any] = {
        "person": found,
        "rows": [Row(binding, now) for binding in held],
        "groups": mine,
        "other_groups": Group.objects.exclude(pk__in=mine).order_by("name"),
        "tokens": found.api_tokens.filter(revoked_at=None, expires_at__gt=now),
        "sessions": len(living_sessions(found, now)),
        "is_sso": comes_by_sso(found),
    }
    return render_page(request, "access/person.html", context)


def authorise(request: ConsoleRequest, pk: int) -> User:
    require_manager(request)
    found = get_object_or_404(User, pk=pk)
    require_recent_sign_in(request)
    return found


@require_POST
def disable(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Shut somebody out."""
    found = authorise(request, pk)
    disable_person(
        person=found, actor=request.user, reason=request.POST.get("reason", "").strip(), request=request
    )
    messages.info(request, f"{found} is disabled and signed out everywhere; their tokens open nothing.")
    return HttpResponseRedirect(reverse("person", args=[pk]), status=303)


@require_POST
def enable(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Let somebody in again."""
    found = authorise(request, pk)
    outcome = enable_person(
        person=found, actor=request.user, reason=request.POST.get("reason", "").strip(), request=request
    )
    return lead_back(request, outcome, f"{found} may sign in again.", reverse("person", args=[pk]))


@require_POST
def join(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Add somebody to a group."""
    found = authorise(request, pk)
    group = chosen_group(request)
    outcome = join_group(person=found, group=group, actor=request.user, request=request)
    return lead_back(request, outcome, f"{found} is in {group}.", reverse("person", args=[pk]))


@require_POST
def leave(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Take somebody out of a group."""
    found = authorise(request, pk)
    group = chosen_group(request)
    outcome = leave_group(person=found, group=group, actor=request.user, request=request)
    return lead_back(request, outcome, f"{found} is no longer in {group}.", reverse("person", args=[pk]))


def chosen_group(request: ConsoleRequest) -> Group:
    number = request.POST.get("group", "")
    return get_object_or_404(Group, pk=number if is_number(number) else 0)


@require_POST
def add_one_group(request: ConsoleRequest) -> HttpResponse:
    """Make a group."""
    request.access.require("access.manage")
    require_recent_sign_in(request)
    form = GroupForm(request.POST)
    if form.is_valid():
        group = add_group(name=form.cleaned_data["name"], actor=request.user, request=request)
        messages.info(request, f"{group} is there; it gives nothing until a binding names it.")
    else:
        messages.error(request, " ".join(str(text) for texts in form.errors.values() for text in texts))
    return HttpResponseRedirect(reverse("people"), status=303)


@require_POST
def remove_one_group(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Remove a group that no binding names."""
    request.access.require("access.manage")
    group = get_object_or_404(Group, pk=pk)
    require_recent_sign_in(request)
    remove_group(group=group, actor=request.user, request=request)
    messages.info(request, "The group is removed.")
    return HttpResponseRedirect(reverse("people"), status=303)
