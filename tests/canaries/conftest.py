"""The rig, the receivers of notifications, and machines, for canaries that go through all of them."""

from __future__ import annotations

from tests.api.conftest import machine
from tests.deployments.conftest import dev_rig, make_rig
from tests.notifications.conftest import make_channel, receiver

__all__ = ["dev_rig", "machine", "make_channel", "make_rig", "receiver"]
