"""How somebody else signs in, for admins: ending their sessions, resetting factors that they lost."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from access.factors.actions import reset_factors
from access.factors.queries import factors_of
from access.proofs import comes_by_sso
from access.sessions import end_sessions, living_sessions
from access.step_up import require_recent_sign_in
from ecsconsole.http import ConsoleRequest, render_page


@require_GET
def person_sign_in(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Show how a person signs in and where they are signed in."""
    request.access.require("access.manage")
    person = get_object_or_404(User, pk=pk)
    context = {
        "person": person,
        "sso": settings.OIDC_NAME if comes_by_sso(person) else "",
        "factors": factors_of(person),
        "sessions": living_sessions(person, timezone.now()),
    }
    return render_page(request, "access/person_sign_in.html", context)


@require_POST
def end_sessions_of(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Sign a person out everywhere."""
    person = authorise(request, pk)
    reason = request.POST.get("reason", "").strip()
    count = end_sessions(person=person, actor=request.user, reason=reason, request=request)
    messages.info(request, f"{person} is signed out of {count} {'session' if count == 1 else 'sessions'}.")
    return HttpResponseRedirect(reverse("person-sign-in", args=[pk]), status=303)


@require_POST
def reset_factors_of(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Take the factors of a person who lost them; they sign in by password and add new ones."""
    person = authorise(request, pk)
    reason = request.POST.get("reason", "").strip()
    reset_factors(person=person, actor=request.user, reason=reason, request=request)
    messages.info(request, f"{person} has no second factor any more and is signed out everywhere.")
    return HttpResponseRedirect(reverse("person-sign-in", args=[pk]), status=303)


def authorise(request: ConsoleRequest, pk: int) -> User:
    request.access.require("access.manage")
    person = get_object_or_404(User, pk=pk)
    require_recent_sign_in(request)
    return person
