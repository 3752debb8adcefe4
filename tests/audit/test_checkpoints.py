from __future__ import annotations

import stat
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from audit import checking, checkpoints, duties
from audit.checks import check_signing_key
from audit.keys import KeyUnavailable, SigningKey, current_key, make_key_file, verify_signature
from audit.models import AuditEntry, Checkpoint, Duty, LedgerKey
from audit.verification import verify_ledger
from audit.verifier import Walk, walk_files
from tests.audit.conftest import HOUR, NOON, write
from tests.audit.tampering import tamper

pytestmark = pytest.mark.django_db


def test_a_checkpoint_signs_where_the_chain_stands(key: SigningKey) -> None:
    write(2)
    assert checkpoints.seal_due(NOON) == 1
    made = Checkpoint.objects.get()
    newest = AuditEntry.objects.order_by("-seq")[0]
    assert (made.number, made.seq, made.head_hash) == (1, newest.seq, newest.hash)
    assert verify_signature(key.public, bytes(made.canonical), bytes.fromhex(made.signature))
    assert newest.action == "audit.key_added"


def test_it_is_due_once_an_hour_even_when_nothing_was_written(key: SigningKey) -> None:
    write(1)
    seconds = [0, 60, 3594, 3595, 3600, 7195]
    made = [checkpoints.seal_due(NOON + timedelta(seconds=second)) for second in seconds]
    assert made == [1, 0, 0, 1, 0, 1]
    assert verify_ledger().checkpoints == 3


def test_it_is_due_each_thousand_entries(key: SigningKey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "ENTRIES_PER_CHECKPOINT", 10)
    write(1)
    checkpoints.seal_due(NOON)
    write(9)
    assert checkpoints.seal_due(NOON) == 0
    write(13)
    assert checkpoints.seal_due(NOON) == 2
    assert list(Checkpoint.objects.order_by("number").values_list("seq", flat=True)) == [2, 12, 22]
    assert verify_ledger().signed_through == 22


def test_the_number_of_entries_is_a_thousand() -> None:
    assert checkpoints.ENTRIES_PER_CHECKPOINT == 1000


def test_each_contains_the_signature_of_the_one_before(sealed: None) -> None:
    first, second, third = Checkpoint.objects.order_by("number")
    assert second.signature in bytes(third.canonical).decode()
    assert first.signature in bytes(second.canonical).decode()
    result = verify_ledger()
    assert (result.holds, result.entries, result.checkpoints, result.signed_through) == (True, 11, 3, 10)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_checkpoint SET seq = 1",
        "DELETE FROM audit_checkpoint",
        "UPDATE audit_ledgerkey SET public_key = ''",
        "DELETE FROM audit_ledgerkey",
        # Goes back, and leaves a number out.
        "INSERT INTO audit_checkpoint SELECT 4, 9, head_hash, at, canonical, signature, key_id FROM audit_checkpoint WHERE number = 3",
        "INSERT INTO audit_checkpoint SELECT 5, 11, head_hash, at, canonical, signature, key_id FROM audit_checkpoint WHERE number = 3",
    ],
)
def test_database_refuses_to_change_checkpoints_and_to_go_back(sealed: None, statement: str) -> None:
    with pytest.raises(DatabaseError, match=r"append-only|never goes back"), transaction.atomic():
        connection.cursor().execute(statement)
    assert verify_ledger().holds


def test_what_was_edited_before_it_was_signed_is_not_signed(sealed: None) -> None:
    tamper("UPDATE audit_auditentry SET canonical = '{}' WHERE seq = 11")
    assert checkpoints.seal_due(NOON + 3 * HOUR) == 0
    duty = Duty.objects.get(name=duties.SIGN)
    assert "broken at entry 11" in duty.error
    assert Checkpoint.objects.count() == 3


def test_a_missing_key_is_said_and_tried_again(settings: Any, tmp_path: Path) -> None:
    settings.LEDGER_KEY_FILE, settings.LEDGER_KEY_IS_MADE = str(tmp_path / "key.pem"), False
    write(1)
    assert checkpoints.seal_due(NOON) == 0
    duty = Duty.objects.get(name=duties.SIGN)
    assert "cannot be read" in duty.error
    assert duty.failed_at == NOON
    make_key_file(tmp_path / "key.pem")
    assert checkpoints.seal_due(NOON) == 0, "not before its next try"
    assert checkpoints.seal_due(duty.next_at) == 1
    assert Duty.objects.get(name=duties.SIGN).error == ""


def test_a_key_is_readable_by_its_owner_alone_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "key.pem"
    key = make_key_file(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        make_key_file(path)
    assert list(path.parent.iterdir()) == [path]
    assert key.public.hex() not in path.read_text()


def test_a_key_that_others_can_read_is_warned_of(key: SigningKey, settings: Any) -> None:
    assert check_signing_key(None) == []
    Path(settings.LEDGER_KEY_FILE).chmod(0o640)
    assert [warning.id for warning in check_signing_key(None)] == ["audit.W001"]
    settings.LEDGER_KEY_FILE = "/nowhere/key.pem"
    assert check_signing_key(None) == []


@pytest.mark.parametrize("content", [b"", b"not a key", b"-----BEGIN PRIVATE KEY-----\nAAAA\n"])
def test_a_file_that_is_no_key_is_named(settings: Any, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(content)
    settings.LEDGER_KEY_FILE = str(path)
    with pytest.raises(KeyUnavailable, match=r"key\.pem"):
        current_key()


def rotate(settings: Any, tmp_path: Path) -> SigningKey:
    path = tmp_path / "next.pem"
    call_command("audit_new_key", str(path))
    settings.LEDGER_KEY_FILE = str(path)
    return current_key()


def test_a_new_key_is_vouched_for_and_the_old_one_stays_known(
    sealed: None, key: SigningKey, settings: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    second = rotate(settings, tmp_path)
    assert second.public.hex() in capsys.readouterr().out
    # The new key signs at once, not at the next hour.
    assert checkpoints.seal_due(NOON + timedelta(days=9)) == 1
    assert list(Checkpoint.objects.order_by("number").values_list("key_id", flat=True)) == [
        *[key.key_id] * 4,
        second.key_id,
    ]
    assert set(LedgerKey.objects.values_list("key_id", flat=True)) == {key.key_id, second.key_id}
    assert verify_ledger().holds
    with pytest.raises(CommandError, match="cannot be made"):
        call_command("audit_new_key", settings.LEDGER_KEY_FILE)


def test_after_a_loss_the_console_goes_on_with_a_key_that_it_knows_itself(
    sealed: None, settings: Any, tmp_path: Path
) -> None:
    Path(settings.LEDGER_KEY_FILE).unlink()
    settings.LEDGER_KEY_IS_MADE = False
    rotate(settings, tmp_path)
    assert checkpoints.seal_due(NOON + 5 * HOUR) == 1
    assert verify_ledger().holds
    # Whoever does not hold the new key sees that nobody vouches for it.
    Path(settings.LEDGER_KEY_FILE).unlink()
    assert "no earlier key vouches" in verify_ledger().problem


@pytest.mark.parametrize("ahead", [timedelta(minutes=50), timedelta(hours=5), timedelta(days=300)])
def test_a_clock_that_was_ahead_and_was_set_right_stops_no_hour(key: SigningKey, ahead: timedelta) -> None:
    write(1)
    assert checkpoints.seal_due(NOON + ahead) == 1
    assert checkpoints.seal_due(NOON + ahead) == 0
    made = [checkpoints.seal_due(NOON + minutes * timedelta(minutes=1)) for minutes in range(10, 250, 10)]
    assert sum(made) in (4, 5)
    assert verify_ledger().holds


def test_a_clock_that_was_ahead_stops_no_retry(settings: Any, tmp_path: Path) -> None:
    settings.LEDGER_KEY_FILE, settings.LEDGER_KEY_IS_MADE = str(tmp_path / "key.pem"), False
    write(1)
    assert checkpoints.seal_due(NOON + timedelta(days=300)) == 0
    make_key_file(tmp_path / "key.pem")
    assert checkpoints.seal_due(NOON) == 1


def test_a_clock_that_was_ahead_stops_no_verification(sealed: None) -> None:
    assert checking.verify_due(NOON + timedelta(days=300)) is not None
    assert checking.verify_due(NOON + timedelta(days=1)) is not None
    assert checking.verify_due(NOON + timedelta(days=200)) is not None
    duties.ask(duties.VERIFY, NOON + timedelta(days=190))
    assert checking.verify_due(NOON + timedelta(days=190)) is not None


def test_a_key_that_came_while_the_clock_was_set_back_comes_after_the_one_that_vouches_for_it(
    sealed: None, settings: Any, tmp_path: Path
) -> None:
    with time_machine.travel(NOON - timedelta(days=1000)):
        rotate(settings, tmp_path)
    assert checkpoints.seal_due(NOON + 4 * HOUR) == 1
    result = verify_ledger()
    assert result.holds, result.problem
    path = tmp_path / "ledger.jsonl"
    call_command("audit_export", str(path))
    walk_files(Walk(), [str(path)], has_header=True)
