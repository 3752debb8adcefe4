"""Faults as anybody orders them: over the sandbox's control endpoint."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

from sandbox.server import SandboxServer


def control(server: SandboxServer, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    data = json.dumps(body or {}).encode()
    request = urllib.request.Request(f"{server.url}/_sandbox/{path}", data, method=method)
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.load(answer)


def trouble(server: SandboxServer, kind: str, **selector: Any) -> None:
    control(server, "POST", "faults", {"kind": kind, **selector})


def calm(server: SandboxServer) -> None:
    control(server, "DELETE", "faults")
