"""The console script `ecsconsole`, the same as `manage.py`."""

from __future__ import annotations

import os
import signal
import sys

# Clients of a console that runs elsewhere: they need neither settings nor a database.
PIPELINE = ("deploy", "restart", "scale", "rollback", "follow")


def main() -> None:
    """Run the command named in the arguments."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ecsconsole.settings")
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    # These set up the environment that Django's settings are read from, so they come before Django.
    if command in {"demo", "up"}:
        from ecsconsole.run import main as run

        sys.exit(run(command, sys.argv[2:]))
    if command == "bench":
        from ecsconsole.bench.command import main as run_bench

        sys.exit(run_bench(sys.argv[2:]))
    if command == "sandbox":
        from sandbox.command import main as run_sandbox

        sys.exit(run_sandbox(sys.argv[2:]))
    if command in PIPELINE:
        from ecsconsole.pipeline.command import main as run_pipeline

        # A pipeline that is cancelled ends us by SIGTERM; that must not look like a failure of the change.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        sys.exit(run_pipeline(sys.argv[1:], os.environ))
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
