"""Adding and removing second factors, each with its entry in the ledger."""

from __future__ import annotations

from typing import Any

from allauth.mfa.base.internal.flows import delete_dangling_recovery_codes
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from allauth.mfa.webauthn.internal.auth import WebAuthn
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest

from access.sessions import end_sessions
from audit.actions import record


def add_app(*, person: User, secret: str, request: HttpRequest | None = None) -> list[str]:
    """Add the authenticator app; return recovery codes when the person has none yet."""
    with transaction.atomic():
        TOTP.activate(person, secret)
        note("factor.added", person, person, "app", request)
        return first_codes(person=person, request=request)


def add_key(
    *, person: User, name: str, credential: dict[str, Any], request: HttpRequest | None = None
) -> list[str]:
    """Add a security key; return recovery codes when the person has none yet."""
    with transaction.atomic():
        WebAuthn.add(person, name, credential)
        note("factor.added", person, person, "key", request, name=name)
        return first_codes(person=person, request=request)


def first_codes(*, person: User, request: HttpRequest | None) -> list[str]:
    if Authenticator.objects.filter(user=person, type=Authenticator.Type.RECOVERY_CODES).exists():
        return []
    return new_codes(person=person, request=request)


def new_codes(*, person: User, request: HttpRequest | None = None) -> list[str]:
    """Replace the recovery codes; the old ones are worth nothing from now on. Shown once, to be kept elsewhere."""
    with transaction.atomic():
        Authenticator.objects.filter(user=person, type=Authenticator.Type.RECOVERY_CODES).delete()
        codes: list[str] = RecoveryCodes.activate(person).generate_codes()
        note("factor.recovery_codes_made", person, person, "recovery codes", request, count=len(codes))
    return codes


def remove_factor(*, factor: Authenticator, person: User, request: HttpRequest | None = None) -> None:
    """Remove a factor; recovery codes go with the last one."""
    with transaction.atomic():
        kind = "app" if factor.type == Authenticator.Type.TOTP else "key"
        note("factor.removed", person, person, kind, request, name=str(factor))
        factor.delete()
        delete_dangling_recovery_codes(person)


def reset_factors(*, person: User, actor: User, reason: str, request: HttpRequest | None = None) -> int:
    """Take all factors of somebody who lost them, and end their sessions: whoever has one may be the finder."""
    with transaction.atomic():
        count: int = Authenticator.objects.filter(user=person).delete()[0]
        note("factors.reset", actor, person, "all", request, reason=reason, count=count)
        end_sessions(person=person, actor=actor, reason="Second factors were reset.", request=request)
    return count


def note(
    action: str,
    actor: User,
    person: User,
    kind: str,
    request: HttpRequest | None,
    *,
    reason: str = "",
    **data: Any,
) -> None:
    record(
        action=action,
        actor=actor,
        target=person.get_username(),
        reason=reason,
        data={"kind": kind, **data},
        request=request,
    )
