"""Reading the ledger: the entries of a target, and whether the chain still holds."""

from __future__ import annotations

import json
from dataclasses import dataclass

from django.db.models import QuerySet

from audit.chain import GENESIS_HASH, REPEATED, link_hash
from audit.models import AuditChain, AuditEntry


@dataclass(frozen=True, slots=True)
class Verification:
    """How far the chain holds; `broken_seq` and `problem` name the first entry that does not."""

    entries: int
    head_hash: str
    broken_seq: int | None = None
    problem: str = ""

    @property
    def holds(self) -> bool:
        return self.broken_seq is None


def entries_about(target: str) -> QuerySet[AuditEntry]:
    """Return the entries of one target, such as CR-12, oldest first."""
    return AuditEntry.objects.filter(target=target).order_by("seq")


def find_problem(entry: AuditEntry, expected_seq: int, prev_hash: str) -> str:
    """Say what is wrong with one entry, empty when nothing is."""
    if entry.seq != expected_seq:
        return f"entry {expected_seq} is missing"
    if entry.prev_hash != prev_hash:
        return "it does not follow the entry before it"
    stored = entry.canonical
    # An edited cell of SQLite may hold text where bytes were written.
    canonical = stored.encode() if isinstance(stored, str) else bytes(stored)
    if link_hash(canonical, prev_hash) != entry.hash:
        return "its content does not match its hash"
    content = json.loads(canonical)
    differing = [name for name in REPEATED if content.get(name) != getattr(entry, name)]
    if differing or content["at"] != entry.at.isoformat(timespec="microseconds"):
        return f"its columns differ from what was hashed: {', '.join(differing) or 'at'}"
    return ""


def verify_chain() -> Verification:
    """Walk the whole chain from the first entry to the head."""
    prev_hash, expected = GENESIS_HASH, 1
    for entry in AuditEntry.objects.order_by("seq").iterator(chunk_size=1000):
        problem = find_problem(entry, expected, prev_hash)
        if problem:
            return Verification(expected - 1, prev_hash, expected, problem)
        prev_hash, expected = entry.hash, expected + 1
    chain = AuditChain.objects.filter(pk=1).first()
    if chain is None:
        return Verification(expected - 1, prev_hash, expected, "the head of the chain is missing")
    if (chain.next_seq, chain.head_hash) != (expected, prev_hash):
        return Verification(
            expected - 1, prev_hash, expected, "the newest entries are missing: the head is further on"
        )
    return Verification(expected - 1, prev_hash)
