"""Slack by incoming webhook: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks"""

from __future__ import annotations

import json
from typing import Any

from notifications.senders.http import post
from notifications.senders.outgoing import Outgoing

LONGEST = 2000  # of a field; a section takes 3000


def escaped(text: str) -> str:
    """Escape what Slack reads as markup, so that a title cannot ping a channel, or forge a link or another field."""
    line = " ".join(text.split())
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")[:LONGEST]


def marked(text: str) -> dict[str, Any]:
    """Return a text of which Slack reads our markup alone: it makes no links and mentions of plain words."""
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def payload(outgoing: Outgoing) -> dict[str, Any]:
    """Return the message as blocks in the kind's colour; `text` is what a phone's lock screen shows."""
    kind, title = outgoing.kind, escaped(outgoing.title)
    head = f"{kind.emoji} *{kind.label}*\n{title}"
    facts = [marked(f"*{escaped(name)}*\n{escaped(value)}") for name, value in outgoing.facts]
    blocks: list[dict[str, Any]] = [{"type": "section", "text": marked(head)}]
    if facts:
        blocks.append({"type": "section", "fields": facts[:10]})  # Slack takes ten
    if outgoing.url:
        button = {"type": "plain_text", "text": "Open in the console"}
        blocks.append(
            {"type": "actions", "elements": [{"type": "button", "text": button, "url": outgoing.url}]}
        )
    return {
        "text": f"{kind.label}: {title}",
        "attachments": [{"color": kind.colour, "blocks": blocks}],
    }


def send(outgoing: Outgoing) -> None:
    post(outgoing.address, json.dumps(payload(outgoing)).encode(), {"Content-Type": "application/json"})
