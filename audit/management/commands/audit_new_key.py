"""Make the next key that signs checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from audit.checkpoints import make_next_key


class Command(BaseCommand):
    """The current key vouches for the new one, so run it where LEDGER_KEY_FILE can be read."""

    help = "Make a key that signs the ledger's checkpoints, and let the current one vouch for it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE")

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        try:
            key = make_next_key(path, timezone.now())
        except OSError as error:
            raise CommandError(f"{path} cannot be made: {error.strerror}.") from error
        self.stdout.write(
            f"Key {key.key_id} is in {path}, readable by you alone. Its public half is\n{key.public.hex()}\n"
            f"Set LEDGER_KEY_FILE={path} and restart; keep the public half where auditors find it."
        )
