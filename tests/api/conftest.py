"""Machines of the small world: a client for each person's token, and a stub-free way to ask."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import redis
from django.contrib.auth.models import User
from django.test import Client

from access.models import ApiToken
from access.tokens import create_token
from tests.deployments.conftest import dev_rig, make_rig, rig

__all__ = ["dev_rig", "make_rig", "rig"]
ROOT = "/api/v1"


@dataclass
class Machine:
    """A program that holds a token."""

    token: ApiToken
    text: str
    client: Client

    def get(self, path: str, **query: Any) -> tuple[int, dict[str, Any]]:
        answer = self.client.get(f"{ROOT}{path}", query, headers=self.headers)
        return answer.status_code, answer.json()

    def post(self, path: str, body: Any = None, key: str = "") -> tuple[int, dict[str, Any]]:
        headers = {**self.headers, **({"Idempotency-Key": key} if key else {})}
        data = json.dumps(body if body is not None else {})
        answer = self.client.post(f"{ROOT}{path}", data, content_type="application/json", headers=headers)
        return answer.status_code, answer.json()

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.text}"}


Machines = Callable[..., Machine]


@pytest.fixture
def machine(people: dict[str, User]) -> Machines:
    """Return a function that gives a person's machine, with a token of a scope."""

    def of(person: str, scope: str = "operate") -> Machine:
        owner = people[person]
        token, text = create_token(
            owner=owner, name=f"{scope}-{ApiToken.objects.count()}", scope=scope, actor=owner
        )
        return Machine(token, text, Client(enforce_csrf_checks=True))

    return of


@pytest.fixture(autouse=True)
def _no_requests_counted(redis_url: str) -> Iterator[None]:
    """Begin with nobody having asked anything; keys of tokens come again with each test's new tables."""
    client = redis.Redis.from_url(redis_url)
    for key in client.scan_iter("ec:api:*"):
        client.delete(key)
    yield
    client.close()
