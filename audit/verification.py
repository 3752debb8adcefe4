"""Whether the ledger in the database still holds: the verifier's own walk, over rows instead of lines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain as joined

from audit.chain import REPEATED
from audit.duties import SIGN
from audit.keys import known_key, verify_signature
from audit.models import AuditChain, AuditEntry, Checkpoint, Duty, LedgerKey
from audit.verifier import Broken, Walk

BATCH = 1000


@dataclass(frozen=True, slots=True)
class Verification:
    """How far the ledger holds; `broken_seq` and `problem` name the first entry that does not."""

    entries: int
    head_hash: str
    checkpoints: int = 0
    signed_through: int = 0
    signed_by: str = ""
    broken_seq: int | None = None
    problem: str = ""

    @property
    def holds(self) -> bool:
        return self.broken_seq is None


def bytes_of(stored: object) -> bytes:
    """Return the bytes of a binary column; an edited cell of SQLite may hold text."""
    return stored.encode() if isinstance(stored, str) else bytes(stored)  # type: ignore[call-overload]


def is_same(one: object, other: object) -> bool:
    """Whether two values read the same to anybody: Python takes `true` for 1."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(is_same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(is_same, one, other))
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def take_entry(walk: Walk, entry: AuditEntry) -> None:
    """Hand one row to the walk and compare its columns with what was hashed."""
    content = walk.entry(entry.seq, bytes_of(entry.canonical), entry.prev_hash, entry.hash)
    differing = [name for name in REPEATED if not is_same(content.get(name), getattr(entry, name))]
    if content.get("at") != entry.at.isoformat(timespec="microseconds"):
        differing.append("at")
    if differing:
        raise Broken(entry.seq, f"its columns differ from what was hashed: {', '.join(differing)}")


def take_checkpoint(walk: Walk, checkpoint: Checkpoint) -> None:
    """Hand one row to the walk and compare its columns with what was signed."""
    content = walk.checkpoint(bytes_of(checkpoint.canonical), checkpoint.signature)
    columns = {
        "number": checkpoint.number,
        "seq": checkpoint.seq,
        "head_hash": checkpoint.head_hash,
        "at": checkpoint.at.isoformat(timespec="microseconds"),
        "key_id": checkpoint.key_id,
    }
    differing = [name for name, value in columns.items() if content.get(name) != value]
    if differing:
        raise Broken(
            walk.entries,
            f"the columns of checkpoint {checkpoint.number} differ from what was signed: {', '.join(differing)}",
        )


def take_keys(walk: Walk) -> None:
    """Hand the public keys to the walk and compare their columns, which pages show, with what was signed."""
    for key in LedgerKey.objects.order_by("added_at"):
        content = walk.key(bytes_of(key.canonical), key.signature)
        differing = [name for name in ("key_id", "public_key") if content.get(name) != getattr(key, name)]
        if differing:
            raise Broken(
                walk.entries + 1,
                f"the columns of key {content['key_id']} differ from what was signed: {', '.join(differing)}",
            )


@dataclass(frozen=True, slots=True)
class Extent:
    """How far the ledger reached at one moment: what is appended later belongs to the next walk."""

    signed_count: int
    checkpoint_count: int
    entry_count: int | None
    head_hash: str


def read_extent() -> Extent:
    """Read how far the ledger reaches, in the order in which nothing read later can be behind what was read before."""
    signing = Duty.objects.filter(name=SIGN).first()
    newest = Checkpoint.objects.order_by("-number").first()
    head = AuditChain.objects.filter(pk=1).first()
    return Extent(
        signing.detail.get("number", 0) if signing else 0,
        newest.number if newest else 0,
        head.next_seq - 1 if head else None,
        head.head_hash if head else "",
    )


def rows_in_order(extent: Extent) -> Iterator[AuditEntry | Checkpoint]:
    """Yield entries, and each checkpoint after the entry that it covers, in one pass over both tables."""
    signed = Checkpoint.objects.filter(number__lte=extent.checkpoint_count).order_by("number")
    entries = AuditEntry.objects.order_by("seq")
    if extent.entry_count is not None:
        entries = entries.filter(seq__lte=extent.entry_count)
    checkpoints = signed.iterator(chunk_size=BATCH)
    following = next(checkpoints, None)
    for entry in entries.iterator(chunk_size=BATCH):
        # One that should have come earlier comes now, and the walk says so.
        while following is not None and following.seq < entry.seq:
            yield following
            following = next(checkpoints, None)
        yield entry
    yield from joined([following] if following is not None else [], checkpoints)


def check_ends(walk: Walk, extent: Extent) -> None:
    """Compare the end of the walk with the head of the chain and with the last signing that is known of."""
    after = walk.entries + 1
    if extent.entry_count is None:
        raise Broken(after, "the head of the chain is missing")
    if (extent.entry_count, extent.head_hash) != (walk.entries, walk.head_hash):
        raise Broken(after, "the newest entries are missing: the head is further on")
    newest = AuditEntry.objects.order_by("-seq").values_list("seq", flat=True).first() or 0
    # Read after it, the head cannot be behind an entry that was written as entries are.
    if newest >= AuditChain.objects.get(pk=1).next_seq:
        raise Broken(after, f"entry {newest} stands beyond the head of the chain")
    if extent.signed_count > walk.checkpoints:
        raise Broken(walk.signed_through + 1, f"checkpoint {extent.signed_count} was signed and is missing")


def verify_ledger(anchors: dict[int, str] | None = None) -> Verification:
    """Walk the whole ledger from its first entry to its head, with every checkpoint on the way.

    Where this process may read the signing key, checkpoints count by that key alone. Writers go on meanwhile: the walk
    ends where the ledger ended when it began. A hundred thousand entries take a few seconds.
    """
    extent = read_extent()
    pin = known_key()
    walk = Walk([pin] if pin else [], anchors, verify_signature)
    broken: Broken | None = None
    try:
        take_keys(walk)
        for row in rows_in_order(extent):
            take_entry(walk, row) if isinstance(row, AuditEntry) else take_checkpoint(walk, row)
        check_ends(walk, extent)
        walk.finish()
    except Broken as found:
        broken = found
    return Verification(
        walk.entries,
        walk.head_hash,
        walk.checkpoints,
        walk.signed_through,
        walk.signed_by,
        broken.seq if broken else None,
        broken.problem if broken else "",
    )
