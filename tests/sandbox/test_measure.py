"""The sandbox's budget, with three times the room: these catch a slow algorithm, not a busy machine."""

from __future__ import annotations

import json
import subprocess
import sys

from sandbox.measure import measure


def test_two_hours_of_a_thousand_services_are_simulated_within_a_minute() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "sandbox.measure", "fleet-1000"],
        capture_output=True,
        text=True,
        timeout=180,
        check=True,
    )
    found = json.loads(ended.stdout)
    assert found["simulate_seconds"] < 180
    assert found["peak_megabytes"] < 1_500


def test_a_tick_of_five_thousand_services_takes_less_than_a_tenth_of_a_second() -> None:
    found = measure("fleet-5000", seconds=60, ticks=50)
    assert found["tick_ms_median"] < 100
    assert found["tick_ms_p99"] < 300
