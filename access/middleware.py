"""What every request gets: a sign-in check, limits on its session, and its access."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import cached_property
from typing import cast

from django.conf import settings
from django.contrib.auth import logout
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import resolve_url
from django.utils import timezone

from access.confirm import ask_again
from access.decisions import PermissionMissing
from access.factors.queries import must_add_factor
from access.models import ApiToken
from access.queries import Access
from access.resources import ANYWHERE, Resource
from access.sessions import METHOD, note_seen
from access.step_up import SignInTooOld
from audit.actions import record
from ecsconsole.http import wants_fragment

GetResponse = Callable[[HttpRequest], HttpResponseBase]


def session_over(session: dict[str, object], now: datetime) -> bool:
    """Whether a signed-in session has idled too long or lived too long."""
    started = datetime.fromisoformat(str(session.get("started_at", now.isoformat())))
    seen = datetime.fromisoformat(str(session.get("seen_at", now.isoformat())))
    return bool(now - seen > settings.SESSION_IDLE or now - started > settings.SESSION_ABSOLUTE)


class SessionLimitMiddleware:
    """End sessions that idle or live too long."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.user.is_authenticated:
            now = timezone.now()
            if session_over(dict(request.session.items()), now):
                logout(request)
            else:
                self.note_activity(request, now)
        return self.get_response(request)

    def note_activity(self, request: HttpRequest, now: datetime) -> None:
        """Remember activity at most once a minute: a write for every fragment would cost more than the page."""
        session = request.session
        session.setdefault("started_at", now.isoformat())
        seen = session.get("seen_at")
        if seen is None or (now - datetime.fromisoformat(seen)).total_seconds() > 60:
            session["seen_at"] = now.isoformat()
            note_seen(request, cast(User, request.user), now)


class SignInRequiredMiddleware(LoginRequiredMiddleware):
    """Send strangers to the sign-in page; a fragment gets 401, and the page decides: it may hold what was typed."""

    def handle_no_permission(  # type: ignore[override]
        self, request: HttpRequest, view_func: Callable[..., HttpResponseBase]
    ) -> HttpResponseBase:
        if request.headers.get("HX-Request") == "true":
            return HttpResponse(status=401, headers={"HX-Trigger": "logout", "HX-Reswap": "none"})
        return super().handle_no_permission(request, view_func)


class AccessMiddleware:
    """Put `request.access` on every request."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        request.access = RequestAccess(request)  # type: ignore[attr-defined]
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Ask for a proof where an act needs a more recent sign-in."""
        return ask_again(request, exception) if isinstance(exception, SignInTooOld) else None


# Where somebody without a required factor may still go: to add one, to prove who they are, and out.
WITHOUT_FACTOR = ("security", "add-app", "add-key", "recovery-codes", "confirm-sign-in", "sign-out")


class FactorRequiredMiddleware:
    """Send those of whom the settings ask a second factor to add one, before anything else."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *view: object) -> HttpResponse | None:
        match = request.resolver_match
        if (match is not None and match.url_name in WITHOUT_FACTOR) or not request.access.must_add_factor:  # type: ignore[attr-defined]
            return None
        address = resolve_url("security")
        if wants_fragment(request):
            response = HttpResponse(status=403)
            response["HX-Redirect"] = address
            return response
        return HttpResponseRedirect(address)


class RequestAccess(Access):
    """Access bound to a request, so that a refusal carries where it came from into the ledger."""

    def __init__(self, request: HttpRequest, token: ApiToken | None = None) -> None:
        super().__init__(request.user, token)
        self.request = request

    @cached_property
    def must_add_factor(self) -> bool:
        """Whether this person is held to the pages on which a second factor is added."""
        return must_add_factor(self, self.request.session.get(METHOD))

    def require(self, action: str, resource: Resource = ANYWHERE) -> None:
        """Raise `PermissionMissing` unless allowed; the refusal is recorded."""
        decision = self.can(action, resource)
        if not decision:
            record(
                action="access.refused",
                actor=self.user,
                resource=resource,
                target=action,
                outcome="refused",
                reason=decision.reason,
                data={"bindings": list(decision.binding_ids), "path": self.request.path},
                request=self.request,
            )
            raise PermissionMissing(action, resource, decision)
