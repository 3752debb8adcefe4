"""Going to the identity provider and coming back, to sign in or to confirm who sits there."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import structlog
from django.conf import settings
from django.contrib.auth import login, logout
from django.contrib.auth.models import User
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.cache import add_never_cache_headers
from django.views.decorators.http import require_GET, require_POST

from access.confirm import safe_target
from access.sessions import METHOD
from access.sso.claims import read_groups
from access.sso.people import account_of, admit, sync_bindings
from access.sso.provider import (
    LEEWAY_SECONDS,
    SignInRefused,
    address_there,
    fetch_claims,
    take_state,
)
from access.step_up import note_confirmed, note_proof
from audit.actions import record
from ecsconsole.http import render_page

logger = structlog.get_logger(__name__)
BACKEND = "django.contrib.auth.backends.ModelBackend"


@require_POST
def start(request: HttpRequest) -> HttpResponse:
    """Send the person to the identity provider.

    By a page, not by a redirect: browsers hold every hop after a form to `form-action` of the policy, and which
    hosts an identity provider passes through is for it to decide.
    """
    only_where_configured()
    is_confirming = request.POST.get("purpose") == "confirm" and request.user.is_authenticated
    try:
        address = address_there(
            request,
            target=safe_target(request, request.POST.get("next", "")),
            is_confirming=is_confirming,
            is_own_tab="own_tab" in request.POST,
        )
    except SignInRefused as refusal:
        return refuse(request, refusal)
    context = {"address": address, "name": settings.OIDC_NAME}
    response = render_page(request, "access/sso_leaving.html", context)
    add_never_cache_headers(response)
    return response


@require_GET
def callback(request: HttpRequest) -> HttpResponse:
    """Take the identity provider's answer."""
    only_where_configured()
    try:
        state = take_state(request)
        claims = fetch_claims(request, state)
        if state.get("confirms") is not None:
            return come_back_confirmed(request, state, claims)
        return come_in(request, state, claims)
    except SignInRefused as refusal:
        return refuse(request, refusal)


def only_where_configured() -> None:
    if not settings.OIDC_ISSUER:
        raise Http404


def come_in(request: HttpRequest, state: Mapping[str, Any], claims: Mapping[str, Any]) -> HttpResponse:
    """Sign the person in; person, bindings, session and ledger in one transaction."""
    if request.user.is_authenticated:
        logout(request)
    with transaction.atomic():
        person = admit(claims, request)
        request.session[METHOD] = "sso"
        login(request, person, backend=BACKEND)
        # Not now: a session that was still open there lets whoever sits at it in without a word.
        note_proof(request.session, signed_in_there_at(claims))
    return HttpResponseRedirect(safe_target(request, state.get("next", "")))


def come_back_confirmed(
    request: HttpRequest, state: Mapping[str, Any], claims: Mapping[str, Any]
) -> HttpResponse:
    """Note that the person who is signed in gave their proof there just now."""
    account = account_of(claims)
    if not request.user.is_authenticated or request.user.pk != state["confirms"]:
        raise SignInRefused("The session that asked for this is over.", advice="Sign in again.")
    if account is None or account.user_id != request.user.pk:
        raise SignInRefused("The identity provider confirmed somebody else than you.")
    check_auth_time(claims, float(state["left_at"]))
    with transaction.atomic():
        person = User.objects.get(pk=account.user_id)
        sync_bindings(person, read_groups(claims, settings.OIDC_GROUPS_CLAIM), request)
        note_confirmed(request, "sso")
    if state.get("is_own_tab"):
        return render_page(request, "access/sso_confirmed.html", {})
    return HttpResponseRedirect(safe_target(request, state.get("next", "")))


def auth_time_of(claims: Mapping[str, Any]) -> float | None:
    """Return when the person gave their proof there, None where that is not said or still to come."""
    moment = claims.get("auth_time")
    if not isinstance(moment, int | float) or isinstance(moment, bool):
        return None
    return moment if 0 < moment <= time.time() + LEEWAY_SECONDS else None


def signed_in_there_at(claims: Mapping[str, Any]) -> datetime | None:
    moment = auth_time_of(claims)
    return None if moment is None else datetime.fromtimestamp(moment, UTC)


def check_auth_time(claims: Mapping[str, Any], left_at: float) -> None:
    """Refuse an answer from an older sign-in there; `prompt=login` alone is a wish that the browser carries."""
    moment = claims.get("auth_time")
    if not isinstance(moment, int | float) or isinstance(moment, bool):
        raise SignInRefused(
            "The identity provider does not say when you signed in there.",
            advice="Whoever runs it lets it send auth_time when max_age is asked for.",
        )
    if not left_at - LEEWAY_SECONDS <= moment <= time.time() + LEEWAY_SECONDS:
        raise SignInRefused("The identity provider did not ask you again who you are.")


def refuse(request: HttpRequest, refusal: SignInRefused) -> HttpResponse:
    """Say why nobody was signed in, and put it into the ledger."""
    logger.warning("sso_refused", reason=refusal.sentence, cause=repr(refusal.__cause__))
    record(
        action="sign_in.failed",
        actor=request.user if request.user.is_authenticated else "anonymous",
        outcome="refused",
        reason=refusal.sentence,
        data={"method": "sso"},
        request=request,
    )
    return render_page(request, "access/sso_refused.html", {"refusal": refusal}, status=refusal.status)
