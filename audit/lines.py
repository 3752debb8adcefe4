"""The ledger as lines of JSON, as `audit.verifier` reads them: for exports and for copies kept elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from audit.models import AuditEntry, Checkpoint, LedgerKey
from audit.verification import BATCH, bytes_of


def text_of(canonical: object) -> str:
    """Return exact bytes as text; what is no UTF-8, because it was tampered with, travels as surrogates."""
    return bytes_of(canonical).decode("utf-8", "surrogateescape")


def line(**content: Any) -> str:
    return json.dumps(content) + "\n"


def envelope(kind: str, canonical: object, signature: str) -> str:
    """Return the line of something signed."""
    return line(kind=kind, canonical=text_of(canonical), signature=signature)


def key_line(key: LedgerKey) -> str:
    return envelope("key", key.canonical, key.signature)


def checkpoint_line(checkpoint: Checkpoint) -> str:
    return envelope("checkpoint", checkpoint.canonical, checkpoint.signature)


def entry_line(entry: AuditEntry) -> str:
    return line(
        kind="entry",
        seq=entry.seq,
        canonical=text_of(entry.canonical),
        prev_hash=entry.prev_hash,
        hash=entry.hash,
    )


def key_lines() -> Iterator[str]:
    """Yield every public key, in the order in which they came."""
    for key in LedgerKey.objects.order_by("added_at"):
        yield key_line(key)


def segment_lines(checkpoint: Checkpoint, *, has_entries: bool) -> Iterator[str]:
    """Yield the keys, what was appended since the checkpoint before, and the checkpoint itself."""
    yield from key_lines()
    if has_entries:
        before = Checkpoint.objects.filter(number=checkpoint.number - 1).first()
        entries = AuditEntry.objects.filter(seq__gt=before.seq if before else 0, seq__lte=checkpoint.seq)
        for entry in entries.order_by("seq").iterator(chunk_size=BATCH):
            yield entry_line(entry)
    yield checkpoint_line(checkpoint)
