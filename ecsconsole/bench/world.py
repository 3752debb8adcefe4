"""A console's data on a sandbox of its own process, for measuring."""

from __future__ import annotations

import json
import os
import sys
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ecsconsole.children import free_port, wait_for_port
from ecsconsole.stack import CannotStartError, Stack, apply


class BenchWorld:
    """Broker, sandbox and an empty database; Django is set up on entering."""

    def __init__(self, folder: Path, scenario: str) -> None:
        self.scenario = scenario
        self.stack = Stack(folder, free_port(), environment={"LOG_LEVEL": "WARNING"})
        self.sandbox_port = free_port()

    @property
    def sandbox_url(self) -> str:
        return f"http://127.0.0.1:{self.sandbox_port}"

    def __enter__(self) -> Self:
        from sandbox.identity import HUB_ACCESS_KEY, HUB_SECRET_KEY

        os.environ.pop("REDIS_URL", None)
        self.stack.start_broker()
        self.stack.environment |= {
            "AWS_ENDPOINT_URL": self.sandbox_url,
            "AWS_ACCESS_KEY_ID": HUB_ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": HUB_SECRET_KEY,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        command = [
            sys.executable,
            "-m",
            "sandbox",
            "--port",
            str(self.sandbox_port),
            "--scenario",
            self.scenario,
        ]
        # Throttling would measure the published limits, not the console.
        sandbox = self.stack.start_base(
            "sandbox", [*command, "--no-throttle", "--parent-pid", str(os.getpid())]
        )
        self.stack.manage("demo_world", "--scenario", self.scenario)
        if not wait_for_port(self.sandbox_port, sandbox, seconds=60):
            raise CannotStartError("The sandbox did not start.")
        # A share far above 1 keeps the console's own budget out of the figures as well.
        apply({**self.stack.environment, "AWS_BUDGET_SHARE": "1000"})
        import django

        django.setup()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stack.stop()

    def shell_of(self, account_id: str, region: str) -> dict[str, str]:
        """Return the environment of somebody in an account, for another program that talks to the same sandbox."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        return kept | {
            "AWS_ENDPOINT_URL": self.sandbox_url,
            "AWS_ACCESS_KEY_ID": account_id,
            "AWS_SECRET_ACCESS_KEY": "any",
            "AWS_DEFAULT_REGION": region,
            "LC_ALL": "C.UTF-8",
        }

    def control(self, method: str, path: str) -> Any:
        """Ask the sandbox's control endpoint."""
        request = urllib.request.Request(f"{self.sandbox_url}/_sandbox/{path}", method=method)  # noqa: S310 - loopback
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - loopback
            return json.load(answer)
