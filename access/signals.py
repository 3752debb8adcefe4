"""Sign-ins end up in the ledger: Django tells of them by signals only."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from access.sessions import METHOD, forget_session, remember_session
from access.step_up import note_proof
from audit.actions import record


def on_signed_in(sender: object, request: HttpRequest, user: Any, **kwargs: Any) -> None:
    now = timezone.now()
    with transaction.atomic():
        method = str(request.session.get(METHOD, "password"))
        record(
            action="sign_in.ok",
            actor=user,
            target=user.get_username(),
            data={"method": method},
            request=request,
        )
        remember_session(request, user, now)
    note_proof(request.session, now)


def on_signed_out(sender: object, request: HttpRequest, user: Any, **kwargs: Any) -> None:
    if user is not None:
        record(action="sign_in.ended", actor=user, target=user.get_username(), request=request)
        forget_session(request.session.session_key)


def on_sign_in_failed(
    sender: object, credentials: dict[str, Any], request: HttpRequest | None = None, **kwargs: Any
) -> None:
    name = str(credentials.get("username", ""))
    record(action="sign_in.failed", actor="anonymous", target=name, outcome="refused", request=request)


def connect() -> None:
    user_logged_in.connect(on_signed_in, dispatch_uid="access.sign_in")
    user_logged_out.connect(on_signed_out, dispatch_uid="access.sign_out")
    user_login_failed.connect(on_sign_in_failed, dispatch_uid="access.sign_in_failed")
