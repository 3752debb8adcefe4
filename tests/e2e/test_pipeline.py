"""What a pipeline does with the console, on the running stack: curl, and `ecsconsole deploy` by its exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.conftest import ROOT, Demo

pytestmark = pytest.mark.browser
Tokens = Callable[..., str]


@pytest.fixture(scope="module")
def token(demo: Demo) -> Tokens:
    """Return a function that makes a token as an operator of the console does."""

    def make(user: str = "alice", scope: str = "operate") -> str:
        command = [sys.executable, "manage.py", "token_create", "--user", user, "--name", os.urandom(4).hex()]
        done = subprocess.run(
            [*command, "--scope", scope],
            cwd=ROOT,
            env=demo.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.splitlines()[-1]

    return make


def console(demo: Demo, token: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "ECSCONSOLE_URL": demo.url, "ECSCONSOLE_TOKEN": token}
    command = [sys.executable, "-m", "ecsconsole.cli", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240, check=False
    )


def curl(demo: Demo, token: str, path: str, *arguments: str) -> Any:
    command = ["curl", "-sS", "-H", f"Authorization: Bearer {token}", *arguments, f"{demo.url}/api/v1{path}"]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def images(demo: Demo, service: dict[str, Any]) -> list[str]:
    """Return the tags that the sandbox's registry has for a service's image, the newest first."""
    repository = service["containers"][0]["image"].split("/", 1)[1].partition(":")[0]
    script = (
        "from aws import ecr; from clusters.models import Service; from clusters.queries import scope_of;"
        f"s = Service.objects.select_related('cluster__account').get(arn={service['arn']!r});"
        f"print('\\n'.join(t for i in ecr.describe_images(scope_of(s), {repository!r}) for t in i.tags))"
    )
    return subprocess.run(
        [sys.executable, "manage.py", "shell", "-c", script],
        cwd=ROOT,
        env=demo.environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
