"""Copies of checkpoints, and of the entries between them, where the database's owner cannot reach: folder, S3."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from django.conf import settings

from audit import duties
from audit.lines import checkpoint_line, segment_lines
from audit.models import Checkpoint
from audit.verifier import join_anchors, read_anchors
from aws import s3
from aws.errors import AwsConflict, AwsError
from aws.sessions import Identity

# One round copies no more than this; the next goes on.
COPIES_PER_ROUND = 20
ANCHORS = "checkpoints.jsonl"


class CopyDiffers(Exception):
    """What lies in a copy is not what the ledger says now: one of the two was edited."""


class Target(Protocol):
    """A place for copies. `put` may be repeated: what is there already is compared, never replaced."""

    @property
    def name(self) -> str: ...

    def put(self, checkpoint: Checkpoint, body: bytes, now: datetime) -> None: ...

    def anchors(self) -> dict[int, str]: ...

    def __str__(self) -> str: ...


def segment_name(number: int) -> str:
    return f"segments/{number:010d}.jsonl"


def differs(where: str, number: int) -> CopyDiffers:
    return CopyDiffers(
        f"{where} differs from checkpoint {number} of the ledger. One of them was edited: keep both and compare them."
    )


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder, best on another machine's disk: a file of checkpoints that only grows, and a file per segment."""

    path: Path
    name: str = duties.FOLDER

    def put(self, checkpoint: Checkpoint, body: bytes, now: datetime) -> None:
        """Write the segment and append the checkpoint, each durable before this returns."""
        self.write_segment(checkpoint.number, body)
        self.drop_cut_line()
        known = self.anchors()
        if checkpoint.number in known:
            # A worker ended between writing and noting that it had.
            if known[checkpoint.number] != checkpoint.signature:
                raise differs(str(self.path / ANCHORS), checkpoint.number)
            return
        with (self.path / ANCHORS).open("a", encoding="utf-8") as file:
            file.write(checkpoint_line(checkpoint))
            file.flush()
            os.fsync(file.fileno())

    def drop_cut_line(self) -> None:
        """Take away the start of a line that a full disk or a power cut left, so that it can be written whole."""
        path = self.path / ANCHORS
        if path.exists() and (content := path.read_bytes()) and not content.endswith(b"\n"):
            os.truncate(path, content.rfind(b"\n") + 1)

    def write_segment(self, number: int, body: bytes) -> None:
        """Write a segment under its name whole or not at all; one that is there must be equal."""
        path = self.path / segment_name(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            with draft.open("xb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            draft.chmod(0o440)
            os.link(draft, path)
        except FileExistsError:
            if not same_segment(path.read_bytes(), body):
                raise differs(str(path), number) from None
        finally:
            draft.unlink(missing_ok=True)

    def anchors(self) -> dict[int, str]:
        path = self.path / ANCHORS
        return read_anchors([str(path)]) if path.exists() else {}

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket with Object Lock, best in an account of its own: an object per segment, kept for a time."""

    place: s3.Place
    mode: str
    keep: timedelta
    name: str = duties.S3

    def put(self, checkpoint: Checkpoint, body: bytes, now: datetime) -> None:
        """Write the segment under its retention."""
        name = segment_name(checkpoint.number)
        try:
            s3.put_once(self.place, name, body, mode=self.mode, keep_until=now + self.keep)
        except AwsConflict:
            if not same_segment(s3.read_object(self.place, name), body):
                raise differs(f"{self.place}/{name}", checkpoint.number) from None

    def anchors(self) -> dict[int, str]:
        """Return the newest checkpoint that is there: it contains the signatures of all before it."""
        names = s3.list_names(self.place, "segments/")
        if not names:
            return {}
        last = s3.read_object(self.place, names[-1]).decode().strip().rsplit("\n", 1)[-1]
        found = json.loads(last)
        return {int(json.loads(found["canonical"])["number"]): str(found["signature"])}

    def __str__(self) -> str:
        return str(self.place)


def same_segment(there: bytes, body: bytes) -> bool:
    """Whether two copies agree; keys that came later stand in the newer one only."""
    return [line for line in there.splitlines() if b'"kind": "key"' not in line] == [
        line for line in body.splitlines() if b'"kind": "key"' not in line
    ]


def targets() -> Iterator[Target]:
    """Yield the places that the settings name."""
    if settings.LEDGER_COPY_DIR:
        yield Folder(Path(settings.LEDGER_COPY_DIR))
    if settings.LEDGER_COPY_S3:
        address = urlsplit(settings.LEDGER_COPY_S3)
        role = settings.LEDGER_COPY_S3_ROLE_ARN
        identity = (
            Identity(role, settings.LEDGER_COPY_S3_EXTERNAL_ID, "ecsconsole-ledger") if role else Identity()
        )
        place = s3.Place(address.netloc, address.path.strip("/"), settings.LEDGER_COPY_S3_REGION, identity)
        yield Bucket(place, settings.LEDGER_COPY_LOCK_MODE, settings.LEDGER_COPY_KEEP)


def copy_due(now: datetime) -> int:
    """Copy what each place does not have yet and return how many checkpoints were copied."""
    return sum(copy_to(target, now) for target in targets())


def copy_to(target: Target, now: datetime) -> int:
    """Copy the next checkpoints to one place, in order; a failure is kept, shown, and tried again."""
    duty = duties.claim(target.name, now)
    if duty is None:
        return 0
    done = duty.detail if duty.detail.get("place") == str(target) else {"place": str(target), "number": 0}
    waiting = Checkpoint.objects.filter(number__gt=done["number"]).order_by("number")
    copied = 0
    try:
        for checkpoint in waiting[:COPIES_PER_ROUND]:
            body = "".join(segment_lines(checkpoint, has_entries=settings.LEDGER_COPY_ENTRIES)).encode()
            target.put(checkpoint, body, now)
            done = {**done, "number": checkpoint.number}
            duties.progress(target.name, done)
            copied += 1
    except (OSError, AwsError, CopyDiffers, ValueError, LookupError) as error:
        duties.fail(duty, now, str(error) or type(error).__name__)
        return copied
    except Exception as error:
        # Nobody foresaw it, so the page says it and the worker's log has the traceback.
        duties.fail(duty, now, f"{type(error).__name__}: {error}")
        raise
    if copied or duty.failure_count or duty.done_at is None:
        duties.succeed(target.name, now, done)
    else:
        duties.release(target.name, now)
    return copied


def read_all_anchors() -> tuple[dict[int, str], list[str]]:
    """Return the checkpoints that the places have, and a sentence for each place that could not be read."""
    found: dict[int, str] = {}
    unread: list[str] = []
    for target in targets():
        try:
            join_anchors(found, target.anchors())
        except (OSError, AwsError, ValueError, LookupError) as error:
            unread.append(f"The copy in {target} could not be read: {error}")
    return found, unread
