"""What becomes of sending."""

from __future__ import annotations

from datetime import timedelta


class SendFailed(Exception):
    """A message did not arrive, or nobody said that it did; worth another try, not before `wait` if that is given."""

    def __init__(self, sentence: str, wait: timedelta | None = None) -> None:
        super().__init__(sentence)
        self.wait = wait


class CannotSend(SendFailed):
    """Another try would end the same way: the address is refused or wrong, or a setting is missing."""
