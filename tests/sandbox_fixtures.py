"""Fixtures of the sandbox: an in-process server on a free port whose time moves only by `world.advance()`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from sandbox.server import SandboxServer


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    """An empty world without request limits; account sandbox.scenarios.empty.ACCOUNT_ID is there to build in."""
    from sandbox.server import SandboxServer

    with SandboxServer("empty", manual=True, throttle=False) as server:
        yield server


@pytest.fixture(scope="module")
def acme() -> Iterator[SandboxServer]:
    """The demo's world, shared by a module's tests: look at it, and leave it as it was."""
    from sandbox.server import SandboxServer

    with SandboxServer("acme", manual=True, throttle=False) as server:
        yield server
