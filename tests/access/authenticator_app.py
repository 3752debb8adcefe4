"""What an authenticator app does."""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct
import time


def totp(seed: str, at: float | None = None) -> str:
    """Return the code that an app shows: RFC 6238 with SHA-1, 30 s, six digits."""
    counter = struct.pack(">Q", int((time.time() if at is None else at) // 30))
    digest = hmac.new(base64.b32decode(seed), counter, hashlib.sha1).digest()
    offset = digest[-1] & 0xF
    number = struct.unpack(">I", digest[offset : offset + 4])[0] & 0x7FFFFFFF
    return f"{number % 1_000_000:06d}"
