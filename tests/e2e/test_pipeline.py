"""What a pipeline does with the console, on the running stack: curl, and `ecsconsole deploy` by its exit codes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import ROOT, Demo, Watched
from tests.e2e.test_stack import named

pytestmark = pytest.mark.browser
Tokens = Callable[..., str]
DEV = "/services/333344445555/us-east-1/dev-core/feature-flags"
SERVICE = "arn:aws:ecs:us-east-1:333344445555:service/dev-core/feature-flags"
PLACES = {
    "feature-flags": ("--cluster", "dev-core"),
    "ledger-writer": ("--environment", "production", "--reason", "test"),
}


@pytest.fixture(scope="module")
def token(demo: Demo) -> Tokens:
    """Return a function that makes a token as an operator of the console does."""

    def make(user: str = "alice", scope: str = "operate") -> str:
        command = [sys.executable, "manage.py", "token_create", "--user", user, "--name", os.urandom(4).hex()]
        done = subprocess.run(
            [*command, "--scope", scope],
            cwd=ROOT,
            env=demo.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.splitlines()[-1]

    return make


def console(demo: Demo, token: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "ECSCONSOLE_URL": demo.url, "ECSCONSOLE_TOKEN": token}
    command = [sys.executable, "-m", "ecsconsole.cli", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240, check=False
    )


def tags(sign_in: Callable[..., Watched], address: str) -> list[str]:
    """Return the tags that the composer offers, the newest first."""
    page = sign_in("alice").page
    page.goto(f"{address}/deploy/")
    options = page.locator("fieldset.pick label .ver")
    expect(options.nth(1)).to_be_visible(timeout=20_000)
    return [text.strip() for text in options.all_inner_texts()]


def test_deploy_of_a_good_image_ends_with_zero(
    demo: Demo, token: Tokens, sign_in: Callable[..., Watched]
) -> None:
    good = next(tag for tag in tags(sign_in, DEV) if re.fullmatch(r"[\d.]+-\d+", tag))
    done = console(
        demo, token(), "deploy", "feature-flags", "--cluster", "dev-core", "--image", good, "--json"
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [lines[0]["event"], lines[-1]["event"]] == ["requested", "ended"]
    assert lines[-1]["change"]["state"] == "succeeded"
    assert "SUCCESSFUL" in lines[-1]["change"]["outcome"]
    assert "succeeded" in done.stderr


def test_deploy_of_a_crashing_image_ends_with_one(
    demo: Demo, token: Tokens, sign_in: Callable[..., Watched]
) -> None:
    bad = next(tag for tag in tags(sign_in, DEV) if tag.endswith("-crash"))
    arguments = ("deploy", "feature-flags", "--environment", "development", "--image", f"feature-flags={bad}")
    done = console(demo, token(), *arguments, "--json")
    assert done.returncode == 1, done.stderr
    last = json.loads(done.stdout.splitlines()[-1])
    assert last["change"]["state"] == "rolled_back"
    assert "circuit breaker" in last["change"]["outcome"]


@pytest.mark.parametrize(
    ("person", "scope", "arguments", "text"),
    [
        ("alice", "read", ("restart", "feature-flags"), "token of scope read"),
        ("carol", "operate", ("restart", "feature-flags"), "you need the role operator"),
        ("mallory", "operate", ("restart", "feature-flags"), "No service that this token may see"),
        ("alice", "operate", ("deploy", "feature-flags", "--image", "no-such-tag"), "not in ECR"),
        ("alice", "operate", ("restart", "ledger-writer"), "Type ledger-writer to confirm"),
    ],
)
def test_what_is_refused_ends_with_two(
    demo: Demo, token: Tokens, person: str, scope: str, arguments: tuple[str, ...], text: str
) -> None:
    done = console(demo, token(person, scope), *arguments, *PLACES[arguments[1]])
    assert (done.returncode, text in done.stderr) == (2, True), done.stderr


def test_lines_of_the_documentation_do_what_they_say(demo: Demo, token: Tokens, tmp_path: Path) -> None:
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 4
    environment = {
        **os.environ,
        "ECSCONSOLE_URL": demo.url,
        "ECSCONSOLE_TOKEN": token(),
        "SERVICE": SERVICE,
        "KEY": os.urandom(4).hex(),
    }
    script = "set -eu\n" + "\necho\necho =====\n".join(blocks)
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    listed, plan, asked, waited = (part.strip() for part in done.stdout.split("====="))
    assert SERVICE in [item["arn"] for item in json.loads(listed)["items"]]
    assert [call["action"] for call in json.loads(plan)["calls"]] == ["ecs:UpdateService"]
    assert asked.split() == ["201", "200"]
    assert json.loads(waited)["version"] >= 1


def test_fifty_who_wait_leave_the_pages_fast(demo: Demo, token: Tokens) -> None:
    """Hold fifty long polls on a change that waits for its hour, and read beside them."""
    text = token()
    later = (datetime.now(UTC) + timedelta(hours=3)).isoformat()
    body = {"service": SERVICE, "kind": "restart", "scheduled_at": later}
    change = ask(demo, text, "/changes", body)
    with ThreadPoolExecutor(50) as pool:
        waits = [pool.submit(ask, demo, text, f"/changes/{change['id']}?wait=20") for _ in range(50)]
        time.sleep(3)
        spent = []
        for _ in range(10):
            started = time.monotonic()
            ask(demo, text, "/services?limit=5")
            spent.append(time.monotonic() - started)
        assert not any(wait.done() for wait in waits)
        assert threads_of_web(demo) < 30, "fifty that wait hold no fifty threads"
        ask(demo, text, f"/changes/{change['id']}/cancel", {})
        assert {wait.result(timeout=20)["state"] for wait in waits} == {"cancelled"}
    assert sorted(spent)[5] < 1.0, spent


def ask(demo: Demo, token: str, path: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{demo.url}/api/v1{path}", data=data, headers=headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def threads_of_web(demo: Demo) -> int:
    """Return how many threads the web process has, as the kernel counts them."""
    (pid,) = named(demo, "uvicorn")[:1]
    return len(os.listdir(f"/proc/{pid}/task"))
