"""The console script `ecsconsole`, the same as `manage.py`."""

from __future__ import annotations

import os
import sys

# Commands that set up everything themselves, so they need no secret and no HTTPS.
LOCAL_COMMANDS = {"demo", "up", "bench"}


def main() -> None:
    """Run the command named in the arguments."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ecsconsole.settings")
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    if command == "sandbox":
        from sandbox.command import main as sandbox_main

        sys.exit(sandbox_main(sys.argv[2:]))
    if command in LOCAL_COMMANDS:
        os.environ.setdefault("ECSCONSOLE_LOCAL", "1")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
