"""An export, verified by the stand-alone file in a process that knows neither the console nor its packages."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.core.management import CommandError, call_command
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit.keys import SigningKey, verify_signature
from audit.lines import line as as_line
from audit.models import AuditEntry
from audit.verifier import Broken, Walk, parse, walk_files
from tests.audit.tampering import tamper

pytestmark = pytest.mark.django_db
VERIFIER = Path(__file__).resolve().parents[2] / "audit" / "verifier.py"
Lines = list[dict[str, Any]]


def verify(*arguments: object) -> tuple[int, str]:
    """Run the verifier isolated: no environment, no site packages, no checkout on its path."""
    command = [sys.executable, "-I", "-S", str(VERIFIER), *map(str, arguments)]
    result = subprocess.run(command, cwd="/", env={}, capture_output=True, text=True, check=False)
    return result.returncode, result.stdout + result.stderr


@pytest.fixture
def exported(sealed: None, tmp_path: Path) -> Path:
    """Entries 1 to 12, the last of which is the export, with checkpoints over 4, 7, 10 and 12."""
    path = tmp_path / "ledger.jsonl"
    call_command("audit_export", str(path))
    return path


def read(path: Path) -> Lines:
    return [json.loads(text) for text in path.read_text(encoding="utf-8").splitlines()]


def write(path: Path, lines: Lines) -> Path:
    changed = path.with_name("changed.jsonl")
    changed.write_text("".join(as_line(**item) for item in lines), encoding="utf-8")
    return changed


def at_entry(lines: Lines, seq: int) -> int:
    return next(index for index, item in enumerate(lines) if item.get("seq") == seq)


def at_checkpoint(lines: Lines, number: int) -> int:
    return [index for index, item in enumerate(lines) if item["kind"] == "checkpoint"][number - 1]


def test_an_untouched_export_holds(exported: Path, key: SigningKey) -> None:
    code, text = verify(exported)
    assert code == 0, text
    assert "12 entries, 4 checkpoints" in text
    assert "Signed through entry 12" in text
    assert "Compare them with ones that you know" in text
    code, text = verify(exported, "--key", key.public.hex())
    assert (code, "Compare them" in text) == (0, False)


def test_the_export_is_its_own_last_entry(exported: Path) -> None:
    newest = AuditEntry.objects.order_by("-seq")[0]
    assert (newest.seq, newest.action) == (12, "audit.exported")
    assert [item["seq"] for item in read(exported) if item["kind"] == "entry"][-1] == 12


def test_a_file_is_never_overwritten(exported: Path) -> None:
    with pytest.raises(CommandError, match="is there already"):
        call_command("audit_export", str(exported))


def delete(lines: Lines) -> None:
    del lines[at_entry(lines, 5)]


def edit(lines: Lines) -> None:
    item = lines[at_entry(lines, 5)]
    item["canonical"] = item["canonical"].replace("CR-0", "CR-9")


def insert(lines: Lines) -> None:
    index = at_entry(lines, 5)
    lines.insert(index, dict(lines[index]))


def insert_after(lines: Lines) -> None:
    index = at_entry(lines, 5)
    lines.insert(index + 1, {**lines[index], "seq": 6})


def reorder(lines: Lines) -> None:
    first, second = at_entry(lines, 5), at_entry(lines, 6)
    lines[first], lines[second] = lines[second], lines[first]


def truncate(lines: Lines) -> None:
    del lines[at_entry(lines, 9) :]


def truncate_before_last_checkpoint(lines: Lines) -> None:
    del lines[at_entry(lines, 12)]


def truncate_with_header(lines: Lines) -> None:
    truncate(lines)
    counts = json.loads(lines[0]["canonical"]) | {"entries": 8, "checkpoints": 2}
    lines[0]["canonical"] = json.dumps(counts, sort_keys=True, separators=(",", ":"))


def swap_signatures(lines: Lines) -> None:
    second, third = lines[at_checkpoint(lines, 2)], lines[at_checkpoint(lines, 3)]
    second["signature"], third["signature"] = third["signature"], second["signature"]


def remove_checkpoint(lines: Lines) -> None:
    del lines[at_checkpoint(lines, 2)]


def remove_last_checkpoint(lines: Lines) -> None:
    del lines[at_checkpoint(lines, 4)]


def forget_key(lines: Lines) -> None:
    lines[:] = [item for item in lines if item["kind"] != "key"]


def change_key(lines: Lines) -> None:
    item = next(item for item in lines if item["kind"] == "key")
    content = json.loads(item["canonical"])
    content["public_key"] = "00" * 32
    item["canonical"] = json.dumps(content)


def remove_header(lines: Lines) -> None:
    del lines[0]


@pytest.mark.parametrize(
    ("change", "seq", "problem"),
    [
        (delete, 5, "it is missing: entry 6 stands in its place"),
        (edit, 5, "its content does not match its hash"),
        (insert, 5, "it stands there twice"),
        (insert_after, 6, "it does not follow the entry before it"),
        (reorder, 5, "it is missing: entry 6 stands in its place"),
        (truncate, 9, "the header counts 12 entries, and the file has 8"),
        (truncate_before_last_checkpoint, 12, "checkpoint 4 signed everything up to entry 12"),
        (truncate_with_header, 9, "the signature of the header does not fit"),
        (swap_signatures, 7, "the signature of checkpoint 2 does not fit"),
        (remove_checkpoint, 10, "checkpoint 2 is missing: checkpoint 3 stands in its place"),
        (remove_last_checkpoint, 11, "the header counts 4 checkpoints, and the file has 3"),
        (forget_key, 4, "checkpoint 1 is signed with the unknown key"),
        (change_key, 1, "is not the one of that name"),
        (remove_header, 1, "the header is missing"),
    ],
)
def test_each_change_of_the_file_is_found_and_located(
    exported: Path, change: Callable[[Lines], None], seq: int, problem: str
) -> None:
    lines = read(exported)
    change(lines)
    code, text = verify(write(exported, lines))
    assert code == 1
    assert f"broken at entry {seq}: " in text
    assert problem in text


@settings(
    max_examples=250,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(where=st.floats(0, 1, exclude_max=True), character=st.characters(min_codepoint=32, max_codepoint=126))
def test_no_character_can_be_changed_unseen(exported: Path, where: float, character: str) -> None:
    text = exported.read_text(encoding="utf-8")
    at = int(where * len(text))
    changed = text[:at] + character + text[at + 1 :]
    path = exported.with_name("changed.jsonl")
    path.write_text(changed, encoding="utf-8")
    walk = Walk(verify=verify_signature)
    if [parse(line) for line in changed.splitlines()] == [parse(line) for line in text.splitlines()]:
        # The same content in other characters, such as a blank after a comma.
        walk_files(walk, [str(path)], has_header=True)
        return
    with pytest.raises(Broken):
        walk_files(walk, [str(path)], has_header=True)


def test_a_file_of_another_console_is_not_taken_for_this_one(exported: Path) -> None:
    other = SigningKey(Ed25519PrivateKey.generate()).public.hex()
    code, text = verify(exported, "--key", other)
    assert (code, "no checkpoint is signed with a key that you know" in text) == (1, True)


def test_what_was_copied_elsewhere_must_be_in_the_file(exported: Path, tmp_path: Path) -> None:
    anchor = tmp_path / "checkpoints.jsonl"
    copied = [item for item in read(exported) if item["kind"] == "checkpoint"]
    anchor.write_text("".join(as_line(**item) for item in copied[:3]))
    assert verify(exported, "--anchor", anchor)[0] == 0
    number_five = {**copied[3], "canonical": copied[3]["canonical"].replace('"number":4', '"number":5')}
    anchor.write_text(as_line(**number_five))
    code, text = verify(exported, "--anchor", anchor)
    assert (code, "checkpoint 5 was copied elsewhere and is missing here" in text) == (1, True)
    anchor.write_text(as_line(**{**copied[1], "signature": "00" * 64}))
    code, text = verify(exported, "--anchor", anchor)
    assert (code, "entry 7: checkpoint 2 is not the one that was copied elsewhere" in text) == (1, True)


@pytest.mark.parametrize(
    "text", ["", "no json\n", "[]\n", '{"kind": "header"}\n', '{"kind": "header"}\n{"kind": 1}\n']
)
def test_a_file_that_is_no_export_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "other.jsonl"
    path.write_text(text)
    assert verify(path)[0] == 1


def test_a_file_that_is_not_there_is_neither_whole_nor_broken(tmp_path: Path) -> None:
    assert verify(tmp_path / "none.jsonl")[0] == 2


def test_an_export_of_a_tampered_ledger_is_the_evidence(sealed: None, tmp_path: Path) -> None:
    tamper("UPDATE audit_auditentry SET canonical = X'ff00' WHERE seq = 5") if is_sqlite() else tamper(
        "UPDATE audit_auditentry SET canonical = '\\xff00' WHERE seq = 5"
    )
    path = tmp_path / "ledger.jsonl"
    call_command("audit_export", str(path))
    code, text = verify(path)
    assert (code, "broken at entry 5: its content does not match its hash" in text) == (1, True)


def is_sqlite() -> bool:
    from django.db import connection

    return connection.vendor == "sqlite"


def test_without_a_key_the_file_says_what_is_not_signed(
    sealed: None, key: SigningKey, settings: Any, tmp_path: Path
) -> None:
    Path(settings.LEDGER_KEY_FILE).unlink()
    settings.LEDGER_KEY_IS_MADE = False
    path = tmp_path / "ledger.jsonl"
    call_command("audit_export", str(path))
    code, text = verify(path)
    assert (code, "Not signed yet: entries 11 to 12" in text) == (0, True)


def test_an_editor_that_only_changes_line_ends_changes_no_content(exported: Path, tmp_path: Path) -> None:
    path = tmp_path / "saved-again.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + exported.read_bytes().replace(b"\n", b"\r\n"))
    code, text = verify(path)
    assert code == 0, text


@pytest.mark.parametrize(
    ("old", "new", "seq"),
    [
        # Bytes and halves of characters that are no text must not pass for a file that nobody could read.
        (b"CR-0", b"CR-\xff", 1),
        (b"CR-0", b"CR-\\ud800", 1),
        (b'"seq": 5,', b'"seq": 5, "seq": 5,', 5),
        (b'"seq": 1,', b'"seq": true,', 1),
        (b'"kind": "entry", "seq": 5,', b'"kind": "entry", "actor": "alice", "seq": 5,', 5),
        (b'"kind": "entry", "seq": 5,', b'"kind": "entry", "note": NaN, "seq": 5,', 5),
        (b'"seq": 5,', b'"seq": 1' + b"0" * 5000 + b",", 5),
    ],
)
def test_what_another_reader_would_read_otherwise_is_named(
    exported: Path, old: bytes, new: bytes, seq: int
) -> None:
    path = exported.with_name("changed.jsonl")
    content = exported.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new, 1))
    code, text = verify(path)
    assert (code, f"broken at entry {seq}: " in text) == (1, True), text


def test_what_a_forged_line_says_cannot_pass_for_the_verifiers_own_words(exported: Path) -> None:
    lines = read(exported)
    item = lines[at_checkpoint(lines, 2)]
    item["canonical"] = json.dumps({"number": "\nThe ledger holds: \ud800", "seq": 7, "key_id": ""})
    code, text = verify(write(exported, lines))
    assert (code, "checkpoint 2 is missing" in text, "\nThe ledger holds" in text) == (1, True, False), text


def test_an_unsigned_header_is_said_to_prove_no_end(exported: Path) -> None:
    assert "may be missing" not in verify(exported)[1]
    lines = read(exported)
    del lines[at_entry(lines, 8) :]
    counts = json.loads(lines[0]["canonical"]) | {"entries": 7, "checkpoints": 2, "key_id": ""}
    counts["head_hash"] = lines[at_entry(lines, 7)]["hash"]
    lines[0] |= {"canonical": json.dumps(counts), "signature": ""}
    code, text = verify(write(exported, lines))
    assert (code, "newer entries may be missing" in text) == (0, True), text


@pytest.mark.parametrize(
    "text", ["", "[]\n", '{"kind": "checkpoint", "canonical": 5, "signature": ""}\n', '{"kind": "header"}\n']
)
def test_an_anchor_that_anchors_nothing_is_no_answer(exported: Path, tmp_path: Path, text: str) -> None:
    anchor = tmp_path / "checkpoints.jsonl"
    anchor.write_text(text)
    code, said = verify(exported, "--anchor", anchor)
    assert (code, "Traceback" in said) == (2, False), said


def test_an_anchor_cannot_be_replaced_by_a_later_line_or_file(exported: Path, tmp_path: Path) -> None:
    copied = [item for item in read(exported) if item["kind"] == "checkpoint"]
    forged = {**copied[1], "signature": "00" * 64}
    first, second = tmp_path / "checkpoints.jsonl", tmp_path / "another.jsonl"
    first.write_text(as_line(**forged) + as_line(**copied[1]))
    second.write_text(as_line(**copied[1]))
    for anchors in ([first], [first, second], [second, first]):
        code, text = verify(exported, *(part for path in anchors for part in ("--anchor", path)))
        assert (code, "checkpoint 2 is not the one that was copied elsewhere" in text) == (1, True), text
