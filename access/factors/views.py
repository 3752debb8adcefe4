"""A person's own page of how they sign in: factors, recovery codes, sessions."""

from __future__ import annotations

import json
from typing import Any

from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.forms import ActivateTOTPForm
from allauth.mfa.totp.internal.auth import clear_totp_secret
from allauth.mfa.webauthn.forms import AddWebAuthnForm
from allauth.mfa.webauthn.internal.auth import begin_registration
from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from access.factors.actions import add_app, add_key, new_codes, remove_factor
from access.factors.drawing import qr_path
from access.factors.queries import factors_of
from access.proofs import comes_by_sso
from access.sessions import end_sessions, living_sessions
from access.step_up import require_recent_sign_in
from ecsconsole.errors import ConsoleError
from ecsconsole.http import ConsoleRequest, render_page


class NoPassword(ConsoleError):
    """A second factor stands beside a password, and this person has none here."""

    title = "Your identity provider asks for the second factor"


@require_GET
def security(request: ConsoleRequest) -> HttpResponse:
    """Show how this person signs in, and where they are signed in."""
    context = {
        "has_password": request.user.has_usable_password(),
        "sso": settings.OIDC_NAME if comes_by_sso(request.user) else "",
        "factors": factors_of(request.user),
        "must_add": request.access.must_add_factor,
        "sessions": living_sessions(request.user, timezone.now()),
        "here": request.session.session_key,
    }
    return render_page(request, "access/security.html", context)


def ready_to_change(request: ConsoleRequest) -> None:
    """Raise unless this person has a password here and proved lately who they are."""
    if not request.user.has_usable_password():
        raise NoPassword("You sign in through the identity provider; nothing is kept here.")
    require_recent_sign_in(request)


@require_http_methods(["GET", "POST"])
def add_authenticator_app(request: ConsoleRequest) -> HttpResponse:
    """Show the seed as a QR code, and add the app when its first code is right."""
    ready_to_change(request)
    if factors_of(request.user).app:
        return back()
    form = ActivateTOTPForm(request.POST if request.method == "POST" else None, user=request.user)
    if not form.is_valid():
        address = get_adapter().build_totp_url(request.user, form.secret)
        context = {"secret": grouped(form.secret), "qr": qr_path(address), "is_wrong": form.is_bound}
        return shown_once(request, "access/add_app.html", context, 422 if form.is_bound else 200)
    codes = add_app(person=request.user, secret=form.secret, request=request)
    clear_totp_secret(request)
    return added(request, codes, "The authenticator app is added.")


@require_http_methods(["GET", "POST"])
def add_security_key(request: ConsoleRequest) -> HttpResponse:
    """Let the browser make a credential on a security key, and add it."""
    ready_to_change(request)
    form = AddWebAuthnForm(request.POST if request.method == "POST" else None, user=request.user)
    if not form.is_valid():
        options = json.dumps(dict(begin_registration(request.user, passwordless=False)))
        context = {
            "options": options,
            "name": form["name"].value() or form.initial["name"],
            "is_wrong": form.is_bound,
        }
        return shown_once(request, "access/add_key.html", context, 422 if form.is_bound else 200)
    name, credential = form.cleaned_data["name"][:80], form.cleaned_data["credential"]
    codes = add_key(person=request.user, name=name, credential=credential, request=request)
    return added(request, codes, f"{name} is added.")


@require_POST
def remove_own_factor(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Remove the app or a key."""
    factor = get_object_or_404(
        Authenticator.objects.exclude(type=Authenticator.Type.RECOVERY_CODES), pk=pk, user=request.user
    )
    require_recent_sign_in(request)
    remove_factor(factor=factor, person=request.user, request=request)
    messages.info(request, "Removed.")
    return back()


@require_POST
def make_recovery_codes(request: ConsoleRequest) -> HttpResponse:
    """Replace the recovery codes and show them once."""
    ready_to_change(request)
    if not factors_of(request.user):
        return back()
    return show_codes(request, new_codes(person=request.user, request=request))


@require_POST
def end_own_session(request: ConsoleRequest, pk: int) -> HttpResponse:
    """End one of this person's other sessions."""
    here = request.session.session_key
    end_sessions(person=request.user, actor=request.user, keep=here, only=pk, request=request)
    messages.info(request, "That session is over.")
    return back()


@require_POST
def end_other_sessions(request: ConsoleRequest) -> HttpResponse:
    """End all sessions of this person but this one."""
    here = request.session.session_key
    count = end_sessions(person=request.user, actor=request.user, keep=here, request=request)
    messages.info(request, f"Signed out of {count} other {'session' if count == 1 else 'sessions'}.")
    return back()


def back() -> HttpResponse:
    return HttpResponseRedirect(reverse("security"), status=303)


def added(request: ConsoleRequest, codes: list[str], sentence: str) -> HttpResponse:
    messages.info(request, sentence)
    return show_codes(request, codes) if codes else back()


def show_codes(request: ConsoleRequest, codes: list[str]) -> HttpResponse:
    shown = [f"{code[:4]} {code[4:]}" for code in codes]
    return shown_once(request, "access/recovery_codes.html", {"codes": shown})


def shown_once(
    request: ConsoleRequest, template: str, context: dict[str, Any], status: int = 200
) -> HttpResponse:
    """Render a page with a secret on it, which no cache may keep."""
    response = render_page(request, template, context, status=status)
    add_never_cache_headers(response)
    return response


def grouped(secret: str) -> str:
    """Return a seed in groups of four, for typing it into an app."""
    return " ".join(secret[start : start + 4] for start in range(0, len(secret), 4))
