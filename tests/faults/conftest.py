"""The worlds of the inventory, of changes and of logs, in which no test waits in real time."""

from __future__ import annotations

import pytest

from aws import budget
from aws.budget import Budget
from tests.clusters.polling_world import world as polled
from tests.deployments.conftest import dev_rig, make_rig
from tests.logs.conftest import world as logged

__all__ = ["dev_rig", "logged", "make_rig", "polled"]


class Clock:
    """Time that passes only while somebody waits for it."""

    def __init__(self) -> None:
        self.waited = 0.0

    def read(self) -> float:
        return self.waited

    def sleep(self, seconds: float) -> None:
        self.waited += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Let the waits for tokens and between attempts take no time; only the former count."""
    clock = Clock()
    monkeypatch.setattr("aws.calls.sleep", lambda seconds: None)
    monkeypatch.setattr(budget, "_current", [Budget(clock=clock.read, sleep=clock.sleep)])
    return clock
