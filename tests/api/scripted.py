"""A console that plays its part from a script, and the commands for pipelines run against it."""

from __future__ import annotations

import io
import json
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
DEPLOY = ("deploy", "checkout-api", "--image", "app=v2", "--wait")
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


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait no second in earnest: pauses between attempts are counted and not made."""
    original = connection.Connection.__init__

    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        passed = [0.0]
        kwargs |= {"sleep": lambda s: passed.__setitem__(0, passed[0] + s), "clock": lambda: passed[0]}
        original(self, *args, **kwargs)

    monkeypatch.setattr(connection.Connection, "__init__", init)
    monkeypatch.setattr(command, "sleep", lambda seconds: None)


@dataclass
class Ran:
    code: int
    people: str
    lines: list[dict[str, Any]]


Run = Callable[..., Ran]


@pytest.fixture
def run(script: Script, hurried: None, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs a command line in this process."""

    def run_it(*arguments: str, token: str = "ecs_x", paused: list[float] | None = None) -> Ran:
        if paused is not None:
            monkeypatch.setattr(command, "sleep", paused.append)
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
