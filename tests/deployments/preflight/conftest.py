"""The shop whose rollouts are looked at, alone and behind a load balancer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from aws import downloads
from deployments.preflight import gathering
from sandbox.scenarios.empty import ACCOUNT_ID
from tests.deployments.preflight.world import GROUP, definition, found
from tests.deployments.rig import REGION, Rig


@pytest.fixture
def shop(dev_rig: Rig, monkeypatch: pytest.MonkeyPatch) -> Rig:
    # How busy the machine is says nothing about the checks; what the bound does has a test of its own.
    monkeypatch.setattr(gathering, "SECONDS", 60.0)
    monkeypatch.setattr(downloads, "CONNECT_SECONDS", 30.0)
    monkeypatch.setattr(downloads, "SECONDS", 30.0)
    dev_rig.sandbox.surroundings.create_log_group(ACCOUNT_ID, REGION, "/ecs/shop")
    return dev_rig


@pytest.fixture
def client(shop: Rig) -> Callable[[str], Any]:
    return lambda name: shop.sandbox.client(name, account_id=ACCOUNT_ID)


@pytest.fixture
def balanced(shop: Rig) -> Rig:
    """The same service behind a target group of the sandbox, as ECS tells of it."""
    balancer = {"targetGroupArn": GROUP, "containerName": "app", "containerPort": 8080}
    shop.call("UpdateService", cluster="prod", service="checkout-api", loadBalancers=[balancer])
    shop.world.advance(400)
    shop.sync()
    shop.service.facts["healthCheckGracePeriodSeconds"] = 60
    # The session of the role and the clients are made once per process.
    found(shop, definition())
    gathering.answers.clear()
    return shop
