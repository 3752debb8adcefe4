"""Verify the ledger's hash chain."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit.queries import verify_chain


class Command(BaseCommand):
    """Exit 0 when the chain holds, 1 with the first broken entry named when it does not."""

    help = "Verify the audit ledger from its first entry to its head."

    def handle(self, *args: Any, **options: Any) -> None:
        result = verify_chain()
        if not result.holds:
            raise CommandError(f"The ledger is broken at entry {result.broken_seq}: {result.problem}.")
        self.stdout.write(f"The ledger holds: {result.entries} entries, head {result.head_hash}.")
