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
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from access.actions import Outcome, change_access, lock_access, refusals_recorded
from access.decisions import ACTION_PHRASES, ROLES
from access.models import GroupMapping
from access.queries import access_for
from access.records import binding_from
from access.rules import SecondPersonMissing, admins_left, require_admin_left, require_rights
from access.sso.people import PARTS, drop_bindings
from access.step_up import require_recent_sign_in
from access.wishes import AccessMoved, Gain, wish_to_map
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
    mapping = form.save(commit=False)
    try:
        outcome = add_mapping(mapping=mapping, actor=request.user, request=request)
    except (AccessMoved, SecondPersonMissing) as refusal:
        form.add_error(None, f"{refusal.sentence} {refusal.advice}")
        return show(request, form, status=refusal.status)
    done = f"{mapping.idp_group} gives {mapping.get_role_display()} from the next sign-in on."
    messages.info(request, f"{outcome.waits} waits for a second person." if outcome.waits else done)
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


def add_mapping(*, mapping: GroupMapping, actor: User, request: HttpRequest | None = None) -> Outcome:
    """Add a mapping, by the rules of every grant; people have what it gives from their next sign-in on."""
    return change_access(wish_to_map(mapping), actor=actor, request=request)


def remove_mapping(*, mapping: GroupMapping, actor: User, request: HttpRequest | None = None) -> int:
    """Remove a mapping and at once every binding that came of it; return how many."""
    now = timezone.now()
    with refusals_recorded(actor, str(mapping), request), transaction.atomic():
        lock_access()
        gone = Gain(binding_from(dict(mapping.facts)), None, frozenset())
        require_rights(access_for(actor), [gone], now)
        left = admins_left(now)
        held = list(mapping.bindings.select_related("user", "group"))
        reason = f"The mapping of {mapping.idp_group} was removed."
        drop_bindings(held, actor=actor, reason=reason, request=request)
        record(
            action="group_mapping.removed",
            actor=actor,
            resource=mapping.access_resource,
            target=str(mapping),
            data={"group": mapping.idp_group, **mapping.facts, "bindings": len(held)},
            request=request,
        )
        mapping.delete()
        require_admin_left(left, now)
    return len(held)
