"""Each way of editing the ledger behind its back, by raw SQL with the triggers dropped, is found and located."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import connection

from audit import checkpoints
from audit.chain import GENESIS_HASH, canonical_bytes, link_hash
from audit.keys import SigningKey
from audit.models import AuditChain, AuditEntry, Checkpoint
from audit.verification import verify_ledger
from tests.audit.conftest import HOUR, NOON
from tests.audit.tampering import tamper

pytestmark = pytest.mark.django_db
SWAP_SEQ = [
    "UPDATE audit_auditentry SET seq = 99 WHERE seq = 5",
    "UPDATE audit_auditentry SET seq = 5 WHERE seq = 6",
    "UPDATE audit_auditentry SET seq = 6 WHERE seq = 99",
]
SHIFT_UP = [
    "UPDATE audit_auditentry SET seq = seq + 101 WHERE seq > 5",
    "UPDATE audit_auditentry SET seq = seq - 100 WHERE seq > 100",
    "INSERT INTO audit_auditentry SELECT 6, at, actor, actor_id, action, outcome, target, environment, account_id, "
    "region, cluster, service, reason, data, ip, request_id, canonical, prev_hash, hash FROM audit_auditentry WHERE seq = 5",
]


@pytest.mark.parametrize(
    ("statements", "seq", "problem"),
    [
        (["DELETE FROM audit_auditentry WHERE seq = 5"], 5, "it is missing"),
        (["UPDATE audit_auditentry SET reason = 'another' WHERE seq = 5"], 5, "columns differ"),
        (
            ["UPDATE audit_auditentry SET canonical = '{\"a\": 1}' WHERE seq = 5"],
            5,
            "does not match its hash",
        ),
        (["UPDATE audit_auditentry SET hash = prev_hash WHERE seq = 5"], 5, "does not match its hash"),
        (SHIFT_UP, 6, "does not follow the entry before it"),
        (SWAP_SEQ, 5, "does not follow the entry before it"),
        (["DELETE FROM audit_auditentry WHERE seq > 9"], 10, "checkpoint 3 signed everything up to entry 10"),
        (["DELETE FROM audit_auditentry WHERE seq > 10"], 11, "head is further on"),
        (["UPDATE audit_checkpoint SET number = number + 100"], 4, "differ from what was signed: number"),
        (["DELETE FROM audit_checkpoint WHERE number = 2"], 10, "checkpoint 2 is missing"),
        (["DELETE FROM audit_checkpoint WHERE number = 3"], 8, "checkpoint 3 was signed and is missing"),
        (["DELETE FROM audit_checkpoint", "DELETE FROM audit_duty"], 4, "every checkpoint is missing"),
        (
            [
                "UPDATE audit_checkpoint SET signature = (SELECT signature FROM audit_checkpoint WHERE number = 1) "
                "WHERE number = 2"
            ],
            7,
            "the signature of checkpoint 2 does not fit",
        ),
        (["UPDATE audit_checkpoint SET seq = 8 WHERE number = 2"], 8, "goes back to entry 7"),
        (
            ["UPDATE audit_checkpoint SET at = '2001-01-01 00:00:00+00:00' WHERE number = 2"],
            7,
            "differ from what was signed: at",
        ),
        (
            # Equal to Python, and to nobody who reads it.
            ["UPDATE audit_auditentry SET data = '{\"n\": true}' WHERE seq = 6"],
            6,
            "columns differ from what was hashed: data",
        ),
        (
            # The page of the ledger hands this column out as the console's public key.
            [f"UPDATE audit_ledgerkey SET public_key = '{'ab' * 32}'"],  # noqa: S608 - a test
            1,
            "differ from what was signed: public_key",
        ),
    ],
)
def test_it_is_found_and_located(sealed: None, statements: list[str], seq: int, problem: str) -> None:
    assert verify_ledger().holds
    tamper(*statements)
    result = verify_ledger()
    assert (result.broken_seq, problem in result.problem) == (seq, True), result.problem


def write_anew(first: int, *, keep: int | None = None) -> None:
    """Do what the owner of the database can do at best: edit an entry and link everything after it afresh."""
    rows = list(AuditEntry.objects.order_by("seq"))[: keep or None]
    prev_hash = GENESIS_HASH
    statements = [f"DELETE FROM audit_auditentry WHERE seq > {keep}"] if keep else []  # noqa: S608 - a test
    for row in rows:
        content = json.loads(bytes(row.canonical))
        if row.seq == first:
            content["actor"] = row.actor = "mallory"
        canonical = canonical_bytes(content)
        row.canonical, row.prev_hash, row.hash = canonical, prev_hash, link_hash(canonical, prev_hash)
        prev_hash = row.hash
    tamper(
        *statements,
        f"UPDATE audit_auditchain SET next_seq = {len(rows) + 1}, head_hash = '{prev_hash}'",  # noqa: S608 - a test
        f"DELETE FROM audit_auditentry WHERE seq >= {first}",  # noqa: S608 - a test
    )
    AuditEntry.objects.bulk_create([row for row in rows if row.seq >= first])


def test_a_chain_that_was_linked_afresh_contradicts_what_was_signed(sealed: None) -> None:
    write_anew(5)
    result = verify_ledger()
    assert result.broken_seq == 5
    assert "entries 5 to 7 were written anew: checkpoint 2 signed another hash" in result.problem


def test_a_chain_that_was_cut_and_linked_afresh_contradicts_what_was_signed(sealed: None) -> None:
    write_anew(8, keep=9)
    result = verify_ledger()
    assert result.broken_seq == 10
    assert "checkpoint 3 signed everything up to entry 10" in result.problem


def sign_all_anew(forger: SigningKey) -> None:
    """Replace every checkpoint and key by the forger's own."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM audit_duty")
    tamper("DELETE FROM audit_checkpoint", "DELETE FROM audit_ledgerkey")
    assert checkpoints.seal_next(forger, NOON + 9 * HOUR)


def test_checkpoints_of_a_forger_are_not_taken_for_the_consoles_own(sealed: None) -> None:
    write_anew(5)
    sign_all_anew(SigningKey(Ed25519PrivateKey.generate()))
    result = verify_ledger()
    assert not result.holds
    assert "no checkpoint is signed with a key that you know" in result.problem


def test_a_key_that_only_the_database_vouches_for_signs_nothing(sealed: None) -> None:
    forger = SigningKey(Ed25519PrivateKey.generate())
    assert checkpoints.seal_next(forger, NOON + 9 * HOUR)
    result = verify_ledger()
    assert result.broken_seq == Checkpoint.objects.get(number=4).seq
    assert "no earlier key vouches" in result.problem


def test_an_entry_beyond_the_head_is_found(sealed: None) -> None:
    copied = AuditEntry.objects.get(seq=11)
    copied.seq = 12
    copied.save(force_insert=True)
    assert AuditChain.objects.get().next_seq == 12
    assert "entry 12 stands beyond the head" in verify_ledger().problem
