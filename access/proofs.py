"""Ways to prove again who sits there, and the check of what was given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.contrib.auth import authenticate
from django.http import HttpRequest

from access.factors.checking import FactorRefused, check_code, check_key, is_offered
from access.factors.queries import factors_of, has_factor

PASSWORD = "proof_password"  # noqa: S105 - the name of a form field
CODE = "proof_code"
KEY = "proof_credential"
FIELDS = (PASSWORD, CODE, KEY)


class ProofRefused(Exception):
    """What was given proves nothing."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class Ways:
    """How this person can prove who they are; `sso` is what the identity provider is called."""

    password: bool = False
    code: bool = False
    key: bool = False
    sso: str = ""

    @property
    def is_local(self) -> bool:
        """Whether there is anything to type or touch on the page itself."""
        return self.password or self.code or self.key

    def __bool__(self) -> bool:
        return self.is_local or bool(self.sso)


def ways_of(user: Any) -> Ways:
    """Return the ways that a person has. Where there is a second factor, it alone counts: a password can be read off
    a keyboard, and whoever sits at an open session may have read it."""
    sso = settings.OIDC_NAME if comes_by_sso(user) else ""
    factors = factors_of(user)
    if factors:
        return Ways(**is_offered(factors), sso=sso)
    return Ways(password=user.has_usable_password(), sso=sso)


def comes_by_sso(user: Any) -> bool:
    """Whether a person has an account at the identity provider that is configured now."""
    issuer = settings.OIDC_ISSUER
    return bool(issuer) and SocialAccount.objects.filter(user=user, provider=issuer).exists()


def is_proof(fields: Mapping[str, Any]) -> bool:
    """Whether a form carries a proof at all."""
    return any(fields.get(name) for name in FIELDS)


def prove(request: HttpRequest) -> str:
    """Return the way by which the person proved who they are, or raise `ProofRefused`."""
    user: Any = request.user
    try:
        if request.POST.get(KEY):
            return check_key(user, request.POST[KEY], request)
        if has_factor(user):
            return check_code(user, request.POST.get(CODE, ""), request)
    except FactorRefused as refused:
        raise ProofRefused(f"{refused.sentence} Nothing was done.") from refused
    # The same door as signing in, so that wrong passwords are counted, recorded and in the end locked out.
    found = authenticate(request, username=user.get_username(), password=request.POST.get(PASSWORD, ""))
    if found is None or found.pk != user.pk:
        raise ProofRefused("That is not your password. Nothing was done.")
    return "password"
