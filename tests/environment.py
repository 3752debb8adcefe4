"""The environment of the tests, loaded as a plugin before Django reads its settings."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
SCRATCH = Path(tempfile.mkdtemp(prefix="ecsconsole-test-"))
# A developer's own environment must not leak into a test.
for name in ("AWS_PROFILE", "DATABASE_URL"):
    os.environ.pop(name, None)
os.environ.update(
    ECSCONSOLE_LOCAL="1",
    ECSCONSOLE_VAR_DIR=str(SCRATCH),
    SECRET_KEY="a key for tests only",
    AWS_ACCESS_KEY_ID="AKIATESTSTESTSTESTS0",
    AWS_SECRET_ACCESS_KEY="test",
    AWS_DEFAULT_REGION="us-east-1",
    AWS_EC2_METADATA_DISABLED="true",
    # Nobody listens there: a test that forgets the sandbox fails at once instead of reaching out.
    AWS_ENDPOINT_URL="http://127.0.0.1:9",
    # The tests' sandboxes do not throttle; what is tested is not how long a share of AWS's limits takes.
    AWS_BUDGET_SHARE="1000",
    LOG_LEVEL="WARNING",
    DJANGO_SETTINGS_MODULE="ecsconsole.settings",
    # Playwright's own loop runs in the main thread of the browser tests.
    DJANGO_ALLOW_ASYNC_UNSAFE="1",
)
if "TEST_DATABASE_URL" in os.environ:
    os.environ["DATABASE_URL"] = os.environ["TEST_DATABASE_URL"]


def start_redis() -> None:
    """Start one real server for the whole run; it ends with this process, however that ends."""
    from ecsconsole.broker import start_broker

    os.environ["TEST_REDIS"] = start_broker(SCRATCH).url.rsplit("/", 1)[0]


if "TEST_REDIS" not in os.environ:
    start_redis()
# Each parallel worker has a database of its own on that server.
os.environ["REDIS_URL"] = (
    f"{os.environ['TEST_REDIS']}/{int(WORKER.removeprefix('gw') or 0) + 1 if WORKER else 0}"
)
