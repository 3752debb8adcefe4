"""The page that asks a person to confirm who they are, alone or around a form that waits for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import resolve_url
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.views.decorators.http import require_http_methods

from access.factors.checking import key_options
from access.proofs import FIELDS, ProofRefused, ways_of
from access.step_up import SignInTooOld, confirm, proved_at
from ecsconsole.ages import duration_words
from ecsconsole.http import render_page, wants_fragment

PAGE = "access/confirm.html"
# Not carried on: the page has its own token, and a wrong proof is not kept.
NOT_CARRIED = {"csrfmiddlewaretoken", *FIELDS}


@require_http_methods(["GET", "POST"])
def confirm_sign_in(request: HttpRequest) -> HttpResponse:
    """Ask for a proof and lead back to where the person was going."""
    target = safe_target(request, request.POST.get("next") or request.GET.get("next", ""))
    if request.method == "GET":
        return show(request, target=target)
    try:
        confirm(request)
    except ProofRefused as refusal:
        return show(request, target=target, refusal=refusal.sentence)
    return HttpResponseRedirect(target, status=303)


def safe_target(request: HttpRequest, target: str) -> str:
    """Return an address of this console: the given one, or the fleet."""
    is_ours = url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return target if is_ours else resolve_url(settings.LOGIN_REDIRECT_URL)


def ask_again(request: HttpRequest, error: SignInTooOld) -> HttpResponse:
    """Answer a request whose sign-in is too old for what it does."""
    if wants_fragment(request):
        page = urlsplit(request.headers.get("HX-Current-URL", ""))
        response = HttpResponse(status=403)
        response["HX-Redirect"] = confirm_address(page.path + (f"?{page.query}" if page.query else ""))
        return response
    if request.method == "GET":
        return HttpResponseRedirect(confirm_address(request.get_full_path()))
    return show(request, fields=list(carried(request)), refusal=error.refusal, status=403)


def confirm_address(target: str) -> str:
    return f"{reverse('confirm-sign-in')}?{urlencode({'next': target})}"


def carried(request: HttpRequest) -> Iterator[tuple[str, str]]:
    """Yield every field of the form that waits, in its order."""
    for name, values in request.POST.lists():
        if name not in NOT_CARRIED:
            for value in values:
                yield name, str(value)


def show(
    request: HttpRequest,
    *,
    target: str = "",
    fields: list[tuple[str, str]] | None = None,
    refusal: str = "",
    status: int = 0,
) -> HttpResponse:
    """Render the page: with `fields` around the form that waits, else leading to `target`."""
    user: Any = request.user
    ways = ways_of(user)
    moment = proved_at(request.session)
    age = duration_words((timezone.now() - moment).total_seconds()) if moment else ""
    context = {
        "action": reverse("confirm-sign-in") if fields is None else request.get_full_path(),
        "target": target,
        "fields": fields or [],
        "is_waiting": fields is not None,
        "refusal": refusal,
        "age": age,
        "limit": duration_words(settings.STEP_UP.total_seconds()),
        "ways": ways,
        "options": key_options(user) if ways.key else "",
    }
    response = render_page(request, PAGE, context, status=status or (422 if refusal else 200))
    # It may hold what was typed into another form.
    add_never_cache_headers(response)
    return response
