"""The key that signs checkpoints: a file, never a row. Whoever may write the database must not be able to read it."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from django.conf import settings

from audit.verifier import key_id_of


class KeyUnavailable(Exception):
    """There is no key to sign with; the text says what to do."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key with the names by which its public half is known."""

    private: Ed25519PrivateKey

    @property
    def public(self) -> bytes:
        return self.private.public_key().public_bytes_raw()

    @property
    def key_id(self) -> str:
        return key_id_of(self.public)

    def sign(self, message: bytes) -> str:
        return self.private.sign(message).hex()


def verify_signature(public: bytes, message: bytes, signature: bytes) -> bool:
    """Verify as `audit.verifier.verify_ed25519` does, forty times as fast."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def make_key_file(path: Path) -> SigningKey:
    """Write a new key that its owner alone may read; a file that is there is never overwritten."""
    key = SigningKey(Ed25519PrivateKey.generate())
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
            file.flush()
            os.fsync(file.fileno())
        # A link appears whole or not at all, and fails when another process was first.
        os.link(draft, path)
    finally:
        draft.unlink()
    return key


def read_key_file(path: Path) -> SigningKey:
    """Read a key, or raise `KeyUnavailable`."""
    try:
        private = load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise KeyUnavailable(
            f"The signing key {path} cannot be read ({error.strerror}). "
            "Make one with audit_new_key and name it in LEDGER_KEY_FILE."
        ) from error
    except (ValueError, TypeError) as error:
        raise KeyUnavailable(f"{path} is not an unencrypted private key in PEM form.") from error
    if not isinstance(private, Ed25519PrivateKey):
        raise KeyUnavailable(f"{path} is not an Ed25519 key.")
    return SigningKey(private)


def current_key() -> SigningKey:
    """Return the key that signs now; a local console makes its own at first use."""
    path = Path(settings.LEDGER_KEY_FILE)
    if settings.LEDGER_KEY_IS_MADE and not path.exists():
        try:
            return make_key_file(path)
        except FileExistsError:
            # Another process was first; its key is the one.
            return read_key_file(path)
        except OSError as error:
            raise KeyUnavailable(f"The signing key {path} cannot be written ({error.strerror}).") from error
    return read_key_file(path)


def known_key() -> str:
    """Return the public key of the current one in hex, empty where this process may not read it."""
    try:
        return read_key_file(Path(settings.LEDGER_KEY_FILE)).public.hex()
    except KeyUnavailable:
        return ""
