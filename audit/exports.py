"""Handing the ledger out as one file that `audit/verifier.py` verifies without us."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.http import HttpRequest

from audit.actions import describe_actor, record
from audit.chain import CHAIN, SCHEMA_VERSION, canonical_bytes
from audit.checkpoints import seal_now
from audit.keys import KeyUnavailable, current_key
from audit.lines import checkpoint_line, entry_line, envelope, key_lines
from audit.models import AuditEntry, LedgerKey
from audit.verification import Extent, read_extent, rows_in_order

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

FORMAT = "ecsconsole-ledger"
# What an export's entry is about.
LEDGER = "the ledger"


@dataclass(frozen=True, slots=True)
class Export:
    """What an export contains: everything up to the entry that records it."""

    extent: Extent
    header: str

    def lines(self) -> Iterator[str]:
        """Yield header, public keys, and entries with each checkpoint after the entry that it covers."""
        yield self.header
        yield from key_lines()
        for row in rows_in_order(self.extent):
            yield entry_line(row) if isinstance(row, AuditEntry) else checkpoint_line(row)


def begin_export(
    *,
    actor: AbstractBaseUser | str,
    now: datetime,
    data: dict[str, Any],
    request: HttpRequest | None = None,
) -> Export:
    """Record the export and sign the head, so that the file ends with its own entry under a signature.

    Where this process may not read the key, the newest entries are in the file without a checkpoint over them.
    """
    shown = {"format": "jsonl", **data}
    record(action="audit.exported", actor=actor, target=LEDGER, data=shown, request=request)
    seal_now(now)
    extent = read_extent()
    return Export(extent, header_line(extent, describe_actor(actor)[0], now))


def header_line(extent: Extent, actor: str, now: datetime) -> str:
    """Return the first line: how much must follow, signed, so that a missing end is seen."""
    try:
        key = current_key()
    except KeyUnavailable:
        key = None
    if key is not None and not LedgerKey.objects.filter(pk=key.key_id).exists():
        key = None
    content = {
        "kind": "header",
        "format": FORMAT,
        "v": SCHEMA_VERSION,
        "chain": CHAIN,
        "entries": extent.entry_count,
        "checkpoints": extent.checkpoint_count,
        "head_hash": extent.head_hash,
        "at": now.isoformat(timespec="microseconds"),
        "exported_by": actor,
        "key_id": key.key_id if key else "",
    }
    canonical = canonical_bytes(content)
    return envelope("header", canonical, key.sign(canonical) if key else "")
