"""Write the ledger to a file that `audit/verifier.py` verifies without the console."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from audit.exports import begin_export


class Command(BaseCommand):
    """Write to a draft first, so that FILE is whole or not there; the export is an entry of the ledger itself."""

    help = "Export the audit ledger with its checkpoints and public keys as JSONL."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE")

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        if path.exists():
            raise CommandError(f"{path} is there already. Name a file that is not.")
        data = {"file": path.name, "by": getpass.getuser()}
        export = begin_export(actor="system", now=timezone.now(), data=data)
        draft = path.with_name(f"{path.name}.part")
        try:
            with draft.open("x", encoding="utf-8") as file:
                file.writelines(export.lines())
            draft.rename(path)
        except OSError as error:
            raise CommandError(f"{path} cannot be written: {error.strerror}.") from error
        self.stdout.write(
            f"{export.extent.entry_count} entries and {export.extent.checkpoint_count} checkpoints are in {path}. "
            f"Verify them anywhere: python verifier.py {path.name}"
        )
