"""Second factors of people: which they have, and who must have one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone

from access.decisions import Binding, in_force

if TYPE_CHECKING:
    from access.queries import Access

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


def must_add_factor(access: Access, method: str | None) -> bool:
    """Whether a session of this method may do nothing but add a factor.

    Those from the identity provider are its concern.
    """
    if not settings.MFA_REQUIRED or not isinstance(access.user, User) or method == SSO:
        return False
    return is_required_of(access.bindings) and not has_factor(access.user)


def is_required_of(bindings: Iterable[Binding]) -> bool:
    """Whether the settings ask a factor of somebody with these roles."""
    if ALL in settings.MFA_REQUIRED:
        return True
    now = timezone.now()
    held = {binding.role for binding in bindings if binding.allows and in_force(binding, now)}
    return not held.isdisjoint(settings.MFA_REQUIRED)
