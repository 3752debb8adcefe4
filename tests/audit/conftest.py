"""A signing key of each test's own, and a ledger with three checkpoints."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from audit import checkpoints
from audit.actions import record
from audit.keys import SigningKey, current_key

NOON = datetime(2026, 11, 26, 12, 0, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)


def write(count: int) -> None:
    for number in range(count):
        record(action="change.requested", actor="system", target=f"CR-{number}", data={"n": number})


@pytest.fixture
def key(settings: Any, tmp_path: Path) -> SigningKey:
    settings.LEDGER_KEY_FILE = str(tmp_path / "keys" / "ledger-key.pem")
    settings.LEDGER_KEY_IS_MADE = True
    return current_key()


@pytest.fixture
def sealed(db: None, key: SigningKey) -> None:
    """Entries 1 to 11, with checkpoints over entries 4, 7 and 10; entry 4 introduces the key."""
    for hour in range(3):
        write(3)
        assert checkpoints.seal_due(NOON + hour * HOUR) == 1
    write(1)
