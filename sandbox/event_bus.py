"""Deliver ECS's announcements through moto's EventBridge: to the default bus, from where rules carry them on."""

from __future__ import annotations

import uuid

from moto.core.exceptions import ServiceException
from moto.events.models import events_backends
from moto.events.utils import EventMessageType

from sandbox.announce import Announcement


def deliver(announcement: Announcement) -> None:
    """Send an announcement to the targets of its account's rules; without a rule it costs next to nothing.

    To be appended to `World.listeners`. moto's own `put_events` leaves the account out of what it sends, so the
    rules are asked one by one; a target's input transformer is not applied.
    """
    backend = events_backends[announcement.account_id][announcement.region]
    for rule in list(backend.describe_event_bus("default").rules.values()):
        if rule.state != "ENABLED" or rule.scheduled_expression:
            continue
        try:
            rule.send_to_targets(_message(announcement), transform_input=False)
        except (ServiceException, NotImplementedError):
            # A queue that is gone, or a kind of target that moto does not have: EventBridge drops such events too,
            # and they must not stop the world.
            continue


def _message(announcement: Announcement) -> EventMessageType:
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": announcement.detail_type,
        "source": announcement.source,
        "account": announcement.account_id,
        # A number: moto turns it into text on the way to a queue.
        "time": announcement.time.timestamp(),
        "region": announcement.region,
        "resources": list(announcement.resources),
        "detail": announcement.detail,
    }
