"""The ledger as reports read it: the same from the database and from an exported file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from django.db.models import Max, Q, QuerySet

from audit.models import AuditEntry
from audit.verifier import GENESIS_HASH, Walk, lines_of, walk_files
from ecsconsole.errors import ConsoleError

BATCH = 1000
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
FIELDS = (
    "seq",
    "at",
    "actor",
    "actor_id",
    "action",
    "outcome",
    "target",
    "environment",
    "account_id",
    "region",
    "cluster",
    "service",
    "reason",
    "data",
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry, as it was hashed."""

    seq: int
    at: datetime
    actor: str
    actor_id: str
    action: str
    outcome: str
    target: str
    environment: str
    account_id: str
    region: str
    cluster: str
    service: str
    reason: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Head:
    """The newest entry that a report has read; with the filter it determines every byte of it."""

    seq: int
    hash: str
    at: datetime


class NoSuchEntry(ConsoleError):
    """The ledger does not reach as far as was asked."""

    status = 404
    title = "Not in the ledger"


class Ledger(Protocol):
    """Where entries come from."""

    @property
    def head(self) -> Head: ...

    def read(self, actions: Iterable[str], since: datetime = BEGINNING) -> Iterator[Entry]:
        """Yield entries of these actions up to the head, in their order; a dot at the end stands for a family."""

    def last_acts(self, until: datetime, action: str = "") -> dict[str, datetime]:
        """Return when each person last did something, or did this, by their stable id."""


class DatabaseLedger:
    """The ledger of this console, up to an entry; what is appended meanwhile is not read."""

    def __init__(self, through: int | None = None) -> None:
        rows = AuditEntry.objects.order_by("-seq")
        found = (rows if through is None else rows.filter(seq=through)).values("seq", "hash", "at").first()
        if found is None and through is not None:
            raise NoSuchEntry(f"The ledger has no entry {through}.")
        self.head = Head(**found) if found else Head(0, GENESIS_HASH, BEGINNING)

    def entries(self) -> QuerySet[AuditEntry]:
        return AuditEntry.objects.filter(seq__lte=self.head.seq)

    def read(self, actions: Iterable[str], since: datetime = BEGINNING) -> Iterator[Entry]:
        names = list(actions)
        wanted = Q(action__in=[name for name in names if not name.endswith(".")])
        for family in (name for name in names if name.endswith(".")):
            wanted |= Q(action__startswith=family)
        rows = self.entries().filter(wanted, at__gte=since).order_by("seq")
        for row in rows.values_list(*FIELDS).iterator(chunk_size=BATCH):
            yield Entry(*row)

    def last_acts(self, until: datetime, action: str = "") -> dict[str, datetime]:
        rows = self.entries().filter(at__lt=until).exclude(actor_id="")
        rows = rows.filter(action=action) if action else rows
        return dict(rows.order_by().values_list("actor_id").annotate(last=Max("at")))


class FileLedger:
    """An exported ledger, verified before anything of it is believed; needs no database.

    Raises `audit.verifier.Broken` naming the first entry that does not hold. Is read anew for each question, and must
    not change meanwhile.
    """

    def __init__(self, path: Path, through: int | None = None, keys: Iterable[str] = ()) -> None:
        self.path = path
        walk = Walk(keys)
        walk_files(walk, [str(path)], has_header=True)
        last = walk.entries if through is None else through
        self.head = Head(0, GENESIS_HASH, BEGINNING)
        for line, content in self.lines():
            if line["seq"] == last:
                self.head = Head(last, line["hash"], datetime.fromisoformat(content["at"]))
        if self.head.seq != last:
            raise NoSuchEntry(f"{path} has no entry {last}.")

    def lines(self) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        """Yield each entry's line with what it hashed, read as the verifier has read it."""
        for _, _, text in lines_of([str(self.path)]):
            line = json.loads(text)
            if line["kind"] == "entry":
                yield line, json.loads(line["canonical"])

    def entries(self) -> Iterator[Entry]:
        for _, content in self.lines():
            if content["seq"] > self.head.seq:
                return
            moment = datetime.fromisoformat(content["at"])
            yield Entry(**{name: content[name] for name in FIELDS} | {"at": moment})

    def read(self, actions: Iterable[str], since: datetime = BEGINNING) -> Iterator[Entry]:
        names = list(actions)
        families = tuple(name for name in names if name.endswith("."))
        for entry in self.entries():
            is_wanted = entry.action in names or entry.action.startswith(families)
            if is_wanted and entry.at >= since:
                yield entry

    def last_acts(self, until: datetime, action: str = "") -> dict[str, datetime]:
        found: dict[str, datetime] = {}
        for entry in self.entries():
            if entry.actor_id and entry.at < until and action in ("", entry.action):
                # A clock that was set back must not make somebody's last act an earlier one.
                found[entry.actor_id] = max(entry.at, found.get(entry.actor_id, entry.at))
        return found
