"""Plain values of variables on their way from a form to AWS: encrypted at rest, shown to nobody."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from clusters.masking import fingerprint
from deployments.errors import ChangeRefused

PURPOSE = b"ecsconsole.deployments.sealing.v1"


def key_of(secret: str) -> Fernet:
    """Derive a key of its own purpose, so that what signs cookies never encrypts values as it is."""
    derived = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=PURPOSE).derive(secret.encode())
    return Fernet(base64.urlsafe_b64encode(derived))


def keys() -> MultiFernet:
    """Return the present key first; older ones still open what was sealed before a rotation."""
    return MultiFernet([key_of(secret) for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)])


def seal(value: str) -> dict[str, Any]:
    """Return a value as a spec keeps it: sealed, with the fingerprint and the length that diffs show."""
    sealed = keys().encrypt(value.encode()).decode()
    return {"sealed": sealed, "fingerprint": fingerprint(value), "length": len(value)}


def open_sealed(entry: Mapping[str, Any] | str) -> str:
    """Return the plain value of a sealed entry; workers only, on the way to AWS."""
    sealed = entry if isinstance(entry, str) else str(entry["sealed"])
    try:
        return keys().decrypt(sealed.encode()).decode()
    except InvalidToken as error:
        raise ChangeRefused(
            "A value of this change was sealed with a key that the console no longer has.",
            advice="Ask for the change again, or add the old key to SECRET_KEY_FALLBACKS.",
        ) from error
