"""The demo as a whole: starts fast, survives, stops without a trace."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from tests.e2e.conftest import Demo, get_status, start_demo, stop_demo
from tests.ecsconsole.test_children import wait_gone

pytestmark = pytest.mark.browser


def descendants(pid: int) -> list[int]:
    """Return the processes below one, from the kernel's own list."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = {int(child): int(parent) for child, parent in (line.split() for line in listed.splitlines())}
    found: list[int] = []
    frontier = {pid}
    while frontier:
        frontier = {child for child, parent in parents.items() if parent in frontier}
        found += frontier
    return found


def named(demo: Demo, fragment: str) -> list[int]:
    """Return the demo's processes whose command line holds a text."""
    return [pid for pid in descendants(demo.process.pid) if fragment in command_of(pid)]


def command_of(pid: int) -> str:
    """Return a process's command line, empty where it has ended since it was listed."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def test_demo_is_ready_when_it_says_so(demo: Demo) -> None:
    assert demo.process.poll() is None
    with urllib.request.urlopen(f"{demo.url}/readyz") as answer:
        assert json.load(answer) == {"status": "ready", "problems": []}
    for text in ("alice", "bob", "carol", "dan", "erin", "frank", "gina", "mallory", demo.url, "Ctrl-C"):
        assert text in demo.output


def test_killed_worker_and_web_come_back(demo: Demo) -> None:
    for fragment in ("-Q ops", "uvicorn"):
        (victim,) = named(demo, fragment)[:1]
        os.kill(victim, signal.SIGKILL)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and (not named(demo, fragment) or victim in named(demo, fragment)):
            time.sleep(0.2)
        assert named(demo, fragment)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            assert get_status(f"{demo.url}/readyz") == 200
            return
        except OSError:
            time.sleep(0.2)
    raise AssertionError("the console did not come back")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_behind_and_the_data_is_used_again(tmp_path: Path, number: signal.Signals) -> None:
    first = start_demo(tmp_path / "data")
    children = descendants(first.process.pid)
    assert len(children) >= 6
    started = time.monotonic()
    first.process.send_signal(number)
    first.process.wait(timeout=10)
    assert time.monotonic() - started < 5
    assert all(wait_gone(pid) for pid in children)
    if number == signal.SIGTERM:
        second = start_demo(tmp_path / "data")
        assert get_status(f"{second.url}/readyz") == 200
        stop_demo(second)
        assert second.process.returncode == 0
