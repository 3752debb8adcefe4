from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from sandbox.scenarios.empty import ROLE_ARN
from sandbox.server import SandboxServer
from tests.sandbox.clients import client, control


def test_control_shows_health_moves_time_and_loads_scenarios(sandbox: SandboxServer) -> None:
    client(sandbox, "ecs").create_cluster(clusterName="app")
    before = sandbox.world.now
    assert control(sandbox, "POST", "step", {"seconds": 90})[0] == 200
    assert sandbox.world.now - before == timedelta(seconds=90)
    health = control(sandbox, "GET", "health")[1]
    assert (health["status"], health["scenario"], health["manual"]) == ("ok", "empty", True)
    assert "app" in json.dumps(control(sandbox, "GET", "state")[1])
    assert ROLE_ARN in json.dumps(control(sandbox, "GET", "accounts")[1])
    assert control(sandbox, "POST", "scenario", {"name": "empty"})[0] == 200
    assert client(sandbox, "ecs").list_clusters()["clusterArns"] == []
    assert "acme" in control(sandbox, "GET", "scenarios")[1]["scenarios"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "nothing", None, 404),
        ("POST", "step", {"seconds": -1}, 400),
        ("POST", "step", {}, 400),
        ("POST", "speed", {"speed": 1e9}, 400),
        ("POST", "scenario", {"name": "none"}, 400),
        ("POST", "faults", {"kind": "gremlins"}, 400),
        ("POST", "faults", {"kind": "throttle", "wrong": 1}, 400),
        ("POST", "stop-task", {"task": "none"}, 400),
    ],
)
def test_control_refuses_nonsense(
    sandbox: SandboxServer, method: str, path: str, body: Any, status: int
) -> None:
    assert control(sandbox, method, path, body)[0] == status


def test_control_refuses_web_pages(sandbox: SandboxServer) -> None:
    assert control(sandbox, "DELETE", "faults", Origin="https://evil.example")[0] == 403
