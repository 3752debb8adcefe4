"""Print the one-time link by which the first admin is made."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from access.first_admin import make_link


class Command(BaseCommand):
    """Prints nothing once there is a user."""

    help = "Print the one-time link that makes the first admin."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--base-url", required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        link = make_link(options["base_url"])
        if link:
            self.stdout.write(f"  Make the first admin here, once, within an hour:\n  {link}")
