"""Secrets at rest: encrypted with a key that is derived from SECRET_KEY for one purpose."""

from __future__ import annotations

import base64

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings


class SealBroken(Exception):
    """A value was sealed with a key that the console no longer has."""


def key_of(secret: str, purpose: bytes) -> Fernet:
    """Derive a key of its own purpose, so that what signs cookies never encrypts values as it is."""
    derived = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=purpose).derive(secret.encode())
    return Fernet(base64.urlsafe_b64encode(derived))


def keys(purpose: bytes) -> MultiFernet:
    """Return the present key first; older ones still open what was sealed before a rotation."""
    secrets = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return MultiFernet([key_of(secret, purpose) for secret in secrets])


def seal_text(value: str, purpose: bytes) -> str:
    return keys(purpose).encrypt(value.encode()).decode()


def open_text(sealed: str, purpose: bytes) -> str:
    """Return the plain value, or raise `SealBroken`."""
    try:
        return keys(purpose).decrypt(sealed.encode()).decode()
    except InvalidToken as error:
        raise SealBroken from error
