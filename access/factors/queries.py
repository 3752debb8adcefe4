"""Second factors of people: which they have, and who must have one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.utils import timezone

from access.decisions import in_force
from access.sessions import METHOD

SSO = "sso"
ALL = "all"
FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)


@dataclass(frozen=True, slots=True)
class Factors:
    """What a person can show besides the password; recovery codes alone are no factor."""

    app: Authenticator | None = None
    keys: list[Authenticator] = field(default_factory=list)
    codes: Authenticator | None = None

    def __bool__(self) -> bool:
        return self.app is not None or bool(self.keys)

    @property
    def codes_left(self) -> int:
        return len(self.codes.wrap().get_unused_codes()) if self.codes else 0


def factors_of(user: Any) -> Factors:
    rows = list(Authenticator.objects.filter(user_id=user.pk).order_by("created_at"))
    by_type = {row.type: row for row in rows}
    return Factors(
        app=by_type.get(Authenticator.Type.TOTP),
        keys=[row for row in rows if row.type == Authenticator.Type.WEBAUTHN],
        codes=by_type.get(Authenticator.Type.RECOVERY_CODES),
    )


def has_factor(user: Any) -> bool:
    return bool(Authenticator.objects.filter(user_id=user.pk, type__in=FACTORS).exists())


def must_add_factor(request: HttpRequest) -> bool:
    """Whether this session may do nothing but add a factor; those from the identity provider are its concern."""
    user = request.user
    if not settings.MFA_REQUIRED or not isinstance(user, User) or request.session.get(METHOD) == SSO:
        return False
    return is_required_of(request) and not has_factor(user)


def is_required_of(request: HttpRequest) -> bool:
    """Whether the settings ask a factor of somebody with these roles."""
    if ALL in settings.MFA_REQUIRED:
        return True
    now = timezone.now()
    bindings = request.access.bindings  # type: ignore[attr-defined]
    held = {binding.role for binding in bindings if binding.allows and in_force(binding, now)}
    return not held.isdisjoint(settings.MFA_REQUIRED)
