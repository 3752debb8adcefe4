"""Child processes that never outlive their parent, started and stopped in order."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

PR_SET_PDEATHSIG = 1
# Loaded before any fork: loading a library between fork and exec may deadlock.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with(parent_pid: int) -> None:
    """Ask the kernel to kill this process when its parent ends, even by SIGKILL. Linux only."""
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent_pid:
            os.kill(os.getpid(), signal.SIGKILL)


@dataclass
class Child:
    """A named child process whose output goes to the parent's, each line with its name."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None
    log: IO[str] | None = None
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> Child:
        """Start it in its own session, so that Ctrl-C reaches it through us and in order."""
        parent = os.getpid()
        command = list(self.command)
        if sys.platform != "linux":
            # No kernel help elsewhere: a small guard watches a pipe that closes when we end.
            command = [sys.executable, "-m", "ecsconsole.guard", *command]
        self.process = subprocess.Popen(  # noqa: S603 - our own commands
            command,
            env={**os.environ, **self.environment},
            cwd=self.folder,
            stdin=subprocess.PIPE if sys.platform != "linux" else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=(lambda: die_with(parent)) if sys.platform == "linux" else None,
        )
        threading.Thread(target=self._copy_output, args=(self.process.stdout,), daemon=True).start()
        return self

    def _copy_output(self, stream: IO[bytes] | None) -> None:
        for raw in stream or ():
            line = raw.decode("utf-8", "replace").rstrip()
            if self.log is not None:
                self.log.write(f"{self.name:<8} {line}\n")
                self.log.flush()

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def exit_code(self) -> int | None:
        return None if self.process is None else self.process.poll()

    def signal(self, number: signal.Signals) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def wait_until(self, deadline: float) -> bool:
        """Wait until it has ended or the monotonic deadline is over."""
        if self.process is None:
            return True
        try:
            self.process.wait(timeout=max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            return False
        return True


def stop_all(children: Sequence[Child], *, grace: float) -> None:
    """Ask all to end at once, wait for the grace period in seconds, then kill what is left."""
    for child in children:
        child.signal(signal.SIGTERM)
    deadline = time.monotonic() + grace
    for child in children:
        if not child.wait_until(deadline):
            child.signal(signal.SIGKILL)
    for child in children:
        child.wait_until(time.monotonic() + 1)


def free_port() -> int:
    """Return a loopback port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_listening(port: int, host: str = "127.0.0.1") -> bool:
    """Whether something answers at a port."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((host, port)) == 0


def wait_for_port(port: int, child: Child, *, seconds: float) -> bool:
    """Wait until a child listens; False when it ended first or took too long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if is_listening(port):
            return True
        if not child.is_running:
            return False
        time.sleep(0.02)
    return False
