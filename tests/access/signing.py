"""Signing in through the provider, and what it left behind."""

from __future__ import annotations

from typing import Any

from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.models import User
from django.test import Client

from access.models import RoleBinding
from audit.models import AuditEntry
from tests.access.idp import Idp, come_back, leave


def sign_in(idp: Idp, sub: str, client: Client | None = None, **fields: str) -> tuple[Client, Any]:
    client = client or Client()
    return client, come_back(client, idp.authorize(leave(client, **fields), sub))


def person(sub: str) -> User:
    user: User = SocialAccount.objects.get(uid=sub).user
    return user


def roles(sub: str) -> list[tuple[str, str, str]]:
    rows = RoleBinding.objects.filter(user=person(sub)).order_by("role", "environment")
    return list(rows.values_list("role", "environment", "source"))


def refusals() -> list[str]:
    return list(AuditEntry.objects.filter(action="sign_in.failed").values_list("reason", flat=True))
