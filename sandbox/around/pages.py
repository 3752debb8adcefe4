"""Pages with tokens that nobody can read or make up, and that expire."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from sandbox.ports import ApiError

T = TypeVar("T")

LASTS = timedelta(hours=24)
_SIGNATURE = 12


class Pages:
    """Cuts listings; `code` is what the service answers to a token that is not one of its own or too old."""

    def __init__(self, clock: Callable[[], datetime], seed: int) -> None:
        self._clock = clock
        self._secret = hashlib.sha256(f"page tokens {seed}".encode()).digest()

    def cut(
        self, items: Sequence[T], token: str | None, size: int, *, label: str, code: str
    ) -> tuple[list[T], str | None]:
        """Return one page and the token of the next; `label` says what is listed, and with which filters."""
        start = int(self.open(token, label, code)) if token else 0
        follows = start + size < len(items)
        return list(items[start : start + size]), self.seal(str(start + size), label) if follows else None

    def seal(self, text: str, label: str) -> str:
        """Make a token of a text."""
        body = f"{int(self._clock().timestamp())}\n{text}".encode()
        return base64.urlsafe_b64encode(self._sign(body, label) + self._hide(body, label)).decode()

    def open(
        self, token: str, label: str, code: str, message: str = "The token that you specified is invalid."
    ) -> str:
        """Return the text of a token of one's own; raises `code` for any other, and for one too old."""
        try:
            raw = base64.b64decode(token.encode(), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise ApiError(code, message) from None
        body = self._hide(raw[_SIGNATURE:], label)
        if not hmac.compare_digest(raw[:_SIGNATURE], self._sign(body, label)):
            raise ApiError(code, message)
        at, _, text = body.decode().partition("\n")
        if self._clock().timestamp() - int(at) > LASTS.total_seconds():
            raise ApiError(code, message)
        return text

    def _sign(self, body: bytes, label: str) -> bytes:
        return hmac.new(self._secret, label.encode() + b"\0" + body, hashlib.sha256).digest()[:_SIGNATURE]

    def _hide(self, body: bytes, label: str) -> bytes:
        stream = hashlib.shake_256(self._secret + label.encode()).digest(len(body))
        return bytes(a ^ b for a, b in zip(body, stream, strict=True))
