"""Checking a code or a security key, with a limit on wrong ones per person."""

from __future__ import annotations

import json
from typing import Any

from allauth.mfa.base.forms import AuthenticateForm
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.forms import AuthenticateWebAuthnForm
from allauth.mfa.webauthn.internal.auth import begin_authentication
from django.conf import settings
from django.contrib.auth.models import User
from django.forms import Form
from django.http import HttpRequest

from audit.actions import record

# What an entry of the ledger calls each way.
WAYS = {
    Authenticator.Type.TOTP: "code",
    Authenticator.Type.WEBAUTHN: "key",
    Authenticator.Type.RECOVERY_CODES: "recovery code",
}
LIMITED = {"too_many_login_attempts", "rate_limited"}


class FactorRefused(Exception):
    """The code or the key does not belong to this person, or it was tried too often."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


def key_options(user: User) -> str:
    """Return what the browser asks the security keys of a person, and remember the challenge in the session."""
    return json.dumps(dict(begin_authentication(user)))


def check_code(user: User, code: str, request: HttpRequest) -> str:
    """Return the way of a code from the app or of a recovery code; a code counts once."""
    form = AuthenticateForm({"code": code.strip().replace(" ", "")}, user=user)
    if not form.is_valid():
        raise refusal(user, form, "code", "This code is not right, or it was used already.", request)
    return used(form.authenticator, request)


def check_key(user: User, credential: str, request: HttpRequest) -> str:
    """Return the way of an answer of a security key to the last challenge of this session."""
    form = AuthenticateWebAuthnForm({"credential": credential}, user=user)
    if not form.is_valid():
        raise refusal(
            user, form, "key", "This security key is not one of yours, or it took too long.", request
        )
    return used(form.cleaned_data["credential"], request)


def used(authenticator: Authenticator, request: HttpRequest) -> str:
    """Note the use; a spent recovery code is an entry of its own, because each is worth a look."""
    authenticator.record_usage()
    if authenticator.type == Authenticator.Type.RECOVERY_CODES:
        person = authenticator.user
        # The check marked the code as spent on a row of its own, under a lock.
        authenticator.refresh_from_db(fields=["data"])
        left = len(authenticator.wrap().get_unused_codes())
        record(
            action="factor.recovery_code_used",
            actor=person,
            target=person.get_username(),
            data={"left": left},
            request=request,
        )
    return WAYS[authenticator.type]


def refusal(user: User, form: Form, way: str, sentence: str, request: HttpRequest) -> FactorRefused:
    """Put a failure into the ledger, and return what to say."""
    codes = {error.code for errors in form.errors.as_data().values() for error in errors}
    is_limited = bool(codes & LIMITED)
    record(
        action="sign_in.failed",
        actor="anonymous",
        target=user.get_username(),
        outcome="refused",
        data={"method": way, "limited": is_limited},
        request=request,
    )
    if is_limited:
        minutes = int(settings.AXES_COOLOFF_TIME.total_seconds() // 60)
        sentence = (
            f"Too many wrong codes. Codes and keys of this account are closed for up to {minutes} minutes."
        )
    return FactorRefused(sentence)


def is_offered(factors: Any) -> dict[str, bool]:
    return {"code": factors.app is not None or factors.codes is not None, "key": bool(factors.keys)}
