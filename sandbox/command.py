"""The command that runs a sandbox until it is told to stop."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence

from sandbox.around.hub import TRAIL_DELAY
from sandbox.identity import HUB_ACCESS_KEY, HUB_SECRET_KEY
from sandbox.scenarios import NAMES
from sandbox.server import SandboxServer

PARENT_CHECK_SECONDS = 0.5


def main(argv: Sequence[str] | None = None) -> int:
    """Serve a scenario until SIGTERM, SIGINT, or the death of the parent that was named."""
    options = _parser().parse_args(argv)
    logging.basicConfig(
        level=logging.DEBUG if options.verbose else logging.WARNING,
        format="%(levelname)s %(name)s: %(message)s",
    )
    # moto prints deprecations of its own through werkzeug's logger.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    try:
        server = SandboxServer(
            options.scenario,
            host=options.host,
            port=options.port,
            manual=options.manual,
            speed=options.speed,
            pace=options.pace,
            seed=options.seed,
            throttle=not options.no_throttle,
            trail_delay=options.trail_delay,
            read_lag=options.read_lag,
        )
    except OSError as error:
        sys.stderr.write(f"sandbox: cannot listen on {options.host}:{options.port}: {error.strerror}\n")
        return 1
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    with server:
        sys.stdout.write(
            f"sandbox ready: {server.url} scenario={server.scenario} "
            f"AWS_ENDPOINT_URL={server.url} AWS_ACCESS_KEY_ID={HUB_ACCESS_KEY} "
            f"AWS_SECRET_ACCESS_KEY={HUB_SECRET_KEY}\n"
        )
        sys.stdout.flush()
        while not stopping.wait(PARENT_CHECK_SECONDS):
            if options.parent_pid and not _is_alive(options.parent_pid):
                break
    return 0


def _is_alive(pid: int) -> bool:
    # A parent that died hands its children to another process; one that is no relation can only be asked for.
    if os.getppid() == pid:
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sandbox", description="A lifelike AWS over HTTP, for ECS.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: loopback only)")
    parser.add_argument("--port", type=int, default=4566, help="0 takes a free port")
    parser.add_argument("--scenario", default="acme", choices=NAMES)
    parser.add_argument("--speed", type=float, default=1.0, help="world seconds per real second")
    parser.add_argument(
        "--pace",
        type=float,
        default=1.0,
        metavar="N",
        help="everything takes an Nth of its time, while moments stay real: rollouts of minutes in seconds",
    )
    parser.add_argument("--seed", type=int, default=7, help="fixes every random choice of the world")
    parser.add_argument("--manual", action="store_true", help="time moves by POST /_sandbox/step only")
    parser.add_argument("--no-throttle", action="store_true", help="without ECS's request limits")
    parser.add_argument(
        "--read-lag",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="world time for which ECS's reads still show what was before a write",
    )
    parser.add_argument(
        "--trail-delay",
        type=float,
        default=TRAIL_DELAY,
        metavar="SECONDS",
        help="world time until CloudTrail shows a call",
    )
    parser.add_argument("--parent-pid", type=int, default=0, metavar="N", help="stop when this process ends")
    parser.add_argument("--verbose", action="store_true")
    return parser
