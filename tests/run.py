"""Run every check and every test, one after the other, and say at the end which did not pass."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

BIN = Path(sys.executable).parent
ROOT = Path(__file__).resolve().parent.parent
LOCAL = {"ECSCONSOLE_LOCAL": "1", "ECSCONSOLE_VAR_DIR": "var/check"}
# What production sets; `check --deploy` must have nothing to say about it.
PRODUCTION = {
    "SECRET_KEY": "check-only-" + "k3Y" * 20,
    "ALLOWED_HOSTS": "console.example.com",
    "ECSCONSOLE_VAR_DIR": "var/check",
    "ECSCONSOLE_LOCAL": "0",
}
PACKAGES = [
    "access",
    "api",
    "audit",
    "aws",
    "clusters",
    "deployments",
    "ecsconsole",
    "live",
    "logs",
    "notifications",
    "sandbox",
    "tests",
]
Step = tuple[str, list[str], dict[str, str]]
CHECKS: list[Step] = [
    ("ruff", ["ruff", "check", "."], {}),
    ("format", ["ruff", "format", "--check", "--quiet", "."], {}),
    ("types", ["mypy"], LOCAL),
    ("templates", ["djlint", "--quiet", "--lint", "templates"], {}),
    ("layers", ["lint-imports", "--no-logo"], LOCAL),
    ("migrations", ["python", "manage.py", "makemigrations", "--check", "--dry-run"], LOCAL),
    (
        "deployment settings",
        ["python", "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        PRODUCTION,
    ),
]
TESTS: list[Step] = [
    ("tests on SQLite", ["pytest", "-q", "-n", "2", "-m", "not browser and not postgres"], {}),
    ("tests on PostgreSQL", ["python", "-m", "tests.postgres"], {}),
    # Each file has a stack to itself, and two of them run at a time.
    ("browser tests", ["pytest", "-q", "-n", "2", "--dist", "loadfile", "-m", "browser", "tests/e2e"], {}),
]


def run(step: Step) -> bool:
    """Run one step; its output is shown as it comes."""
    name, command, environment = step
    started = time.monotonic()
    sys.stdout.write(f"── {name}\n")
    sys.stdout.flush()
    result = subprocess.run(
        [str(BIN / command[0]), *command[1:]], cwd=ROOT, env={**os.environ, **environment}, check=False
    )
    passed = result.returncode == 0
    sys.stdout.write(f"── {name}: {'passed' if passed else 'FAILED'} in {time.monotonic() - started:.1f} s\n")
    return passed


def main() -> int:
    """Return 0 when everything passed."""
    steps = CHECKS if "--checks" in sys.argv else [*CHECKS, *TESTS]
    failed = [step[0] for step in steps if not run(step)]
    sys.stdout.write(f"Did not pass: {', '.join(failed)}\n" if failed else "Everything passed.\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
