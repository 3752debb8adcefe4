"""All processes of a local console under one parent: broker, sandbox, web, workers, beat.

No Django here: the data folder and the addresses must be in the environment before settings are read.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from ecsconsole.broker import BrokerUnavailableError, start_broker
from ecsconsole.children import Child, is_listening, stop_all

if sys.platform != "win32":
    import fcntl

# Long enough for a step of a change to finish, short enough for a person who pressed Ctrl-C.
STOP_GRACE_SECONDS = 3.0
RESTART_PAUSE_SECONDS = 1.0
# Changes wait a moment for their worker: one process fewer to load makes the first page come sooner.
LAST = "ops"
QUIET_WEB = ["--no-access-log", "--log-level", "warning"]


class CannotStartError(Exception):
    """One sentence about why the console cannot start and what to do."""


def open_data_folder(folder: Path) -> IO[str]:
    """Make the data folder and hold its lock; two consoles in one folder would fight over the database."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("a+", encoding="utf-8")
    except OSError as error:
        raise CannotStartError(
            f"The data folder {folder} cannot be used ({error.strerror}). Name another with VAR_DIR=…, or mend it."
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise CannotStartError(
            f"Another console runs in {folder}. Stop it, or name another folder with VAR_DIR=…."
        ) from error
    return lock


def check_port(port: int) -> None:
    """Refuse a port that somebody else serves."""
    if is_listening(port):
        raise CannotStartError(
            f"Port {port} is in use. Choose another with PORT=…, for example PORT={port + 100}."
        )


@dataclass
class Stack:
    """The children of one run and the environment they share."""

    folder: Path
    port: int
    host: str = "127.0.0.1"
    environment: dict[str, str] = field(default_factory=dict)
    children: list[Child] = field(default_factory=list)
    base: list[Child] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)
    log: IO[str] | None = None

    def __post_init__(self) -> None:
        (self.folder / "logs").mkdir(exist_ok=True)
        self.log = (self.folder / "logs" / "console.log").open("a", encoding="utf-8")
        self.environment = {
            "ECSCONSOLE_LOCAL": "1",
            "ECSCONSOLE_VAR_DIR": str(self.folder),
            "CONSOLE_URL": os.environ.get("CONSOLE_URL", self.url),
            **self.environment,
        }

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}/"

    def catch_signals(self) -> None:
        """Stop in order on Ctrl-C, SIGTERM and a closed terminal."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: self.stopping.set())

    def start_broker(self) -> None:
        """Use REDIS_URL when set, else start a server of our own."""
        if os.environ.get("REDIS_URL"):
            self.environment["REDIS_URL"] = os.environ["REDIS_URL"]
            return
        try:
            broker = start_broker(self.folder)
        except BrokerUnavailableError as error:
            raise CannotStartError(str(error)) from error
        self.base.append(broker.child)
        self.environment["REDIS_URL"] = broker.url

    def start_base(self, name: str, command: list[str]) -> Child:
        """Start a child that the console needs before itself."""
        child = Child(name, command, self.environment, log=self.log).start()
        self.base.append(child)
        return child

    def manage(self, *arguments: str) -> None:
        """Run a management command to its end in the shared environment."""
        result = subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "ecsconsole.cli", *arguments],
            env={**os.environ, **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if self.log is not None:
            self.log.write(result.stdout)
        if result.returncode:
            last = result.stdout.strip().splitlines()[-1:] or ["no output"]
            raise CannotStartError(
                f"Setting up the data folder {self.folder} failed: {last[0]} "
                "Start over with FRESH=1, which empties it, or name another with VAR_DIR=…."
            )

    def start_console(self) -> None:
        """Start web, workers and beat; the two queues have a worker each, so a slow account delays no rollback."""
        celery = [sys.executable, "-m", "celery", "-A", "ecsconsole", "--quiet"]
        quiet = ["--loglevel", "WARNING", "--without-gossip", "--without-mingle"]
        worker = [*celery, "worker", "--pool", "threads", *quiet]
        web = [sys.executable, "-m", "uvicorn", "ecsconsole.asgi:application", "--host", self.host]
        commands = {
            # Open streams end within the timeout; without it one viewer would keep the server alive for ever.
            "web": [*web, "--port", str(self.port), "--timeout-graceful-shutdown", "2", *QUIET_WEB],
            "poll": [*worker, "-Q", "poll", "-c", "8", "-n", f"poll-{self.port}@%h"],
            "beat": [*celery, "beat", "--loglevel", "WARNING", "--pidfile="],
            "ops": [*worker, "-Q", "ops", "-c", "4", "-n", f"ops-{self.port}@%h"],
        }
        for name, command in commands.items():
            child = Child(name, command, self.environment, log=self.log)
            self.children.append(child if name == LAST else child.start())

    def wait_until_ready(self, seconds: float) -> None:
        """Wait until /readyz answers 200; say what it still waits for when it takes too long."""
        deadline = time.monotonic() + seconds
        last = "nothing answered"
        while time.monotonic() < deadline and not self.stopping.is_set():
            for child in (*self.base, *self.children):
                if child.name != LAST and not child.is_running:
                    log = self.folder / "logs" / "console.log"
                    raise CannotStartError(
                        f"The {child.name} process ended while starting; its output is in {log}."
                    )
            last = self.ask_ready()
            if not last:
                self.start_last()
                return
            self.stopping.wait(0.1)
        if not self.stopping.is_set():
            raise CannotStartError(f"The console did not become ready within {seconds:.0f} s: {last}.")

    def start_last(self) -> None:
        """Start what the first page does not need, once that page is there."""
        for child in self.children:
            if child.name == LAST:
                child.start()

    def ask_ready(self) -> str:
        """Return what is missing, empty when ready."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=2) as answer:
                answer.read()
                return ""
        except urllib.error.HTTPError as error:
            return ", ".join(json.loads(error.read()).get("problems", [])) or f"HTTP {error.code}"
        except (OSError, ValueError) as error:
            return str(error)

    def run(self) -> None:
        """Keep the children alive until asked to stop: whatever dies of the console is started again."""
        while not self.stopping.wait(0.3):
            for child in self.base:
                if not child.is_running:
                    raise CannotStartError(
                        f"The {child.name} process ended with code {child.exit_code}; stopping."
                    )
            for child in self.children:
                if not child.is_running:
                    sys.stderr.write(f"{child.name} ended with code {child.exit_code}; starting it again.\n")
                    if not self.stopping.wait(RESTART_PAUSE_SECONDS):
                        child.start()

    def stop(self) -> None:
        """End the console first and what it leans on last, in under five seconds together."""
        self.stopping.set()
        stop_all(self.children, grace=STOP_GRACE_SECONDS)
        stop_all(self.base, grace=1.0)


def apply(environment: Mapping[str, str]) -> None:
    """Put the children's environment into this process, before it sets up Django itself."""
    os.environ.update(environment)
