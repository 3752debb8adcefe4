"""Addresses and signing secrets of channels: sealed at rest, opened only to send."""

from __future__ import annotations

from ecsconsole.sealing import SealBroken, open_text, seal_text
from notifications.senders.outcome import CannotSend

PURPOSE = b"ecsconsole.notifications.channel.v1"


def seal(value: str) -> str:
    return seal_text(value, PURPOSE) if value else ""


def open_sealed(sealed: str) -> str:
    """Return the plain value; raises `CannotSend` when its key is gone."""
    try:
        return open_text(sealed, PURPOSE) if sealed else ""
    except SealBroken as error:
        raise CannotSend(
            "The address was sealed with a key that the console no longer has. Edit the channel and enter it again, "
            "or add the old key to SECRET_KEY_FALLBACKS."
        ) from error
