from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from sandbox.command import main

ROOT = Path(__file__).parents[2]


def start(*arguments: str) -> tuple[subprocess.Popen[str], str]:
    """Start the command; return it with the URL that its one line names."""
    process = subprocess.Popen(
        [sys.executable, "-m", "sandbox", "--port", "0", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.match(r"sandbox ready: (http://127\.0\.0\.1:\d+) ", line)
    assert found is not None, line
    return process, found[1]


def test_it_serves_until_sigterm_and_stops_within_a_second() -> None:
    process, url = start("--scenario", "empty", "--manual", "--speed", "5")
    with urllib.request.urlopen(f"{url}/_sandbox/health", timeout=5) as answer:
        health = json.load(answer)
    assert (health["status"], health["scenario"], health["manual"]) == ("ok", "empty", True)
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=5) == 0
    assert time.monotonic() - began < 1.5


def test_it_ends_with_the_parent_that_was_named() -> None:
    parent = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    process, _ = start("--scenario", "empty", "--parent-pid", str(parent.pid))
    assert process.poll() is None
    parent.communicate(b"\n")
    assert process.wait(timeout=5) == 0


def test_a_taken_port_is_said_plainly(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["--scenario", "empty", "--port", str(port)]) == 1
    assert f"cannot listen on 127.0.0.1:{port}" in capsys.readouterr().err


def test_the_aws_cli_walks_through_a_deployment_with_its_own_waiters() -> None:
    process, url = start("--scenario", "acme", "--speed", "200", "--no-throttle")
    environment = os.environ | {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "333344445555",
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_PAGER": "",
    }

    def aws(*arguments: str) -> str:
        done = subprocess.run(
            [Path(sys.executable).parent / "aws", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    target = ("--cluster", "dev-core")
    try:
        aws("ecs", "update-service", *target, "--service", "feature-flags", "--desired-count", "3")
        aws("ecs", "wait", "services-stable", *target, "--services", "feature-flags")
        listed = json.loads(aws("ecs", "list-tasks", *target, "--service-name", "feature-flags"))
        assert len(listed["taskArns"]) == 3
        aws("ecs", "wait", "tasks-running", *target, "--tasks", *listed["taskArns"])
    finally:
        process.terminate()
        process.wait(timeout=5)
