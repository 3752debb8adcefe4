"""Write who may what into the ledger where it does not know it yet."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from access.actions import SYSTEM
from access.snapshots import take_snapshot


class Command(BaseCommand):
    """Safe to run again: without a difference nothing is written."""

    help = "Compare the ledger's word on access with the tables, and write a snapshot where they differ."

    def handle(self, *args: Any, **options: Any) -> None:
        count = take_snapshot(actor=SYSTEM)
        told = "The ledger tells all of it." if not count else f"Written down in {count} entries."
        self.stdout.write(told)
