"""The second step of signing in: the password was right, now a code or a security key."""

from __future__ import annotations

import time
from typing import Any

from django.contrib.auth import login
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.cache import add_never_cache_headers
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_http_methods

from access.confirm import safe_target
from access.factors.checking import FactorRefused, check_code, check_key, is_offered, key_options
from access.factors.queries import factors_of
from access.sessions import METHOD
from ecsconsole.http import render_page

PENDING = "second_step"
PENDING_SECONDS = 600
BACKEND = "django.contrib.auth.backends.ModelBackend"


def begin(request: HttpRequest, user: User, target: str) -> HttpResponse:
    """Keep the first step in the session and ask for the second."""
    # A session id that somebody planted must not carry the first step to them.
    request.session.cycle_key()
    request.session[PENDING] = {
        "user": user.pk,
        # A password that changes in between undoes the first step.
        "hash": user.get_session_auth_hash(),
        "at": time.time(),
        "next": target,
    }
    return HttpResponseRedirect(reverse("sign-in-code"))


def pending_person(request: HttpRequest) -> User | None:
    """Return who passed the first step in this session in the last ten minutes."""
    pending: dict[str, Any] = request.session.get(PENDING) or {}
    if not pending or time.time() - pending["at"] > PENDING_SECONDS:
        return None
    user = User.objects.filter(pk=pending["user"], is_active=True).first()
    if user is None or not constant_time_compare(user.get_session_auth_hash(), pending["hash"]):
        return None
    return user


@require_http_methods(["GET", "POST"])
def sign_in_code(request: HttpRequest) -> HttpResponse:
    """Ask for the second factor and sign in."""
    user = pending_person(request)
    if user is None or request.user.is_authenticated:
        request.session.pop(PENDING, None)
        return HttpResponseRedirect(reverse("sign-in"))
    if request.method == "GET":
        return show(request, user)
    try:
        way = check(user, request)
    except FactorRefused as refused:
        return show(request, user, refused.sentence)
    target = request.session.pop(PENDING)["next"]
    request.session[METHOD] = way if way == "recovery code" else f"password+{way}"
    login(request, user, backend=BACKEND)
    return HttpResponseRedirect(safe_target(request, target))


def check(user: User, request: HttpRequest) -> str:
    if request.POST.get("credential"):
        return check_key(user, request.POST["credential"], request)
    return check_code(user, request.POST.get("code", ""), request)


def show(request: HttpRequest, user: User, refusal: str = "") -> HttpResponse:
    factors = factors_of(user)
    context = {
        "refusal": refusal,
        "options": key_options(user) if factors.keys else "",
        **is_offered(factors),
    }
    response = render_page(request, "access/sign_in_code.html", context, status=422 if refusal else 200)
    add_never_cache_headers(response)
    return response
