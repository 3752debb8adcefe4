from __future__ import annotations

import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import boto3
import pytest
from django.core.management import CommandError, call_command

import aws
from audit import checkpoints, copies, duties
from audit.models import Duty
from aws.sessions import sessions
from tests.audit.conftest import HOUR, NOON
from tests.audit.tampering import tamper
from tests.audit.test_export import verify

if TYPE_CHECKING:
    from sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db
LATER = NOON + 3 * HOUR


@pytest.fixture
def folder(settings: Any, tmp_path: Path) -> Path:
    path = tmp_path / "copies"
    settings.LEDGER_COPY_DIR = str(path)
    return path


def segments(folder: Path) -> list[Path]:
    return sorted((folder / "segments").glob("*.jsonl"))


def test_each_checkpoint_and_its_entries_go_to_the_folder(sealed: None, folder: Path) -> None:
    assert copies.copy_due(LATER) == 3
    assert copies.copy_due(LATER) == 0
    assert len(segments(folder)) == 3
    assert stat.S_IMODE(segments(folder)[0].stat().st_mode) == 0o440
    code, text = verify("--copy", *segments(folder), "--anchor", folder / "checkpoints.jsonl")
    assert (code, "10 entries, 3 checkpoints" in text) == (0, True), text
    assert Duty.objects.get(name=duties.FOLDER).detail["number"] == 3


def test_checkpoints_can_go_alone(sealed: None, folder: Path, settings: Any) -> None:
    settings.LEDGER_COPY_ENTRIES = False
    copies.copy_due(LATER)
    assert '"kind": "entry"' not in "".join(path.read_text() for path in segments(folder))
    assert len((folder / "checkpoints.jsonl").read_text().splitlines()) == 3


def test_a_copy_that_was_not_noted_is_found_and_not_made_twice(sealed: None, folder: Path) -> None:
    copies.copy_due(LATER)
    Duty.objects.all().delete()
    assert copies.copy_due(LATER) == 3
    assert len((folder / "checkpoints.jsonl").read_text().splitlines()) == 3
    assert len(list((folder / "segments").iterdir())) == 3


def test_a_failure_is_kept_and_tried_again(sealed: None, folder: Path) -> None:
    folder.write_text("a file where the folder should be")
    assert copies.copy_due(LATER) == 0
    duty = Duty.objects.get(name=duties.FOLDER)
    assert (duty.failure_count, duty.failed_at) == (1, LATER)
    assert duty.error
    assert copies.copy_due(LATER) == 0
    assert Duty.objects.get(name=duties.FOLDER).failure_count == 1, "not before its next try"
    copies.copy_due(duty.next_at)
    assert Duty.objects.get(name=duties.FOLDER).failure_count == 2
    folder.unlink()
    assert copies.copy_due(duty.next_at + timedelta(hours=1)) == 3
    duty = Duty.objects.get(name=duties.FOLDER)
    assert (duty.error, duty.failure_count, duty.failed_at) == ("", 0, None)


def test_a_line_that_a_full_disk_cut_is_written_again(sealed: None, folder: Path) -> None:
    copies.copy_due(LATER)
    path = folder / "checkpoints.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    Duty.objects.all().delete()
    assert copies.copy_due(LATER) == 3
    assert Duty.objects.get(name=duties.FOLDER).error == ""
    assert path.read_bytes() == whole


def test_a_line_that_is_no_checkpoint_is_named(sealed: None, folder: Path) -> None:
    copies.copy_due(LATER)
    path = folder / "checkpoints.jsonl"
    path.write_bytes(b"edited\n" + path.read_bytes())
    Duty.objects.all().delete()
    assert copies.copy_due(LATER) == 0
    assert Duty.objects.get(name=duties.FOLDER).error == f"line 1 of {path} is no checkpoint"


def test_a_copy_that_differs_is_never_replaced(sealed: None, folder: Path) -> None:
    copies.copy_due(LATER)
    path = segments(folder)[1]
    path.chmod(0o640)
    path.write_text("edited\n")
    Duty.objects.all().delete()
    copies.copy_due(LATER)
    assert "differs from checkpoint 2" in Duty.objects.get(name=duties.FOLDER).error
    assert path.read_text() == "edited\n"


def cut_to_second_checkpoint() -> None:
    """Cut the ledger back so well that it agrees with itself."""
    tamper(
        "DELETE FROM audit_checkpoint WHERE number = 3",
        "DELETE FROM audit_duty",
        "UPDATE audit_auditchain SET next_seq = 8, head_hash = (SELECT hash FROM audit_auditentry WHERE seq = 7)",
        "DELETE FROM audit_auditentry WHERE seq > 7",
    )


def test_a_ledger_that_was_cut_back_contradicts_its_copy(sealed: None, folder: Path, settings: Any) -> None:
    copies.copy_due(LATER)
    cut_to_second_checkpoint()
    settings.LEDGER_COPY_DIR = ""
    call_command("audit_verify")
    settings.LEDGER_COPY_DIR = str(folder)
    with pytest.raises(CommandError, match="entry 8: checkpoint 3 was copied elsewhere and is missing here"):
        call_command("audit_verify")


def test_an_unreadable_copy_is_said(sealed: None, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder.mkdir()
    (folder / "checkpoints.jsonl").write_text("no json\n")
    call_command("audit_verify")
    assert "could not be read" in capsys.readouterr().err


@pytest.fixture
def bucket(sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[Any]:
    """A bucket with Object Lock in the sandbox, reached over HTTP with boto3 alone."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", sandbox.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIASANDBOXHUB000000")
    aws.configure(redis_url="", share=1.0)
    sessions.clear()
    client = boto3.client("s3", region_name="us-east-1")
    # The sandbox's buckets live as long as the process.
    client.ledger, client.plain = f"ledger-{uuid4().hex}", f"plain-{uuid4().hex}"
    client.create_bucket(Bucket=client.ledger, ObjectLockEnabledForBucket=True)
    client.create_bucket(Bucket=client.plain)
    settings.LEDGER_COPY_S3 = f"s3://{client.ledger}/console/one"
    settings.LEDGER_COPY_S3_REGION = "us-east-1"
    yield client
    sessions.clear()


def test_each_checkpoint_and_its_entries_go_to_s3_under_a_lock(
    sealed: None, bucket: Any, tmp_path: Path
) -> None:
    assert copies.copy_due(LATER) == 3, Duty.objects.get(name=duties.S3).error
    listed = bucket.list_objects_v2(Bucket=bucket.ledger)["Contents"]
    assert [item["Key"] for item in listed] == [
        f"console/one/segments/{number:010d}.jsonl" for number in (1, 2, 3)
    ]
    paths = []
    for item in listed:
        answer = bucket.get_object(Bucket=bucket.ledger, Key=item["Key"])
        assert answer["ObjectLockMode"] == "COMPLIANCE"
        assert answer["ObjectLockRetainUntilDate"] - LATER > timedelta(days=399)
        paths.append(tmp_path / item["Key"].rsplit("/", 1)[-1])
        paths[-1].write_bytes(answer["Body"].read())
    assert verify("--copy", *paths)[0] == 0


def test_s3_is_asked_again_and_nothing_is_written_twice(sealed: None, bucket: Any) -> None:
    copies.copy_due(LATER)
    Duty.objects.all().delete()
    assert copies.copy_due(LATER) == 3
    versions = bucket.list_object_versions(Bucket=bucket.ledger)["Versions"]
    assert len(versions) == 3


def test_a_bucket_without_a_lock_is_refused_and_said(sealed: None, bucket: Any, settings: Any) -> None:
    settings.LEDGER_COPY_S3 = f"s3://{bucket.plain}"
    assert copies.copy_due(LATER) == 0
    assert "missing ObjectLockConfiguration" in Duty.objects.get(name=duties.S3).error


def test_a_missing_bucket_is_said_and_the_folder_goes_on(
    sealed: None, bucket: Any, folder: Path, settings: Any
) -> None:
    settings.LEDGER_COPY_S3 = "s3://nowhere"
    assert copies.copy_due(LATER) == 3
    assert "s3:PutObject" in Duty.objects.get(name=duties.S3).error
    settings.LEDGER_COPY_S3 = f"s3://{bucket.ledger}"
    assert copies.copy_due(LATER + HOUR) == 3


def test_a_ledger_that_was_cut_back_contradicts_s3(sealed: None, bucket: Any) -> None:
    copies.copy_due(LATER)
    cut_to_second_checkpoint()
    with pytest.raises(CommandError, match="checkpoint 3 was copied elsewhere"):
        call_command("audit_verify")


def test_what_comes_later_is_copied_later(sealed: None, folder: Path) -> None:
    copies.copy_due(LATER)
    checkpoints.seal_due(LATER)
    assert copies.copy_due(LATER) == 1
