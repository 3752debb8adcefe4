"""The rig on which changes are driven: the sandbox over HTTP, its time moved by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.contrib.auth.models import User

from aws.sessions import sessions
from sandbox.identity import HUB_ACCESS_KEY, HUB_SECRET_KEY
from sandbox.server import SandboxServer
from tests.deployments.rig import Rig
from tests.deployments.told_world import Told


@pytest.fixture
def make_rig(
    sandbox: SandboxServer, people: dict[str, User], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], Rig]]:
    """Return a function that builds the rig in an environment."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", sandbox.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", HUB_ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", HUB_SECRET_KEY)
    # Clients are kept for the life of a process; each test has an endpoint of its own.
    sessions.clear()
    yield lambda environment: Rig(sandbox, people, environment)
    sessions.clear()


@pytest.fixture
def rig(make_rig: Callable[[str], Rig]) -> Rig:
    """A service in production, where deploys need an approval."""
    return make_rig("production")


@pytest.fixture
def dev_rig(make_rig: Callable[[str], Rig]) -> Rig:
    """A service in development, where nothing needs an approval."""
    return make_rig("development")


@pytest.fixture
def told(people: dict[str, User]) -> Told:
    """A ledger that knows everybody, to be told more."""
    world = Told(people)
    world.everybody()
    return world
