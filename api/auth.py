"""Who asks: a token, or for looking only a person whose browser is signed in."""

from __future__ import annotations

import structlog
from django.http import HttpRequest
from django.utils import timezone
from ninja.security import HttpBearer

from access.middleware import RequestAccess
from access.models import ApiToken
from access.tokens import authenticate
from api.throttle import check_rate

SAFE = ("GET", "HEAD")


class BearerToken(HttpBearer):
    """A token by `Authorization: Bearer`; without that header a session may read.

    A session never changes anything here, so no other site can have a browser do it.
    """

    def __call__(self, request: HttpRequest) -> bool:
        if "Authorization" in request.headers:
            return bool(super().__call__(request))
        return request.method in SAFE and request.user.is_authenticated

    def authenticate(self, request: HttpRequest, token: str) -> ApiToken:
        """Let the request act as the token's owner, with no more than the token carries."""
        now = timezone.now()
        found = authenticate(token.strip(), now)
        request.user = found.user
        request.access = RequestAccess(request, found)  # type: ignore[attr-defined]
        # The ledger names it beside the person.
        request.api_token = found  # type: ignore[attr-defined]
        structlog.contextvars.bind_contextvars(user_id=found.user_id, api_token=found.prefix)
        check_rate(found, now)
        return found
