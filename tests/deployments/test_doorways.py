"""The Celery doorways, called as a worker calls them."""

from __future__ import annotations

import pytest
import time_machine

from deployments import tasks
from deployments.states import State
from tests.deployments.rig import Rig, fresh


def test_wake_and_sweep_carry_a_change_to_its_end(dev_rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks.wake, "apply_async", lambda args, **_: tasks.wake(*args))
    change = dev_rig.ask("scale", {"desired_count": 3})
    for _ in range(30):
        with time_machine.travel(dev_rig.now, tick=False):
            tasks.sweep()
        dev_rig.world.advance(5)
    assert fresh(change).state == State.SUCCEEDED
    brief = dev_rig.call("DescribeServices", cluster="prod", services=["checkout-api"])["services"][0]
    assert brief["desiredCount"] == 3
