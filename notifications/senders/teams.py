"""Microsoft Teams by a workflow's webhook, as an Adaptive Card.

https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/add-incoming-webhook
"""

from __future__ import annotations

import json
import re
from typing import Any

from notifications.senders.http import post
from notifications.senders.outgoing import Outgoing

COLOURS = {
    "steady": "Good",
    "failed": "Attention",
    "degraded": "Warning",
    "deploying": "Accent",
    "zero": "Default",
}
# A card is refused beyond 28 KB.
LONGEST = 2000


def plain(text: str) -> str:
    """Break what Adaptive Cards read as Markdown, so that a title cannot forge a link."""
    return re.sub(r"([\\`*_\[\]])", r"\\\1", text)[:LONGEST]


def payload(outgoing: Outgoing) -> dict[str, Any]:
    """Return the message as a card; the only thing to press opens the page."""
    kind = outgoing.kind
    body: list[dict[str, Any]] = [
        {
            "type": "TextBlock",
            "text": f"{kind.emoji} {kind.label}",
            "weight": "Bolder",
            "color": COLOURS[kind.status],
        },
        {"type": "TextBlock", "text": plain(outgoing.title), "wrap": True, "size": "Medium"},
        {
            "type": "FactSet",
            "facts": [{"title": plain(name), "value": plain(value)} for name, value in outgoing.facts],
        },
    ]
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "fallbackText": f"{kind.label}: {plain(outgoing.title)}",
        "body": body,
    }
    if outgoing.url:
        card["actions"] = [{"type": "Action.OpenUrl", "title": "Open in the console", "url": outgoing.url}]
    content = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [content]}


def send(outgoing: Outgoing) -> None:
    post(outgoing.address, json.dumps(payload(outgoing)).encode(), {"Content-Type": "application/json"})
