"""Verify the ledger: chain, checkpoints and copies."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit.checking import verify_all


class Command(BaseCommand):
    """Exit 0 when the ledger holds, 1 with the first broken entry named when it does not."""

    help = "Verify the audit ledger from its first entry to its head, with its checkpoints and its copies."

    def handle(self, *args: Any, **options: Any) -> None:
        result, unread = verify_all()
        for sentence in unread:
            self.stderr.write(sentence)
        if not result.holds:
            raise CommandError(f"The ledger is broken at entry {result.broken_seq}: {result.problem}.")
        self.stdout.write(f"The ledger holds: {result.entries} entries, head {result.head_hash}.")
        if result.checkpoints:
            self.stdout.write(
                f"{result.checkpoints} checkpoints, signed through entry {result.signed_through} "
                f"with key {result.signed_by}."
            )
