"""Which group at the identity provider gives which role where: the page, and what it does."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from access.decisions import ACTION_PHRASES, ROLES
from access.models import GroupMapping
from access.resources import Resource
from access.sso.people import PARTS, drop_bindings
from access.step_up import require_recent_sign_in
from audit.actions import record
from ecsconsole.http import ConsoleRequest, render_page

PAGE = "access/groups.html"


class GroupMappingForm(ModelForm):  # type: ignore[type-arg]
    """One group, one role, one place."""

    class Meta:
        model = GroupMapping
        fields = ["idp_group", *PARTS]
        help_texts = {
            "region": "empty: any",
            "cluster": "name or glob; empty: any",
            "service": "name or glob; empty: any",
        }


@require_http_methods(["GET", "POST"])
def group_mappings(request: ConsoleRequest) -> HttpResponse:
    """List the mappings and add one."""
    request.access.require("access.manage")
    if request.method == "GET":
        return show(request, GroupMappingForm())
    require_recent_sign_in(request)
    form = GroupMappingForm(request.POST)
    if not form.is_valid():
        return show(request, form, status=422)
    mapping = add_mapping(mapping=form.save(commit=False), actor=request.user, request=request)
    messages.info(
        request, f"{mapping.idp_group} gives {mapping.get_role_display()} from the next sign-in on."
    )
    return HttpResponseRedirect(reverse("group-mappings"), status=303)


@require_POST
def remove_group_mapping(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Remove a mapping, and what people had of it."""
    request.access.require("access.manage")
    mapping = get_object_or_404(GroupMapping, pk=pk)
    require_recent_sign_in(request)
    ended = remove_mapping(mapping=mapping, actor=request.user, request=request)
    messages.info(
        request, f"Removed. {ended} {'binding' if ended == 1 else 'bindings'} of people went with it."
    )
    return HttpResponseRedirect(reverse("group-mappings"), status=303)


def show(request: ConsoleRequest, form: GroupMappingForm, status: int = 200) -> HttpResponse:
    mappings = list(GroupMapping.objects.annotate(people=Count("bindings__user", distinct=True)))
    context = {
        "form": form,
        "rows": [
            {"mapping": m, "phrases": sorted(ACTION_PHRASES[a] for a in ROLES[m.role])} for m in mappings
        ],
    }
    return render_page(request, PAGE, context, status=status)


def facts_of(mapping: GroupMapping) -> dict[str, str]:
    return {"group": mapping.idp_group, **{name: getattr(mapping, name) for name in PARTS}}


def place_of(mapping: GroupMapping) -> Resource:
    return Resource(**{name: getattr(mapping, name) for name in PARTS if name != "role"})


def add_mapping(*, mapping: GroupMapping, actor: User, request: HttpRequest | None = None) -> GroupMapping:
    """Add a mapping; people have what it gives from their next sign-in on."""
    with transaction.atomic():
        mapping.save()
        record(
            action="group_mapping.added",
            actor=actor,
            resource=place_of(mapping),
            target=str(mapping),
            data=facts_of(mapping),
            request=request,
        )
    return mapping


def remove_mapping(*, mapping: GroupMapping, actor: User, request: HttpRequest | None = None) -> int:
    """Remove a mapping and at once every binding that came of it; return how many."""
    with transaction.atomic():
        held = list(mapping.bindings.select_related("user", "group"))
        reason = f"The mapping of {mapping.idp_group} was removed."
        drop_bindings(held, actor=actor, reason=reason, request=request)
        record(
            action="group_mapping.removed",
            actor=actor,
            resource=place_of(mapping),
            target=str(mapping),
            data={**facts_of(mapping), "bindings": len(held)},
            request=request,
        )
        mapping.delete()
    return len(held)
