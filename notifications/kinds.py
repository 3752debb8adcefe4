"""The kinds of news: what a channel can subscribe to, and how each kind looks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of news. `status` names the colour and shape that stand beside it, `colour` the same for Slack."""

    id: str
    label: str
    explanation: str
    status: str
    emoji: str
    colour: str


GOOD, BUSY, WARN, BAD, QUIET = "#2da44e", "#3b82f6", "#d29922", "#e5484d", "#8b949e"

ALL = (
    Kind(
        "approval.asked",
        "Approval asked",
        "A change waits for somebody who may approve it.",
        "deploying",
        "🔔",
        BUSY,
    ),
    Kind("change.approved", "Approved", "A change got all approvals that it needs.", "steady", "👍", GOOD),
    Kind("change.rejected", "Rejected", "Somebody refused a change.", "failed", "🚫", BAD),
    Kind(
        "change.sent_back",
        "Sent back",
        "An approver asked the requester to change a request.",
        "degraded",
        "✏️",
        WARN,
    ),
    Kind(
        "change.succeeded",
        "Change succeeded",
        "ECS called the change's deployment successful.",
        "steady",
        "✅",
        GOOD,
    ),
    Kind(
        "change.failed", "Change failed", "A change ended without doing what was asked.", "failed", "❌", BAD
    ),
    Kind(
        "change.rolled_back", "Rolled back", "The service went back to what ran before.", "failed", "↩️", BAD
    ),
    Kind(
        "change.needs_attention",
        "Needs attention",
        "A change is stuck, and a person has to look.",
        "degraded",
        "⚠️",
        WARN,
    ),
    Kind(
        "change.lapsed",
        "Stale or expired",
        "A change lapsed before it began: its target moved or its time ran out.",
        "zero",
        "⌛",
        QUIET,
    ),
    Kind(
        "hook.paused",
        "Hook paused",
        "A deployment waits at a PAUSE hook for Continue or Roll back.",
        "degraded",
        "⏸️",
        WARN,
    ),
    Kind(
        "rule.overridden",
        "Rule overridden",
        "Somebody goes past a freeze or a policy, or breaks the glass.",
        "failed",
        "🚨",
        BAD,
    ),
    Kind(
        "review.due",
        "Post-review due",
        "An override waits for somebody else to review it.",
        "degraded",
        "🔍",
        WARN,
    ),
    Kind(
        "deployment.outside",
        "Deployment outside the console",
        "ECS rolls out what nobody asked for here.",
        "degraded",
        "👀",
        WARN,
    ),
    Kind(
        "access.changed",
        "Access changed",
        "A role, a group, a token or a person changed.",
        "deploying",
        "🔑",
        BUSY,
    ),
    Kind(
        "ledger.problem",
        "Ledger problem",
        "The ledger does not verify, or cannot be signed or copied.",
        "failed",
        "🧾",
        BAD,
    ),
)
KINDS = {kind.id: kind for kind in ALL}
# Sent from a channel's own page; nobody subscribes to it.
TEST = Kind("test", "Test", "Somebody tried the channel.", "deploying", "🧪", BUSY)


def kind_of(name: str) -> Kind:
    return TEST if name == TEST.id else KINDS[name]
