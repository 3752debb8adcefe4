"""The commands for pipelines against a console that plays its part from a script."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from ecsconsole.pipeline import command, connection
from ecsconsole.pipeline.report import Report

ARN = "arn:aws:ecs:us-east-1:111122223333:service/prod-core/checkout-api"
SERVICE = {"arn": ARN, "environment": "production", "cluster": "prod-core", "containers": [{"name": "app"}]}
Reply = tuple[int, Any]


def change(state: str, version: int = 1, **more: Any) -> dict[str, Any]:
    is_final = state not in ("awaiting_approval", "queued", "running", "rolling_back", "needs_attention")
    base = {
        "id": 7,
        "number": "CR-7",
        "title": "Deploy checkout-api v2",
        "url": "http://console/changes/7/",
        "state": state,
        "is_final": is_final,
        "version": version,
        "outcome": f"It ended {state}." if is_final else "",
        "diagnosis": None,
        "rollout": None,
    }
    return {**base, **more}


@dataclass
class Script:
    """A console that answers each address by its list of replies, the last one again and again."""

    replies: dict[str, list[Reply]] = field(default_factory=dict)
    seen: list[tuple[str, str, dict[str, str], Any]] = field(default_factory=list)
    url: str = ""

    def reply(self, method: str, path: str, headers: dict[str, str], body: Any) -> Reply:
        self.seen.append((method, path, headers, body))
        plain = f"{method} {path.partition('?')[0].removeprefix('/api/v1')}"
        waiting = self.replies.get(plain)
        if not waiting:
            return 404, {"error": {"code": "not_here", "message": "Nothing is at this address."}}
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]

    def keys(self) -> list[str]:
        return [headers["Idempotency-Key"] for method, _, headers, _ in self.seen if method == "POST"]


@pytest.fixture
def script() -> Iterator[Script]:
    played = Script()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.play(None)

        def do_POST(self) -> None:
            self.play(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def play(self, body: Any) -> None:
            status, content = played.reply(self.command, self.path, dict(self.headers), body)
            if status == 0:
                # The connection breaks under the request.
                self.close_connection = True
                return
            text = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            if status == 302:
                self.send_header("Location", f"{played.url}/elsewhere")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    played.url = f"http://127.0.0.1:{server.server_port}"
    played.replies = {"GET /services": [(200, {"items": [SERVICE], "next": None})]}
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield played
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait no second in earnest: pauses between attempts are counted and not made."""
    original = connection.Connection.__init__

    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        passed = [0.0]
        kwargs |= {"sleep": lambda s: passed.__setitem__(0, passed[0] + s), "clock": lambda: passed[0]}
        original(self, *args, **kwargs)

    monkeypatch.setattr(connection.Connection, "__init__", init)


@dataclass
class Ran:
    code: int
    people: str
    lines: list[dict[str, Any]]


Run = Callable[..., Ran]


@pytest.fixture
def run(script: Script) -> Run:
    """Return a function that runs a command line in this process."""

    def run_it(*arguments: str, token: str = "ecs_x") -> Ran:
        people, machines = io.StringIO(), io.StringIO()
        code = command.main(
            arguments,
            {"ECSCONSOLE_URL": script.url, "ECSCONSOLE_TOKEN": token},
            Report(as_json=True, people=people, machines=machines),
        )
        return Ran(code, people.getvalue(), [json.loads(line) for line in machines.getvalue().splitlines()])

    return run_it


def deploys(script: Script, *states: str) -> None:
    """Let a change be accepted and go through states."""
    first, *rest = states
    script.replies["POST /changes"] = [(201, change(first, 0))]
    script.replies["GET /changes/7"] = [(200, change(state, n)) for n, state in enumerate(rest, 1)]


DEPLOY = ("deploy", "checkout-api", "--image", "app=v2", "--wait")


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("succeeded", 0),
        ("failed", 1),
        ("rolled_back", 1),
        ("rejected", 2),
        ("cancelled", 2),
        ("expired", 2),
        ("stale", 2),
        ("needs_attention", 3),
        ("a_state_of_next_year", 3),
    ],
)
def test_exit_code_says_how_it_ended(script: Script, run: Run, end: str, code: int) -> None:
    deploys(script, "queued", "running", end)
    ran = run(*DEPLOY)
    assert ran.code == code
    assert (ran.lines[-1]["event"], ran.lines[-1]["exit_code"]) == ("ended", code)
    assert ran.lines[-1]["change"]["state"] == end
    assert end.replace("_", " ") in ran.people


def test_only_success_is_ever_zero() -> None:
    assert [state for state, code in command.CODES.items() if code == 0] == ["succeeded"]


def test_request_says_what_was_typed(script: Script, run: Run) -> None:
    deploys(script, "queued", "succeeded")
    run(*DEPLOY, "--reason", "release", "--ticket", "S-1", "--confirm", "checkout-api", "--if-busy", "queue")
    (_, _, headers, body) = next(item for item in script.seen if item[0] == "POST")
    assert body == {
        "service": ARN,
        "kind": "deploy",
        "images": {"app": "v2"},
        "reason": "release",
        "ticket": "S-1",
        "confirm": "checkout-api",
        "if_busy": "queue",
    }
    assert headers["Authorization"] == "Bearer ecs_x"
    assert headers["Idempotency-Key"]


@pytest.mark.parametrize(
    ("arguments", "body"),
    [
        (("restart", "checkout-api"), {"kind": "restart"}),
        (("scale", "checkout-api", "--count", "4"), {"kind": "scale", "desired_count": 4}),
        (("rollback", "checkout-api"), {"kind": "rollback"}),
        (("rollback", "checkout-api", "--to", "arn:x"), {"kind": "rollback", "service_deployment": "arn:x"}),
        (("deploy", "checkout-api", "--image", "v2"), {"kind": "deploy", "images": {"app": "v2"}}),
    ],
)
def test_each_command_asks_for_its_kind(
    script: Script, run: Run, arguments: tuple[str, ...], body: dict[str, Any]
) -> None:
    deploys(script, "queued", "succeeded")
    assert run(*arguments).code == 0
    sent = next(item[3] for item in script.seen if item[0] == "POST")
    assert sent == {"service": ARN, "if_busy": "refuse", **body}


def test_broken_connection_is_tried_again_with_the_same_key(script: Script, run: Run) -> None:
    deploys(script, "queued", "succeeded")
    script.replies["POST /changes"] = [
        (0, None),
        (502, b"<h1>Bad Gateway</h1>"),
        (503, {}),
        (201, change("queued")),
    ]
    assert run(*DEPLOY).code == 0
    assert len(script.keys()) == 4
    assert len(set(script.keys())) == 1
    run(*DEPLOY)
    run(*DEPLOY, "--key", "build-9")
    assert len(set(script.keys())) == 3
    assert script.keys()[-1] == "build-9"


def test_connection_lost_for_good_is_unknown_and_says_how_to_find_out(script: Script, run: Run) -> None:
    script.replies["POST /changes"] = [(0, None)]
    ran = run(*DEPLOY, "--key", "build-9")
    assert ran.code == 3
    assert "--key build-9 never asks twice" in ran.people
    script.replies["GET /services"] = [(0, None)]
    ran = run(*DEPLOY)
    assert (ran.code, "Nothing was asked for" in ran.people) == (3, True)


def test_connection_lost_while_waiting_is_unknown_and_names_the_change(script: Script, run: Run) -> None:
    deploys(script, "queued", "running")
    script.replies["GET /changes/7"].append((0, None))
    ran = run(*DEPLOY)
    assert ran.code == 3
    assert "ecsconsole follow CR-7" in ran.people
    assert ran.lines[-1]["change"]["state"] == "running"


def test_too_many_requests_are_waited_out(script: Script, run: Run) -> None:
    deploys(script, "queued", "succeeded")
    script.replies["GET /changes/7"].insert(0, (429, {"error": {"message": "Slow down."}}))
    assert run(*DEPLOY).code == 0


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422])
def test_refusal_is_two_in_the_words_of_the_console(script: Script, run: Run, status: int) -> None:
    error = {
        "code": "permission_missing",
        "message": "You need the role operator.",
        "advice": "Ask erin.",
        "permission": "service.deploy",
        "fields": {"reason": "Give a reason."},
    }
    script.replies["POST /changes"] = [(status, {"error": error})]
    ran = run(*DEPLOY)
    assert ran.code == 2
    for text in ("You need the role operator.", "Ask erin.", "service.deploy", "reason: Give a reason."):
        assert text in ran.people
    assert (ran.lines[-1]["event"], ran.lines[-1]["error"]["code"]) == ("refused", "permission_missing")


def test_redirect_is_not_followed_with_the_token(script: Script, run: Run) -> None:
    script.replies["GET /services"] = [(302, b"")]
    ran = run(*DEPLOY)
    assert (ran.code, len(script.seen)) == (2, 1)
    assert "redirects to" in ran.people


@pytest.mark.parametrize(
    ("found", "text"),
    [
        ([], "No service that this token may see is called checkout-api"),
        ([SERVICE, {**SERVICE, "environment": "staging"}], "production/prod-core, staging/prod-core"),
        ([{**SERVICE, "containers": [{"name": "app"}, {"name": "proxy"}]}], "app or proxy"),
    ],
)
def test_what_is_not_unique_is_not_guessed(script: Script, run: Run, found: list[Any], text: str) -> None:
    script.replies["GET /services"] = [(200, {"items": found, "next": None})]
    ran = run("deploy", "checkout-api", "--image", "v2")
    assert (ran.code, text in ran.people, script.keys()) == (2, True, [])


def test_place_makes_a_name_unique(script: Script, run: Run) -> None:
    deploys(script, "queued", "succeeded")
    run(*DEPLOY, "--cluster", "prod-core", "--environment", "production")
    assert script.seen[0][1] == "/api/v1/services?name=checkout-api&cluster=prod-core&environment=production"


def test_time_that_is_over_is_unknown(script: Script, run: Run) -> None:
    deploys(script, "queued", "running")
    ran = run(*DEPLOY, "--timeout", "0")
    assert (ran.code, "Not over after 0 s" in ran.people) == (3, True)


def test_not_waiting_is_unknown_as_well(script: Script, run: Run) -> None:
    deploys(script, "queued", "succeeded")
    ran = run(*DEPLOY, "--no-wait")
    assert (ran.code, ran.lines[-1]["change"]["id"]) == (3, 7)


def test_change_is_followed_by_its_number(script: Script, run: Run) -> None:
    script.replies["GET /changes/7"] = [(200, change("running")), (200, change("succeeded", 2))]
    assert run("follow", "CR-7").code == 0
    assert "after=1" in script.seen[1][1]


def test_news_is_told_once(script: Script, run: Run) -> None:
    script.replies["POST /changes"] = [(201, change("queued"))]
    rollout = {"desired": 4, "running": 1, "failed_tasks": 2}
    stuck = {"diagnosis": {"rule": "placement", "text": "No place for a task."}, "rollout": rollout}
    running = [(200, change("running", 2, **stuck))] * 3
    script.replies["GET /changes/7"] = [*running, (200, change("failed", 3))]
    ran = run(*DEPLOY)
    assert ran.people.count("1 of 4 new tasks run, 2 failed. No place for a task.") == 1
    assert [line["event"] for line in ran.lines] == ["requested", "progress", "progress", "progress", "ended"]


def test_no_token_and_no_address_are_refused(run: Run) -> None:
    assert run(*DEPLOY, token="").code == 2
    assert run(*DEPLOY, "--url", "ftp://console").code == 2


def test_token_over_plain_http_is_warned_of() -> None:
    told: list[str] = []
    connection.Connection("http://console.example.com", "ecs_x", told.append)
    connection.Connection("http://localhost:8000", "ecs_x", told.append)
    assert len(told) == 1


def test_command_needs_neither_settings_nor_database(script: Script) -> None:
    deploys(script, "queued", "succeeded")
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.getcwd(),
        # Settings would refuse to load with these.
        "ECSCONSOLE_LOCAL": "0",
        "DATABASE_URL": "nonsense://",
        "ECSCONSOLE_URL": script.url,
        "ECSCONSOLE_TOKEN": "ecs_x",
    }
    command_line = [sys.executable, "-m", "ecsconsole.cli", *DEPLOY]
    done = subprocess.run(
        command_line, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")
    assert "succeeded" in done.stderr
