"""The state of the ledger as its page shows it: how far it was verified, signed and copied."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from audit import duties
from audit.checking import is_asked
from audit.copies import targets
from audit.models import Checkpoint, Duty

# An hour, and the time that a worker may be away for a restart.
LATE = timedelta(minutes=75)


@dataclass(frozen=True, slots=True)
class Copy:
    """How one place of copies stands against the newest checkpoint."""

    label: str
    place: str
    number: int
    behind: int
    duty: Duty | None

    @property
    def error(self) -> str:
        return self.duty.error if self.duty else ""


@dataclass(frozen=True, slots=True)
class Seal:
    """What the top of the ledger page says."""

    verification: Duty | None
    signing: Duty | None
    checkpoint: Checkpoint | None
    copies: list[Copy]
    is_late: bool

    @property
    def is_asked(self) -> bool:
        return self.verification is not None and is_asked(self.verification)

    @property
    def problem(self) -> str:
        """Return what the last verification found, empty when the ledger held or was never verified."""
        detail = self.verification.detail if self.verification else {}
        if not detail.get("problem"):
            return ""
        return f"Broken at entry {detail['broken_seq']:,}: {detail['problem']}"

    @property
    def verified_through(self) -> int:
        """Return the last verified entry; signing a checkpoint verifies what has come since the one before."""
        if self.verification is None or self.verification.done_at is None or self.problem:
            return 0
        signed = self.checkpoint.seq if self.checkpoint and not self.signing_error else 0
        return max(int(self.verification.detail["entries"]), signed)

    @property
    def verified_at(self) -> datetime | None:
        """Return when that was."""
        if self.verification is None or self.verification.done_at is None:
            return None
        is_newer = self.checkpoint and self.checkpoint.seq > self.verification.detail["entries"]
        return self.checkpoint.at if self.checkpoint and is_newer else self.verification.done_at

    @property
    def signing_error(self) -> str:
        return self.signing.error if self.signing else ""

    @property
    def unread(self) -> list[str]:
        """Return which copies the last verification could not read."""
        return self.verification.detail.get("unread", []) if self.verification else []


def read_seal(now: datetime) -> Seal:
    """Read the state of the ledger in two queries; nothing is verified here."""
    known = {duty.name: duty for duty in Duty.objects.all()}
    checkpoint = Checkpoint.objects.order_by("-number").first()
    newest = checkpoint.number if checkpoint else 0
    copies = []
    for target in targets():
        duty = known.get(target.name)
        detail = duty.detail if duty and duty.detail.get("place") == str(target) else {}
        number = int(detail.get("number", 0))
        label = "folder" if target.name == duties.FOLDER else "S3"
        copies.append(Copy(label, str(target), number, newest - number, duty))
    is_late = checkpoint is not None and now - checkpoint.at > LATE
    return Seal(known.get(duties.VERIFY), known.get(duties.SIGN), checkpoint, copies, is_late)
