"""API tokens: made once, shown once, known by their hash, ended by time, by hand or with their owner."""

from __future__ import annotations

import hashlib
import re
import secrets
import string
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from access.models import ApiToken, RoleBinding
from access.records import facts_of, id_of, record_binding
from access.resources import ENVIRONMENTS
from audit.actions import record
from ecsconsole.errors import ConsoleError

DEFAULT_DAYS, MOST_DAYS = 90, 365
LONGEST_NAME = 80
LETTERS = string.ascii_letters + string.digits
PREFIX_LETTERS = string.ascii_lowercase + string.digits
# 40 of 62 letters are 238 bits: a plain hash of them cannot be guessed, so no slow one is needed.
PREFIX_LENGTH, SECRET_LENGTH = 8, 40
# The form of a token, for scanners of secrets.
FORM = re.compile(rf"(ecs_[a-z0-9]{{{PREFIX_LENGTH}}})_[A-Za-z0-9]{{{SECRET_LENGTH}}}")
# A write for every request of a busy pipeline would cost more than the request.
USE_NOTED_EVERY = timedelta(minutes=1)
# What a token of a scope is, where it is bound to a place.
ROLE_OF_SCOPE = {ApiToken.Scope.READ: "viewer", ApiToken.Scope.OPERATE: "operator"}


class TokenRefused(ConsoleError):
    """The token of a request opens nothing."""

    status = 401
    title = "Token refused"
    advice = "Send a valid token as Authorization: Bearer ecs_…; people make them under Profile, API tokens."


class TokenInvalid(ConsoleError):
    """A token cannot be made as asked; `errors` maps fields to sentences."""

    status = 422
    title = "The token was not made"

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__(" ".join(errors.values()))
        self.errors = errors


class TokenMadeByToken(ConsoleError):
    """Tokens are made by people: one that makes others would outlive its own end."""

    status = 403
    title = "Tokens are made by people"


@dataclass(frozen=True, slots=True)
class TokenPlace:
    """Where a token may act at most; all empty is wherever its owner may."""

    environment: str = ""
    cluster: str = ""
    service: str = ""

    def __bool__(self) -> bool:
        return bool(self.environment or self.cluster or self.service)


EVERYWHERE = TokenPlace()


def create_token(
    *,
    owner: User,
    name: str,
    scope: str,
    actor: User | str,
    days: int = DEFAULT_DAYS,
    place: TokenPlace = EVERYWHERE,
    now: datetime | None = None,
    request: HttpRequest | None = None,
) -> tuple[ApiToken, str]:
    """Make a token and return it with its text, which is kept nowhere; raises `TokenInvalid`."""
    now = now or timezone.now()
    if request is not None and getattr(request, "api_token", None) is not None:
        raise TokenMadeByToken("A token cannot make tokens. Sign in and make it under Profile, API tokens.")
    check_wish(owner, name, scope, days, place, now)
    prefix, text = make_text()
    with transaction.atomic():
        token = ApiToken.objects.create(
            user=owner,
            name=name.strip(),
            prefix=prefix,
            sha256=hash_of(text),
            scope=scope,
            created_at=now,
            expires_at=now + timedelta(days=days),
        )
        if place:
            narrowing = RoleBinding.objects.create(
                token=token,
                role=ROLE_OF_SCOPE[ApiToken.Scope(scope)],
                environment=place.environment,
                cluster=place.cluster,
                service=place.service,
            )
            record_binding("added", actor, after=facts_of(narrowing), request=request)
        note(token, "token.created", actor, request, {"days": days, "place": place_words(place)})
    return token, text


def check_wish(owner: User, name: str, scope: str, days: int, place: TokenPlace, now: datetime) -> None:
    """Raise unless a token can be made as asked."""
    errors = {}
    if not name.strip() or len(name.strip()) > LONGEST_NAME:
        errors["name"] = f"Give a name of at most {LONGEST_NAME} characters: what will use the token."
    elif live_tokens(now).filter(user=owner, name=name.strip()).exists():
        errors["name"] = (
            f"{owner.get_username()} has a token {name.strip()} already; revoke it or take another name."
        )
    if scope not in ApiToken.Scope.values:
        errors["scope"] = "The scope is read or operate."
    if not 1 <= days <= MOST_DAYS:
        errors["days"] = f"A token lives 1 to {MOST_DAYS} days."
    if place.environment and place.environment not in ENVIRONMENTS:
        errors["environment"] = f"The environment is one of {', '.join(ENVIRONMENTS)}."
    if not owner.is_active:
        errors["owner"] = f"{owner.get_username()} is disabled, so a token of theirs would open nothing."
    if errors:
        raise TokenInvalid(errors)


def make_text() -> tuple[str, str]:
    """Return the prefix by which a token is known, and its whole text."""
    prefix = "ecs_" + "".join(secrets.choice(PREFIX_LETTERS) for _ in range(PREFIX_LENGTH))
    return prefix, f"{prefix}_{''.join(secrets.choice(LETTERS) for _ in range(SECRET_LENGTH))}"


def hash_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def authenticate(text: str, now: datetime) -> ApiToken:
    """Return the token of a text, with its owner; raises `TokenRefused`.

    Looked up by the hash of all of it, so how long it takes says nothing about the secret. Only who has the whole
    text learns why a token is refused.
    """
    if not FORM.fullmatch(text):
        raise TokenRefused("This is no token of this console.")
    token = ApiToken.objects.select_related("user").filter(sha256=hash_of(text)).first()
    if token is None:
        raise TokenRefused("Nobody has this token.")
    if token.revoked_at is not None:
        raise TokenRefused(
            f"The token {token.prefix} was revoked on {token.revoked_at:%d %b %Y at %H:%M} UTC."
        )
    if token.expires_at <= now:
        raise TokenRefused(f"The token {token.prefix} expired on {token.expires_at:%d %b %Y at %H:%M} UTC.")
    if not token.user.is_active:
        raise TokenRefused(f"The owner of the token {token.prefix} is disabled.")
    note_use(token, now)
    return token


def note_use(token: ApiToken, now: datetime) -> None:
    """Remember when a token was last used, at most once a minute."""
    if token.last_used_at is not None and now - token.last_used_at < USE_NOTED_EVERY:
        return
    unseen = Q(last_used_at=None) | Q(last_used_at__lt=now)
    ApiToken.objects.filter(unseen, pk=token.pk).update(last_used_at=now)


def revoke_token(
    *, token: ApiToken, actor: User | str, now: datetime | None = None, request: HttpRequest | None = None
) -> bool:
    """End a token for good; False when it was revoked before."""
    now = now or timezone.now()
    with transaction.atomic():
        if ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=now) != 1:
            # Two clicked at once: the first one's entry in the ledger stands.
            return False
        note(token, "token.revoked", actor, request, {})
    token.revoked_at = now
    return True


def live_tokens(now: datetime) -> QuerySet[ApiToken]:
    """Return the tokens that are neither revoked nor expired."""
    return ApiToken.objects.filter(revoked_at=None, expires_at__gt=now)


def note(
    token: ApiToken, action: str, actor: User | str, request: HttpRequest | None, data: dict[str, object]
) -> None:
    """Put what happened to a token into the ledger, by its prefix and never by its secret."""
    facts = {
        "id": id_of(token),
        "owner": id_of(token.user),
        "token": token.prefix,
        "name": token.name,
        "scope": token.scope,
        "expires_at": token.expires_at,
    }
    target = f"{token.user.get_username()}/{token.name}"[:255]
    record(action=action, actor=actor, target=target, data={**facts, **data}, request=request)


def place_words(place: TokenPlace) -> str:
    parts = (place.environment, place.cluster, place.service)
    return "/".join(part for part in parts if part) or "wherever its owner may"
