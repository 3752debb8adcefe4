"""Higher packages that want to hear of the ledger: they register here, so that the ledger need not know them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from audit.models import AuditEntry

_entry_watchers: list[Callable[[AuditEntry], None]] = []
_duty_watchers: list[Callable[[str, str, datetime], None]] = []


def watch_entries(watch: Callable[[AuditEntry], None]) -> None:
    """Call `watch` with each new entry, in the transaction that writes it; it must be cheap and write no entry."""
    _entry_watchers.append(watch)


def watch_duties(watch: Callable[[str, str, datetime], None]) -> None:
    """Call `watch` with the name, the error and the moment when a duty for the ledger begins to fail."""
    _duty_watchers.append(watch)


def tell_entry(entry: AuditEntry) -> None:
    for watch in _entry_watchers:
        watch(entry)


def tell_duty_fails(name: str, error: str, now: datetime) -> None:
    for watch in _duty_watchers:
        watch(name, error, now)
