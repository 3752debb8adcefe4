"""Look for faults of the change engine for longer than `make test` can: other seeds each round, until the time is over.

SOAK_MINUTES bounds it (20). Each round prints its seed; SOAK_SEED repeats it, then only that one round is run.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

BIN = Path(sys.executable).parent
ROOT = Path(__file__).resolve().parent.parent
PYTEST = [str(BIN / "pytest"), "-q", "-x", "-p", "no:cacheprovider"]
MACHINE = "tests/deployments/test_engine_machine.py"
CONCURRENCY = "tests/deployments/test_concurrency.py"
MATRIX = "tests/deployments/test_crash_matrix.py"
# Runs of the state machine in a round: a few minutes, so that a round's answer comes in time.
EXAMPLES = "25"


def steps(seed: int, *, is_first: bool) -> list[tuple[str, list[str]]]:
    """Return what one round runs; the matrix has no chance in it, so once is enough."""
    found = [
        ("concurrency on PostgreSQL", [sys.executable, "-m", "tests.postgres", "--only", CONCURRENCY, "-x"]),
        ("state machine", [*PYTEST, f"--hypothesis-seed={seed}", MACHINE]),
    ]
    return [*found, ("crash matrix", [*PYTEST, MATRIX])] if is_first else found


def run(name: str, command: list[str], seed: int, seconds: float) -> bool | None:
    """Return whether a step passed, None when the time was over before it had ended."""
    environment = {**os.environ, "SOAK": "1", "SOAK_SEED": str(seed), "SOAK_EXAMPLES": EXAMPLES}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True)
    try:
        passed = process.wait(timeout=max(seconds, 1)) == 0
    except subprocess.TimeoutExpired:
        # pytest ends in order on SIGINT, and with it the database server that it was given.
        os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        return None
    sys.stdout.write(f"── {name}, seed {seed}: {'passed' if passed else 'FAILED'}\n")
    sys.stdout.flush()
    return passed


def main() -> int:
    """Return 0 when nothing failed; what the end of the time cut off has not failed."""
    deadline = time.monotonic() + 60 * float(os.environ.get("SOAK_MINUTES") or 20)
    fixed = os.environ.get("SOAK_SEED")
    rounds = 0
    while time.monotonic() < deadline:
        seed = int(fixed) if fixed else random.SystemRandom().randrange(10**9)
        for name, command in steps(seed, is_first=rounds == 0):
            passed = run(name, command, seed, deadline - time.monotonic())
            if passed is None:
                sys.stdout.write(f"The time is over after {rounds} whole rounds; nothing failed.\n")
                return 0
            if not passed:
                sys.stdout.write(f"Repeat it with: SOAK_SEED={seed} make soak\n")
                return 1
        rounds += 1
        if fixed:
            break
    sys.stdout.write(f"{rounds} rounds, nothing failed.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
