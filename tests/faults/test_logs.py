"""Following logs in trouble: the panel says what fails, and goes on without a lost or doubled line."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from logs.store import Store
from logs.tailing import read_tail
from tests.faults.conftest import Clock
from tests.faults.control import calm, trouble
from tests.logs.conftest import LogWorld

FAULTS = [
    ("throttle", "ThrottlingException"),
    ("error", "ServerException"),
    ("outage", "ServiceUnavailable"),
    ("reset", "ConnectionClosedError"),
    ("reset-after", "ConnectionClosedError"),
    ("access-denied", "AccessDeniedException"),
    ("expired-credentials", "ExpiredTokenException"),
]


def texts(world: LogWorld) -> list[str]:
    return [entry.line.message for entry in Store(world.tail().key).latest()]


@pytest.mark.parametrize(("kind", "code"), FAULTS, ids=[kind for kind, _ in FAULTS])
def test_tail_says_what_fails_and_resumes_without_a_gap(
    logged: LogWorld, clock: Clock, as_: Any, kind: str, code: str
) -> None:
    carol = as_("carol")
    carol.get(logged.url())
    logged.write(logged.first, "before")
    read_tail(logged.tail().pk, logged.now)
    trouble(logged.server, kind, service="logs")
    for number in range(3):
        logged.server.world.advance(20)
        logged.write(logged.first, f"during {number}")
        read_tail(logged.tail().pk, logged.now)
    tail = logged.tail()
    assert tail.failing_since is not None
    assert (tail.error_action, tail.error_code) == ("logs:FilterLogEvents", code)
    assert tail.next_due_at - logged.now <= timedelta(seconds=60)
    html = carol.get(logged.url()).content.decode()
    assert "cannot be read since" in html
    assert code in html
    assert tail.error_request_id in html
    assert texts(logged) == ["before"]
    calm(logged.server)
    read_tail(tail.pk, logged.now)
    assert texts(logged) == ["before", "during 0", "during 1", "during 2"]
    assert logged.tail().failing_since is None
    assert "cannot be read since" not in carol.get(logged.url()).content.decode()
