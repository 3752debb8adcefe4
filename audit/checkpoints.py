"""Signing where the chain stands: each hour, each thousand entries, and whenever the key changes."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from django.db import transaction
from django.db.models import Max

from audit import duties
from audit.actions import record
from audit.chain import CHAIN, GENESIS_HASH, KEY_ADDED, SCHEMA_VERSION, canonical_bytes
from audit.keys import KeyUnavailable, SigningKey, current_key, make_key_file
from audit.models import AuditChain, AuditEntry, Checkpoint, LedgerKey
from audit.verification import bytes_of
from audit.verifier import Broken, link_hash

ENTRIES_PER_CHECKPOINT = 1000
# One round signs no more than this; the next goes on.
CHECKPOINTS_PER_ROUND = 50
HOUR = timedelta(hours=1)


def seal_due(now: datetime) -> int:
    """Sign what is due and return how many checkpoints that made; what prevents it is kept and shown."""
    duty = duties.claim(duties.SIGN, now)
    if duty is None:
        return 0
    made: list[Checkpoint] = []
    try:
        key = current_key()
        while len(made) < CHECKPOINTS_PER_ROUND and (checkpoint := seal_next(key, now)):
            made.append(checkpoint)
    except (KeyUnavailable, Broken) as error:
        duties.fail(duty, now, text_of(error))
        return len(made)
    except Exception as error:
        # Nobody foresaw it, so the page says it and the worker's log has the traceback.
        duties.fail(duty, now, f"{type(error).__name__}: {error}")
        raise
    if made:
        duties.succeed(duties.SIGN, now, {"number": made[-1].number})
    elif duty.failure_count:
        duties.succeed(duties.SIGN, now, duty.detail)
    else:
        duties.release(duties.SIGN, now)
    return len(made)


def text_of(error: KeyUnavailable | Broken) -> str:
    if isinstance(error, Broken):
        return f"Not signed, because the ledger is {error}."
    return str(error)


@transaction.atomic
def seal_next(key: SigningKey, now: datetime, *, is_asked: bool = False) -> Checkpoint | None:
    """Sign the next checkpoint that is due, None when none is; `is_asked` signs the head whatever the hour.

    The chain's row stays locked meanwhile, as for a writer of entries, so that two workers never sign one number.
    """
    AuditChain.objects.select_for_update().get(pk=1)
    last = Checkpoint.objects.order_by("-number").first()
    if not LedgerKey.objects.filter(pk=key.key_id).exists():
        introduce(key)
    head = AuditChain.objects.get(pk=1).next_seq - 1
    covered = last.seq if last else 0
    if head - covered >= ENTRIES_PER_CHECKPOINT:
        return sign(key, last, covered + ENTRIES_PER_CHECKPOINT, now)
    is_new_key = last is None or last.key_id != key.key_id
    if is_new_key or is_hour_over(last, now) or (is_asked and head > covered):
        return sign(key, last, head, now)
    return None


def is_hour_over(last: Checkpoint | None, now: datetime) -> bool:
    """Whether a full hour has struck since the last checkpoint, or a clock that was ahead wrote that one."""
    if last is None or last.at > now + HOUR:
        return True
    return last.at < now.replace(minute=0, second=0, microsecond=0)


def sign(key: SigningKey, last: Checkpoint | None, seq: int, now: datetime) -> Checkpoint:
    """Sign the chain up to an entry, after a look at whether what has come since the last checkpoint holds."""
    head_hash = check_segment(last, seq)
    number = last.number + 1 if last else 1
    content = {
        "kind": "checkpoint",
        "v": SCHEMA_VERSION,
        "chain": CHAIN,
        "number": number,
        "seq": seq,
        "head_hash": head_hash,
        "at": now.isoformat(timespec="microseconds"),
        "previous": last.signature if last else "",
        "key_id": key.key_id,
    }
    canonical = canonical_bytes(content)
    return Checkpoint.objects.create(
        number=number,
        seq=seq,
        head_hash=head_hash,
        at=now,
        key_id=key.key_id,
        canonical=canonical,
        signature=key.sign(canonical),
    )


def check_segment(last: Checkpoint | None, seq: int) -> str:
    """Return the hash of entry `seq`, or raise `Broken`: a signature must not cover what was edited before it."""
    prev_hash, expected = (last.head_hash, last.seq + 1) if last else (GENESIS_HASH, 1)
    entries = AuditEntry.objects.filter(seq__gte=expected, seq__lte=seq).order_by("seq")
    for number, canonical, stored in entries.values_list("seq", "canonical", "hash").iterator():
        if number != expected:
            raise Broken(expected, "it is missing")
        if link_hash(bytes_of(canonical), prev_hash) != stored:
            raise Broken(number, "its content does not match its hash")
        prev_hash, expected = stored, number + 1
    if expected != seq + 1:
        raise Broken(expected, "it is missing")
    return prev_hash


@transaction.atomic
def introduce(key: SigningKey, *, endorser: SigningKey | None = None) -> LedgerKey:
    """Keep a public key, signed by the one before it, or by itself without one, and write it into the chain."""
    public, endorsed_by = key.public.hex(), endorser.key_id if endorser else ""
    data = {"public_key": public, "endorsed_by": endorsed_by}
    entry = record(action=KEY_ADDED, actor="system", target=key.key_id, data=data)
    content = {
        "kind": "key",
        "v": SCHEMA_VERSION,
        "chain": CHAIN,
        "key_id": key.key_id,
        "public_key": public,
        "at": entry.at.isoformat(timespec="microseconds"),
        "endorsed_by": endorsed_by,
    }
    canonical = canonical_bytes(content)
    newest = LedgerKey.objects.aggregate(at=Max("added_at"))["at"]
    return LedgerKey.objects.create(
        key_id=key.key_id,
        public_key=public,
        # A key that another one signed must come after it, also when the clock was set back between them.
        added_at=max(entry.at, newest + timedelta(microseconds=1)) if newest else entry.at,
        canonical=canonical,
        signature=(endorser or key).sign(canonical),
    )


def make_next_key(path: Path, now: datetime) -> SigningKey:
    """Make a key for which the current one vouches; it signs once LEDGER_KEY_FILE names it.

    The first key, or one after a loss, has nobody to vouch for it and introduces itself with its first checkpoint.
    """
    try:
        endorser = current_key()
    except KeyUnavailable:
        return make_key_file(path)
    # What the old key covers ends with the new one's introduction.
    seal_next(endorser, now, is_asked=True)
    key = make_key_file(path)
    introduce(key, endorser=endorser)
    return key


def seal_now(now: datetime) -> bool:
    """Sign the head at once, as an export wants it; False where it cannot be, for which the duty knows the reason."""
    newest = None
    try:
        key = current_key()
        while checkpoint := seal_next(key, now, is_asked=True):
            newest = checkpoint
    except (KeyUnavailable, Broken):
        return False
    if newest is not None:
        duties.claim(duties.SIGN, now)
        duties.succeed(duties.SIGN, now, {"number": newest.number})
    return True
