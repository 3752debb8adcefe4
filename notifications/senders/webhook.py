"""A webhook of one's own: JSON, signed with HMAC-SHA256 over time and body. docs/notifications.md says how to verify it."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from typing import Any

from notifications.senders.http import post
from notifications.senders.outgoing import Outgoing

FORMAT_VERSION = 1


def payload(outgoing: Outgoing) -> dict[str, Any]:
    return {
        "version": FORMAT_VERSION,
        "id": outgoing.message_id,
        "kind": outgoing.kind.id,
        "at": outgoing.at.isoformat(),
        "actor": outgoing.actor,
        "title": outgoing.title,
        "text": outgoing.text,
        "resource": outgoing.resource,
        "url": outgoing.url,
        "data": outgoing.data,
    }


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Return what the receiver computes over "timestamp.body" and compares."""
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def send(outgoing: Outgoing) -> None:
    """Send with the time of this try, so that a receiver can refuse what is old, and the id that all tries share."""
    body = json.dumps(payload(outgoing), sort_keys=True, separators=(",", ":")).encode()
    timestamp = str(int(time.time()))
    headers = {
        "Content-Type": "application/json",
        "Idempotency-Key": outgoing.message_id,
        "X-Ecsconsole-Timestamp": timestamp,
        "X-Ecsconsole-Signature": f"sha256={signature(outgoing.secret, timestamp, body)}",
    }
    post(outgoing.address, body, headers)
