"""The sandbox as one process: a world, its clock, and one HTTP endpoint."""

from __future__ import annotations

import logging
import threading
import time
from datetime import UTC, datetime
from functools import cache
from types import TracebackType
from typing import Any, Self

import boto3

from sandbox import scenarios
from sandbox.around import layers
from sandbox.around.hub import TRAIL_DELAY, Around
from sandbox.calls import Calls
from sandbox.control import PREFIX, answer_control
from sandbox.faults import Faults
from sandbox.gateway import Gateway
from sandbox.http_server import HttpServer
from sandbox.identity import HUB_ACCESS_KEY, HUB_ACCOUNT_ID, HUB_SECRET_KEY, Identity
from sandbox.messages import Answer, Request
from sandbox.moto_state import MotoState
from sandbox.surroundings import MotoSurroundings
from sandbox.throttle import Throttle
from sandbox.world import World

logger = logging.getLogger(__name__)

TICK_SECONDS = 0.1


class SandboxServer:
    """A sandbox to use as a context manager, or with start() and stop().

    With `manual` its time stands still until `world.advance()`. While two servers of one process share account ids,
    clients of the older one see moto's part (logs, images, secrets) of the newer one.
    """

    def __init__(
        self,
        scenario: str = "empty",
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        manual: bool = False,
        speed: float = 1.0,
        pace: float = 1.0,
        seed: int = 7,
        throttle: bool = True,
        start: datetime | None = None,
        trail_delay: float = TRAIL_DELAY,
        read_lag: float = 0.0,
    ) -> None:
        self.manual = manual
        self.speed = speed
        if pace <= 0:
            raise ValueError("the pace is above 0")
        self.pace = pace
        self.seed = seed
        self.start_at = start
        self.trail_delay = trail_delay
        self.read_lag = read_lag
        self.failure = ""
        self.scenario = ""
        self.calls = Calls()
        self.faults = Faults()
        self.throttle = Throttle(enabled=throttle)
        self._moto_state = MotoState()
        # First, so that a taken port is said before a world is built.
        self._http = HttpServer(host, port, self.answer)
        try:
            self.load(scenario)
        except Exception:
            self._http.server_close()
            raise
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    @property
    def url(self) -> str:
        host, port = self._http.server_address[:2]
        name = str(host) if ":" not in str(host) else f"[{host!s}]"
        return f"http://{name}:{port}"

    def load(self, name: str) -> None:
        """Replace the world by a scenario's; sessions and counts of the old one end."""
        self._moto_state.release()
        identity = Identity(claim=self._moto_state.claim)
        surroundings = MotoSurroundings()
        start = (self.start_at or datetime.now(UTC)) - scenarios.lead_of(name)
        world = World(surroundings, seed=self.seed, start=start)
        surroundings.clock = lambda: world.now
        around = Around(world, seed=self.seed, trail_delay=self.trail_delay, read_lag=self.read_lag)
        scenarios.load(scenarios.Stage(world, surroundings, identity, around), name)
        # Only now: what a scenario has lived through before took its usual time.
        world.clock.pace = self.pace
        self.scenario, self.world, self.identity, self.surroundings = name, world, identity, surroundings
        self.around = around
        self.calls.reset()
        self.throttle.reset()
        self.faults.remove()
        self._gateway = Gateway(
            around, identity, calls=self.calls, throttle=self.throttle, faults=self.faults
        )

    def answer(self, request: Request) -> Answer:
        """Answer one HTTP request."""
        if request.path.startswith(PREFIX):
            return answer_control(self, request)
        if request.path.startswith(layers.PREFIX):
            return layers.answer_layer(request, self.faults)
        return self._gateway.answer(request)

    def set_speed(self, speed: float) -> None:
        """Let `speed` world seconds pass in each real one; 0 stands still."""
        if not 0 <= speed <= 1000:
            raise ValueError("speed is between 0 and 1000")
        self.speed = speed
        self.manual = False
        self._run_clock()

    def start(self) -> Self:
        """Serve, and let time pass unless it is moved by hand."""
        # Its poll interval is how long stop() may have to wait.
        serve = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, name="sandbox-http", daemon=True
        )
        serve.start()
        self._threads.append(serve)
        if not self.manual:
            self._run_clock()
        return self

    def stop(self) -> None:
        """Stop serving and forget what moto keeps of this world."""
        self._stopping.set()
        if self._threads:
            self._http.shutdown()
        self._http.close_connections()
        self._http.server_close()
        for thread in self._threads:
            thread.join(timeout=1)
        self._moto_state.release()

    def client(self, service: str, *, account_id: str = HUB_ACCOUNT_ID, region: str = "us-east-1") -> Any:
        """Make a boto3 client that acts as an account's own user."""
        key = HUB_ACCESS_KEY if account_id == HUB_ACCOUNT_ID else account_id
        session = _session(key, region)
        return session.client(service, endpoint_url=self.url)  # type: ignore[call-overload]

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run_clock(self) -> None:
        if any(thread.name == "sandbox-clock" for thread in self._threads):
            return
        clock = threading.Thread(target=self._tick, name="sandbox-clock", daemon=True)
        clock.start()
        self._threads.append(clock)

    def _tick(self) -> None:
        last = time.monotonic()
        while not self._stopping.wait(TICK_SECONDS):
            now = time.monotonic()
            elapsed, last = now - last, now
            try:
                self.world.advance(elapsed * self.speed)
            except Exception as error:
                # One broken service must not stop time for the others; health and the log say so.
                logger.exception("the world failed to advance")
                self.failure = f"{type(error).__name__}: {error}"


@cache
def _session(access_key: str, region: str) -> boto3.Session:
    # A session loads its service models anew, which takes longer than most tests.
    return boto3.Session(access_key, HUB_SECRET_KEY, region_name=region)
