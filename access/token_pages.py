"""The pages of API tokens: a person's own, and for admins everybody's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django import forms
from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from access.models import ApiToken
from access.resources import ENVIRONMENTS
from access.step_up import require_recent_sign_in
from access.tokens import (
    DEFAULT_DAYS,
    LONGEST_NAME,
    MOST_DAYS,
    TokenInvalid,
    TokenPlace,
    create_token,
    place_words,
    revoke_token,
)
from ecsconsole.http import ConsoleRequest, render_page

OWN_PAGE, ALL_PAGE = "access/tokens.html", "access/all_tokens.html"
ENDED_SHOWN = 50
WRONG_DAYS = f"A token lives 1 to {MOST_DAYS} days."
SCOPES = [
    (ApiToken.Scope.READ, "Read: see services and logs"),
    (ApiToken.Scope.OPERATE, "Operate: also deploy, restart, scale, roll back"),
]


class TokenForm(forms.Form):
    """What a token is for, what it may do, where, and how long."""

    name = forms.CharField(
        max_length=LONGEST_NAME,
        help_text="such as github-checkout",
        error_messages={"required": "Name it after what will use it."},
    )
    scope = forms.ChoiceField(choices=SCOPES)
    days = forms.IntegerField(
        label="Days it lives",
        error_messages=dict.fromkeys(("required", "invalid", "min_value", "max_value"), WRONG_DAYS),
        min_value=1,
        max_value=MOST_DAYS,
        initial=DEFAULT_DAYS,
        help_text=f"at most {MOST_DAYS}",
    )
    environment = forms.ChoiceField(
        required=False,
        choices=[("", "wherever you may"), *((name, name) for name in ENVIRONMENTS)],
        label="Only in",
    )
    cluster = forms.CharField(
        required=False, max_length=255, label="Only in clusters", help_text="Name or glob; empty: any"
    )
    service = forms.CharField(
        required=False, max_length=255, label="Only for services", help_text="Name or glob; empty: any"
    )


@dataclass(frozen=True, slots=True)
class Row:
    """A token as its row shows it."""

    token: ApiToken
    now: datetime

    @property
    def state(self) -> str:
        if self.token.revoked_at is not None:
            return "Revoked"
        if self.token.expires_at <= self.now:
            return "Expired"
        return "Owner disabled" if not self.token.user.is_active else "Active"

    @property
    def status(self) -> str:
        """Return the status whose shape and colour stand for the state."""
        return {"Active": "steady", "Owner disabled": "failed"}.get(self.state, "zero")

    @property
    def is_live(self) -> bool:
        return self.token.revoked_at is None and self.token.expires_at > self.now

    @property
    def place(self) -> str:
        """Return where it may act at most."""
        bindings = self.token.role_bindings.all()
        places = [TokenPlace(b.environment, b.cluster, b.service) for b in bindings]
        return ", ".join(place_words(place) for place in places) or place_words(TokenPlace())


@require_http_methods(["GET", "POST"])
def own_tokens(request: ConsoleRequest) -> HttpResponse:
    """List a person's tokens, and make one; its text is in this one answer and nowhere else."""
    if request.method == "GET":
        return show_own(request, TokenForm())
    require_recent_sign_in(request)
    form = TokenForm(request.POST)
    if not form.is_valid():
        return show_own(request, form, status=422)
    wish = form.cleaned_data
    place = TokenPlace(wish["environment"], wish["cluster"], wish["service"])
    try:
        _, text = create_token(
            owner=request.user,
            name=wish["name"],
            scope=wish["scope"],
            days=wish["days"],
            place=place,
            actor=request.user,
            request=request,
        )
    except TokenInvalid as error:
        for field, sentence in error.errors.items():
            form.add_error(field if field in form.fields else None, sentence)
        return show_own(request, form, status=422)
    return show_own(request, TokenForm(), status=201, text=text)


@require_POST
def revoke_own_token(request: ConsoleRequest, pk: int) -> HttpResponse:
    """End a token of one's own, which is always possible."""
    token = get_object_or_404(request.user.api_tokens, pk=pk)
    revoke_token(token=token, actor=request.user, request=request)
    messages.info(request, f"{token.name} is revoked: whatever uses it gets 401 from now on.")
    return HttpResponseRedirect(reverse("own-tokens"), status=303)


@require_GET
def all_tokens(request: ConsoleRequest) -> HttpResponse:
    """List everybody's tokens."""
    request.access.require("access.manage")
    return render_page(request, ALL_PAGE, {"rows": rows_of(ApiToken.objects.all()), "is_all": True})


@require_POST
def revoke_any_token(request: ConsoleRequest, pk: int) -> HttpResponse:
    """End somebody's token."""
    request.access.require("access.manage")
    token = get_object_or_404(ApiToken.objects.select_related("user"), pk=pk)
    require_recent_sign_in(request)
    revoke_token(token=token, actor=request.user, request=request)
    messages.info(request, f"{token} is revoked: whatever uses it gets 401 from now on.")
    return HttpResponseRedirect(reverse("all-tokens"), status=303)


def show_own(request: ConsoleRequest, form: TokenForm, status: int = 200, text: str = "") -> HttpResponse:
    rows = rows_of(ApiToken.objects.filter(user=request.user))
    response = render_page(request, OWN_PAGE, {"form": form, "rows": rows, "text": text}, status=status)
    # It may hold the one showing of a token.
    add_never_cache_headers(response)
    return response


def rows_of(tokens: QuerySet[ApiToken]) -> list[Row]:
    """Return the live tokens first, and the latest of those that have ended."""
    now = timezone.now()
    found = tokens.select_related("user").prefetch_related("role_bindings")
    rows = [Row(token, now) for token in found]
    ended = [row for row in rows if not row.is_live]
    return [*(row for row in rows if row.is_live), *ended[:ENDED_SHOWN]]
