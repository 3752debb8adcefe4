"""Whose moto state is whose: moto keeps one per process, by account."""

from __future__ import annotations

from typing import Any

from moto.core.base_backend import BackendDict, backend_lock


class MotoState:
    """The accounts that one sandbox has in moto.

    What another sandbox of the same process has under the same ids is set aside when an account is claimed, and put
    back on release; so sandboxes may be nested as test fixtures are.
    """

    def __init__(self) -> None:
        self._claimed: set[str] = set()
        self._set_aside: list[tuple[Any, str, Any]] = []

    def claim(self, account_id: str) -> None:
        """Begin with an empty account, unless it is claimed already."""
        if account_id in self._claimed:
            return
        self._claimed.add(account_id)
        with backend_lock:
            for backends in _known():
                if dict.__contains__(backends, account_id):
                    self._set_aside.append((backends, account_id, dict.pop(backends, account_id)))

    def release(self) -> None:
        """Drop what was kept for the claimed accounts, and put back what was there before."""
        with backend_lock:
            for backends in _known():
                for account_id in self._claimed:
                    dict.pop(backends, account_id, None)
            for backends, account_id, kept in self._set_aside:
                dict.__setitem__(backends, account_id, kept)
        self._claimed.clear()
        self._set_aside.clear()


def _known() -> list[Any]:
    known: list[Any] = list(BackendDict._instances)  # type: ignore[misc]
    return known
