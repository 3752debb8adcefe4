from __future__ import annotations

import logging

import pytest
from django.test import Client

from ecsconsole import health
from tests.builders import make_account, make_target
from tests.conftest import SignedIn

pytestmark = pytest.mark.django_db


def test_alive_needs_nothing(client: Client) -> None:
    assert client.get("/livez").json() == {"status": "alive"}


def test_ready_once_every_region_was_read(client: Client) -> None:
    target = make_target(make_account(), attempted_at=None)
    waiting = client.get("/readyz")
    assert (waiting.status_code, waiting.json()["problems"]) == (503, ["inventory: 1 regions not read yet"])
    make_target(target.account)
    assert client.get("/readyz").json() == {"status": "ready", "problems": []}


def test_ready_tells_when_the_broker_is_away(client: Client, settings: object) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"  # type: ignore[attr-defined]
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["problems"][0].startswith("broker:")


def test_health_checks_leave_no_line_in_the_log(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    make_target(make_account(), attempted_at=None)
    with caplog.at_level(logging.INFO):
        client.get("/readyz")
    assert caplog.records == []


def test_status_names_what_may_be_seen(as_: SignedIn) -> None:
    make_target(make_account(), error_code="AccessDeniedException")
    assert as_("carol").get("/statusz").json()["targets"][0]["error"] == "AccessDeniedException"
    assert as_("mallory").get("/statusz").json()["targets"] == []


def test_broken_database_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def cursor(self) -> None:
            raise health.DatabaseError("disk I/O error")

    monkeypatch.setattr(health, "connection", Broken())
    assert health.find_problems() == ["database: disk I/O error"]
