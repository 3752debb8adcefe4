"""Workers that are killed under a change of the running demo: it ends truly, and AWS was called once."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.e2e.conftest import Demo, start_demo, stop_demo

# The demo alone is driven, but it takes as long as the browser tests do.
pytestmark = pytest.mark.browser
ACCOUNT = "333344445555"
ENDED = ("succeeded", "failed", "rolled_back", "needs_attention", "stale")
# The lease of a worker that was killed runs for a minute.
PATIENCE = 110


@pytest.fixture
def own_demo(tmp_path: Path) -> Iterator[Demo]:
    """A demo of its own: what is killed here would be missed by other tests."""
    running = start_demo(tmp_path, "--speed", "12")
    yield running
    if running.process.poll() is None:
        stop_demo(running)


def worker_of(demo: Demo, queue: str) -> int:
    """Return the process of the worker that serves a queue, among the demo's own children."""
    listed = subprocess.run(
        ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(demo.process.pid)],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line for line in listed.stdout.splitlines() if f"-Q {queue}" in line]
    assert len(lines) == 1, listed.stdout
    return int(lines[0].split()[0])


def query(demo: Demo, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(demo.folder / "ecsconsole.sqlite3", timeout=10)) as database:
        return database.execute(sql, values).fetchall()


def updates(demo: Demo) -> int:
    """Return how often the sandbox was asked to update a service."""
    found = re.search(r"Sandbox AWS:\s+(http://[\d.:]+)", demo.output)
    assert found, demo.output
    with urllib.request.urlopen(f"{found[1]}/_sandbox/calls", timeout=10) as answer:
        return int(json.load(answer)["operations"].get("ecs:UpdateService", 0))


class Person:
    """Somebody at the demo, without a browser."""

    def __init__(self, demo: Demo, name: str) -> None:
        self.demo = demo
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        address, page = self.open(demo.url + "/")
        self.send(address, page, {"username": name, "password": "demo", "login": name})

    def open(self, address: str, data: bytes | None = None) -> tuple[str, str]:
        """Return where a request ended, and the page there."""
        request = urllib.request.Request(address, data, {"Referer": address})
        with self.opener.open(request, timeout=20) as answer:
            return answer.url, answer.read().decode()

    def send(self, address: str, page: str, values: dict[str, str]) -> str:
        """Send the hidden fields of a page with some values, as its form would; return where it led."""
        fields: dict[str, str] = {}
        for tag in re.findall(r'<input[^>]*type="hidden"[^>]*>', page):
            name, value = re.search(r'name="([^"]*)"', tag), re.search(r'value="([^"]*)"', tag)
            if name:
                fields[name[1]] = value[1] if value else ""
        return self.open(address, urllib.parse.urlencode({**fields, **values}).encode())[0]


def restart(person: Person, name: str) -> int:
    """Ask for a restart and return the number of the change."""
    address, page = person.open(f"{person.demo.url}/services/{ACCOUNT}/us-east-1/dev-core/{name}/restart/")
    led_to = person.send(address, page, {"reason": "bad luck", "confirm": name, "do": "request"})
    found = re.search(r"/changes/(\d+)/", led_to)
    assert found, led_to
    return int(found[1])


def wait_for_service(demo: Demo, name: str) -> None:
    """Wait until a poll has read a service and its rollout, which takes some seconds after the start."""
    deadline = time.monotonic() + 40
    sql = """SELECT 1 FROM clusters_service s JOIN clusters_cluster c ON c.id = s.cluster_id
        JOIN clusters_servicedeployment d ON d.service_id = s.id WHERE s.name = ? AND c.name = 'dev-core'"""
    while not query(demo, sql, name):
        assert time.monotonic() < deadline, f"{name} was not read"
        time.sleep(0.5)


def wait_for_end(demo: Demo, number: int) -> tuple[Any, ...]:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        row = query(demo, "SELECT state, outcome FROM deployments_change WHERE id = ?", number)[0]
        if row[0] in ENDED:
            return row
        time.sleep(0.5)
    raise AssertionError(query(demo, "SELECT state, progress FROM deployments_change WHERE id = ?", number))


def test_changes_survive_workers_that_are_killed_and_update_the_service_once(own_demo: Demo) -> None:
    wait_for_service(own_demo, "web-frontend")
    before = updates(own_demo)
    alice = Person(own_demo, "alice")
    services = {"catalog-api": 0.0, "feature-flags": 0.7, "web-frontend": 2.5}
    numbers = []
    for name, moment in services.items():
        numbers.append(restart(alice, name))
        time.sleep(moment)
        os.kill(worker_of(own_demo, "ops"), signal.SIGKILL)
        time.sleep(1.5)
    os.kill(worker_of(own_demo, "poll"), signal.SIGKILL)
    for number in numbers:
        state, outcome = wait_for_end(own_demo, number)
        if state == "needs_attention":
            # Killed between intent and call: whether a restart was sent cannot be told, so it is not sent again.
            assert "not made a second time" in outcome
        else:
            assert state == "succeeded", outcome
        made = "SELECT COUNT(*) FROM deployments_attempt WHERE change_id = ? AND action = 'ecs:UpdateService'"
        assert query(own_demo, made, number) == [(1,)]
    assert updates(own_demo) - before <= len(services)
    assert own_demo.process.poll() is None, "the demo has replaced its workers and runs on"


def broker_of(demo: Demo) -> tuple[int, str]:
    """Return the process of the demo's own broker, and the address that the worker knows it by."""
    listed = subprocess.run(
        ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(demo.process.pid)],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line for line in listed.stdout.splitlines() if re.search(r"(valkey|redis)-server", line)]
    assert len(lines) == 1, listed.stdout
    return int(lines[0].split()[0]), environment_of(worker_of(demo, "ops"))["REDIS_URL"]


def environment_of(pid: int) -> dict[str, str]:
    pairs = Path(f"/proc/{pid}/environ").read_text(encoding="utf-8").split("\0")
    return dict(pair.split("=", 1) for pair in pairs if "=" in pair)


def wait_for_state(demo: Demo, number: int, *states: str) -> None:
    deadline = time.monotonic() + 40
    while query(demo, "SELECT state FROM deployments_change WHERE id = ?", number)[0][0] not in states:
        assert time.monotonic() < deadline, query(
            demo, "SELECT state, outcome, progress FROM deployments_change WHERE id = ?", number
        )
        time.sleep(0.2)


def wait_for_call(demo: Demo, number: int) -> None:
    """Wait until the UpdateService of a change was answered: a restart that stands still before that needs a person."""
    made = "SELECT outcome FROM deployments_attempt WHERE change_id = ? AND action = 'ecs:UpdateService'"
    deadline = time.monotonic() + 40
    while query(demo, made, number) != [("ok",)]:
        assert time.monotonic() < deadline, query(demo, made, number)
        time.sleep(0.1)


def assert_done_once(demo: Demo, number: int) -> None:
    """One call, one move per edge, and the truth about the end."""
    made = "SELECT outcome FROM deployments_attempt WHERE change_id = ? AND action = 'ecs:UpdateService'"
    assert query(demo, made, number) == [("ok",)]
    moves = query(demo, "SELECT to_state FROM deployments_transition WHERE change_id = ? ORDER BY id", number)
    assert moves == [("queued",), ("running",), ("succeeded",)]


def test_broker_that_is_emptied_and_stands_still_in_a_rollout_only_delays_it(own_demo: Demo) -> None:
    wait_for_service(own_demo, "web-frontend")
    before = updates(own_demo)
    number = restart(Person(own_demo, "alice"), "web-frontend")
    wait_for_state(own_demo, number, "running")
    pid, url = broker_of(own_demo)
    with closing(redis.Redis.from_url(url)) as broker:
        broker.flushall()
    os.kill(pid, signal.SIGSTOP)
    time.sleep(8)
    os.kill(pid, signal.SIGCONT)
    with closing(redis.Redis.from_url(url)) as broker:
        broker.flushall()
    assert wait_for_end(own_demo, number)[0] == "succeeded"
    assert_done_once(own_demo, number)
    assert updates(own_demo) - before == 1


def test_worker_that_stands_still_past_its_lease_does_nothing_when_it_goes_on(own_demo: Demo) -> None:
    wait_for_service(own_demo, "web-frontend")
    before = updates(own_demo)
    paused = worker_of(own_demo, "ops")
    command = Path(f"/proc/{paused}/cmdline").read_text(encoding="utf-8").rstrip("\0").split("\0")
    command[command.index("-n") + 1] = "second@%h"
    number = restart(Person(own_demo, "alice"), "web-frontend")
    wait_for_state(own_demo, number, "running")
    wait_for_call(own_demo, number)
    os.kill(paused, signal.SIGSTOP)
    second = subprocess.Popen(
        command, env=environment_of(paused), stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
    )
    try:
        # The second one has it once the lease of the first has run out, if that held one.
        assert wait_for_end(own_demo, number)[0] == "succeeded"
        ended = query(own_demo, "SELECT version, lease_fence FROM deployments_change WHERE id = ?", number)
        os.kill(paused, signal.SIGCONT)
        time.sleep(6)
    finally:
        os.kill(paused, signal.SIGCONT)
        second.terminate()
        second.wait(timeout=20)
    assert (
        query(own_demo, "SELECT version, lease_fence FROM deployments_change WHERE id = ?", number) == ended
    )
    assert_done_once(own_demo, number)
    assert updates(own_demo) - before == 1
