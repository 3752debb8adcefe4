"""Make a report for auditors, from the database or from an exported ledger alone."""

from __future__ import annotations

import getpass
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from audit.verifier import Broken
from deployments.reports.entries import DatabaseLedger, FileLedger, NoSuchEntry
from deployments.reports.forms import ScopeForm
from deployments.reports.output import REPORTS, Report, as_csv, as_json
from deployments.reports.scope import PARTS, Scope
from deployments.reports.views import record_export


class Command(BaseCommand):
    """The same head and the same filter give the same bytes, from either source.

    With `--ledger` nothing is read but that file, which is verified first; nothing is recorded.
    """

    help = "Make a report for auditors as JSON or CSV: population, access or overrides."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("report", choices=sorted(REPORTS))
        parser.add_argument("--from", dest="since", metavar="DAY", help="first day, in UTC")
        parser.add_argument("--to", dest="until", metavar="DAY", help="last day, in UTC")
        for part in PARTS:
            parser.add_argument(f"--{part.replace('_', '-')}", dest=part, default="")
        parser.add_argument("--json", type=Path, metavar="FILE")
        parser.add_argument("--csv", type=Path, metavar="FILE")
        parser.add_argument("--ledger", type=Path, metavar="FILE", help="an export of audit_export")
        parser.add_argument("--key", action="append", default=[], help="a public key that you know")
        parser.add_argument("--through", type=int, metavar="ENTRY", help="read no further than this entry")

    def handle(self, *args: Any, **options: Any) -> None:
        scope = scope_of(options, timezone.now().date())
        found = REPORTS[options["report"]]
        ledger = open_ledger(options)
        result = found.make(ledger, scope)
        for form in ("json", "csv"):
            if (path := options[form]) is None:
                continue
            text = as_json(found, result, ledger, scope) if form == "json" else "".join(as_csv(found, result))
            write(path, text)
            note(found, scope, ledger, form)
        counted = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in result.counts.items())
        self.stdout.write(f"{found.title}, {scope.start} to {scope.end}: {counted}.")
        self.stdout.write(f"Read through entry {ledger.head.seq} ({ledger.head.hash}).")


def scope_of(options: dict[str, Any], today: date) -> Scope:
    form = ScopeForm({name: options[name] or "" for name in ("since", "until", *PARTS)}, today)
    if not form.is_valid():
        raise CommandError(form.problems)
    return form.scope


def open_ledger(options: dict[str, Any]) -> DatabaseLedger | FileLedger:
    path, through = options["ledger"], options["through"]
    try:
        return FileLedger(path, through, options["key"]) if path else DatabaseLedger(through)
    except Broken as broken:
        raise CommandError(f"{path}: the ledger is {broken}.") from broken
    except NoSuchEntry as missing:
        raise CommandError(str(missing)) from missing
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.") from error


def write(path: Path, text: str) -> None:
    if path.exists():
        raise CommandError(f"{path} is there already. Name a file that is not.")
    try:
        path.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}.") from error


def note(found: Report, scope: Scope, ledger: DatabaseLedger | FileLedger, form: str) -> None:
    """Record an export out of the console's own ledger; one out of a file is nobody's business here."""
    if isinstance(ledger, DatabaseLedger):
        record_export(found, scope, ledger, f"{form}, by {getpass.getuser()}", actor="system")
