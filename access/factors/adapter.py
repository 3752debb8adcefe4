"""allauth's hooks for second factors: seeds sealed at rest, and the console's name in authenticator apps."""

from __future__ import annotations

import base64
from typing import Any

from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from cryptography.fernet import Fernet, MultiFernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

PURPOSE = b"ecsconsole.access.factors.v1"
NAME = "ecsconsole"


def key_of(secret: str) -> Fernet:
    """Derive a key of its own purpose from a secret that signs other things."""
    derived = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=PURPOSE).derive(secret.encode())
    return Fernet(base64.urlsafe_b64encode(derived))


def keys() -> MultiFernet:
    """Return the present key first; older ones still open what was sealed before a rotation."""
    return MultiFernet([key_of(secret) for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)])


class FactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """Seals the seeds of codes, so that a copy of the database makes none."""

    def encrypt(self, text: str) -> str:
        return keys().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        return keys().decrypt(encrypted_text.encode()).decode()

    def get_totp_issuer(self) -> str:
        return NAME

    def get_totp_label(self, user: Any) -> str:
        return str(user.get_username())

    def generate_authenticator_name(self, user: Any, type: Authenticator.Type) -> str:  # noqa: A002 - allauth's name
        """Return what a new key is called until its owner names it."""
        count = Authenticator.objects.filter(user_id=user.pk, type=type).count()
        return f"Security key {count + 1}" if count else "Security key"

    def _get_site_name(self) -> str:
        return NAME

    def _get_user_identifier(self, user: Any) -> str:
        return str(user.get_username())
