"""The gateway pointed at a sandbox, as the environment does it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

import aws
from aws.scope import Scope
from aws.sessions import sessions
from sandbox.scenarios.empty import ACCOUNT_ID, EXTERNAL_ID, READ_ROLE_ARN, ROLE_ARN

if TYPE_CHECKING:
    from sandbox.server import SandboxServer

REGION = "us-east-1"


@pytest.fixture
def scope(sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scope]:
    """The empty account, reached through its two roles."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", sandbox.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIASANDBOXHUB000000")
    aws.configure(redis_url="", share=1.0)
    sessions.clear()
    yield Scope(ACCOUNT_ID, REGION, READ_ROLE_ARN, ROLE_ARN, EXTERNAL_ID)
    sessions.clear()
