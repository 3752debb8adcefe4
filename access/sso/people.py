"""People from the identity provider: who they are here, and what their groups give them at this sign-in."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.utils import timezone

from access.models import GroupMapping, RoleBinding
from access.records import facts_of, record_binding, record_person
from access.rules import admins_left
from access.sso.claims import Groups, read_groups
from access.sso.provider import SignInRefused
from audit.actions import record

LONGEST_SUBJECT = 191
LONGEST_NAME = 100
NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9.@_+-]+")


def admit(claims: Mapping[str, Any], request: HttpRequest) -> User:
    """Return the person whom the claims name, with the bindings that their groups give now.

    Call it in the transaction that also signs them in. Nobody is recognised by e-mail address or user name: those
    can be chosen at some identity providers, and would open a local account to whoever chooses them.
    """
    person = person_of(claims, request)
    if not person.is_active:
        raise SignInRefused("This account is disabled.", advice="Ask an admin to enable it.")
    sync_bindings(person, read_groups(claims, settings.OIDC_GROUPS_CLAIM), request)
    return person


def account_of(claims: Mapping[str, Any]) -> SocialAccount | None:
    found: SocialAccount | None = (
        SocialAccount.objects.select_related("user")
        .filter(provider=settings.OIDC_ISSUER, uid=subject_of(claims))
        .first()
    )
    return found


def subject_of(claims: Mapping[str, Any]) -> str:
    """Return the stable id of the person at the identity provider."""
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= LONGEST_SUBJECT:
        raise SignInRefused("The identity provider gave no usable id for you.")
    return subject


def person_of(claims: Mapping[str, Any], request: HttpRequest) -> User:
    """Return the person of an account there, made at their first sign-in."""
    account = account_of(claims)
    if account is None:
        try:
            with transaction.atomic():
                return make_person(claims, request)
        except IntegrityError:
            # The same person came in by two tabs at once, and the other was faster.
            account = account_of(claims)
            if account is None:
                raise
    person: User = account.user
    keep_details(person, claims, request)
    return person


def details_of(claims: Mapping[str, Any]) -> dict[str, str]:
    """Return name and address as the person's row keeps them, for showing and notifying only."""
    first, _, last = str(claims.get("name") or "").partition(" ")
    return {
        "first_name": str(claims.get("given_name") or first)[:150],
        "last_name": str(claims.get("family_name") or last)[:150],
        "email": str(claims.get("email") or "")[:254],
    }


def make_person(claims: Mapping[str, Any], request: HttpRequest) -> User:
    person = User(username=free_username(claims), **details_of(claims))
    person.set_unusable_password()
    person.save()
    SocialAccount.objects.create(user=person, provider=settings.OIDC_ISSUER, uid=subject_of(claims))
    came_by = {"id": f"u-{person.pk}", "issuer": settings.OIDC_ISSUER, "subject": subject_of(claims)}
    record_person("created", "system", person, data=came_by, request=request)
    return person


def keep_details(person: User, claims: Mapping[str, Any], request: HttpRequest) -> None:
    """Take over a changed name or address; the user name stays, because the ledger speaks of it."""
    changed = [name for name, value in details_of(claims).items() if value != getattr(person, name)]
    if not changed:
        return
    for name in changed:
        setattr(person, name, details_of(claims)[name])
    person.save(update_fields=changed)
    record(
        action="person.changed",
        actor="system",
        target=person.username,
        data={"fields": sorted(changed)},
        request=request,
    )


def free_username(claims: Mapping[str, Any]) -> str:
    """Return a user name that nobody has, near to the one at the identity provider.

    Plain letters only: a name that looks like a colleague's would mislead whoever approves.
    """
    wanted = next(
        (str(claims[name]) for name in ("preferred_username", "email", "name") if claims.get(name)), ""
    )
    plain = unicodedata.normalize("NFKD", wanted).encode("ascii", "ignore").decode()
    base = NOT_IN_NAMES.sub("-", plain).strip("-.")[:LONGEST_NAME] or "person"
    name, number = base, 1
    while User.objects.filter(username__iexact=name).exists():
        number += 1
        name = f"{base}-{number}"
    return name


def sync_bindings(person: User, groups: Groups, request: HttpRequest) -> None:
    """Add and remove the bindings that come of groups; those granted here stay as they are."""
    mappings = {m.pk: m for m in GroupMapping.objects.filter(idp_group__in=groups.names)}
    held = list(person.role_bindings.filter(source=RoleBinding.Source.IDP).select_related("user", "group"))
    gone = [binding for binding in held if binding.mapping_id not in mappings]
    missing = mappings.keys() - {binding.mapping_id for binding in held}
    if groups.problem:
        record(
            action="access.groups_unusable",
            actor=person,
            target=person.username,
            outcome="refused",
            reason=groups.problem,
            request=request,
        )
    managed = bool(gone) and bool(admins_left(timezone.now())[1])
    reason = groups.problem or "The groups at the identity provider changed."
    drop_bindings(gone, actor="system", reason=reason, request=request)
    if managed and not admins_left(timezone.now())[1]:
        # What the identity provider takes is taken, or its word would count for nothing; but somebody must know.
        record(
            action="access.no_admin_left",
            actor="system",
            target=person.username,
            outcome="failed",
            reason="Nobody manages access everywhere any more. On the server: manage.py grant.",
            request=request,
        )
    for pk in sorted(missing):
        binding = RoleBinding.objects.create(
            user=person,
            source=RoleBinding.Source.IDP,
            mapping=mappings[pk],
            **{name: getattr(mappings[pk], name) for name in PARTS},
        )
        why = f"Member of {mappings[pk].idp_group}."
        record_binding("added", "system", after=facts_of(binding), reason=why, request=request)


PARTS = ("role", "environment", "account_id", "region", "cluster", "service")


def drop_bindings(
    bindings: Iterable[RoleBinding], *, actor: User | str, reason: str, request: HttpRequest | None
) -> None:
    """Remove bindings that came of groups, each with its entry."""
    for binding in bindings:
        record_binding("removed", actor, before=facts_of(binding), reason=reason, request=request)
        binding.delete()
