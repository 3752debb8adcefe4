"""What all tests share: the address of the real Redis-protocol server and the small world of six people."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.db import connections
from django.test import Client
from hypothesis import HealthCheck, settings

from tests.builders import make_people

pytest_plugins = ["tests.sandbox_fixtures"]
# How fast a busy machine is says nothing about what is tested.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


@pytest.fixture(scope="session")
def redis_url() -> str:
    return os.environ["REDIS_URL"]


@pytest.fixture(scope="session", autouse=True)
def flushable_ledger() -> Iterator[None]:
    """Let the test runner empty the append-only ledger between transactional tests, and nobody else."""
    from audit.chain import GENESIS_HASH
    from audit.triggers import CREATE, CREATE_SEALS, DROP, DROP_SEALS

    connection = connections["default"]
    original = connection.ops.sql_flush
    chain = f"INSERT INTO audit_auditchain (id, next_seq, head_hash) VALUES (1, 1, '{GENESIS_HASH}')"  # noqa: S608 - a constant

    def sql_flush(*args: object, **kwargs: object) -> list[str]:
        statements = original(*args, **kwargs)
        vendor = connection.vendor
        if not statements:
            return []
        return [
            *DROP[vendor],
            *DROP_SEALS[vendor],
            *statements,
            chain,
            *CREATE[vendor],
            *CREATE_SEALS[vendor],
        ]

    connection.ops.sql_flush = sql_flush
    yield
    connection.ops.sql_flush = original


@pytest.fixture(autouse=True)
def _nothing_slow_for_each_client(settings: object) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # type: ignore[attr-defined]
    # A static file is looked for when it is asked for, instead of all of them whenever a client is made.
    settings.WHITENOISE_AUTOREFRESH = True  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def _no_waiting_between_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls are tried as often as ever; where nobody answers, each test would wait for the same nothing."""
    monkeypatch.setattr("aws.calls.sleep", lambda seconds: None)


@pytest.fixture(autouse=True)
def _no_answers_of_another_world() -> None:
    from deployments.preflight.gathering import answers

    answers.clear()


@pytest.fixture
def people(db: None) -> dict[str, User]:
    """alice may, bob approves, carol looks, dan audits, erin administers, mallory has nothing."""
    return make_people()


class SignedIn:
    """Clients by name: `as_("alice").get(...)`."""

    def __init__(self, people: dict[str, User]) -> None:
        self.people = people

    def __call__(self, name: str) -> Client:
        client = Client()
        client.force_login(self.people[name], backend="django.contrib.auth.backends.ModelBackend")
        return client


@pytest.fixture
def as_(people: dict[str, User]) -> SignedIn:
    """Return a function that gives a client signed in as one of the people."""
    return SignedIn(people)
