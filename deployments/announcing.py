"""What of changes is news, for whom it is said and in which words: tables from moves and ledger entries to kinds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from django.db.models import Exists, OuterRef, QuerySet
from django.urls import reverse

from access.resources import Resource
from audit.actions import describe_actor
from clusters.masking import mask_text
from clusters.models import ServiceDeployment
from deployments.filters import changes_of_deployment
from deployments.models import Override, Transition
from deployments.pauses import paused
from deployments.review import unreviewed
from deployments.states import State
from deployments.trail_matching import short_principal
from notifications.actions import notify
from notifications.matching import subscriptions_to
from notifications.queries import told_of

if TYPE_CHECKING:
    from audit.models import AuditEntry

SYSTEM = "system"
# A change that comes to a state: what that is news of.
MOVES: dict[str, str] = {
    State.AWAITING_APPROVAL: "approval.asked",
    State.REJECTED: "change.rejected",
    State.SUCCEEDED: "change.succeeded",
    State.FAILED: "change.failed",
    State.ROLLED_BACK: "change.rolled_back",
    State.NEEDS_ATTENTION: "change.needs_attention",
    State.EXPIRED: "change.lapsed",
    State.STALE: "change.lapsed",
}
# Moves that are news only from where they come: a change that needs no approval begins in the queue.
EDGES: dict[tuple[str, str], str] = {(State.AWAITING_APPROVAL, State.QUEUED): "change.approved"}
# What is said of a change without moving it, by its action in the ledger.
ENTRIES: dict[str, tuple[str, str]] = {
    "change.sent_back": ("change.sent_back", "{target} was sent back"),
    "change.overridden": ("rule.overridden", "{target} overrides {rules}"),
    "change.glass_broken": ("rule.overridden", "{target} breaks the glass: {rules}"),
}
# Nothing of ours is recognised earlier, and nothing older is news.
SETTLED, NEWS_FOR = timedelta(minutes=3), timedelta(hours=1)
# How long before a review is overdue people are told of it.
REVIEW_LEFT = timedelta(hours=24)
# Told in one go.
MOST = 100


def announce_move(transition: Transition, actor: Any) -> None:
    """Tell of a move of a change, in the transaction of the move."""
    change = transition.change
    edge = (transition.from_state, transition.to_state)
    kind = EDGES.get(edge) or MOVES.get(transition.to_state)
    if kind is None:
        return
    note, asked_by = transition.note, change.requester.get_username()
    text = f"{change.reason} {note}" if kind == "approval.asked" else note
    data = {
        "change": f"CR-{change.pk}",
        "requester": asked_by,
        "ticket": change.ticket,
        "state": change_state(transition),
    }
    notify(
        kind=kind,
        resource=change.access_resource,
        title=change.title,
        text=mask_text(text.strip()),
        path=change.get_absolute_url(),
        actor=describe_actor(actor)[0],
        data={name: value for name, value in data.items() if value},
        now=transition.at,
    )


def change_state(transition: Transition) -> str:
    return State(transition.to_state).label


def announce_entry(entry: AuditEntry) -> None:
    """Tell of what the ledger says of a change beside its moves; every other entry costs a look into a dictionary."""
    if entry.action not in ENTRIES or entry.outcome != "ok":
        return
    kind, words = ENTRIES[entry.action]
    rules = ", ".join(str(rule.get("name", "")) for rule in entry.data.get("rules", []))
    number = entry.target.removeprefix("CR-")
    notify(
        kind=kind,
        resource=Resource(entry.environment, entry.account_id, entry.region, entry.cluster, entry.service),
        title=words.format(target=entry.target, rules=rules or "a rule"),
        text=mask_text(entry.reason),
        path=reverse("change", args=[number]) if number.isdecimal() else reverse("approvals"),
        actor=entry.actor,
        data={"change": entry.target},
        now=entry.at,
    )


def announce_due(*, now: datetime) -> int:
    """Tell of what nobody moved: deployments outside the console, paused hooks, reviews that are nearly due.

    Each names a key, so it is told once however often this looks. Returns how many were told.
    """
    return outside(now) + hooks(now) + reviews(now)


News = tuple[str, Resource, Callable[[], dict[str, Any]]]


def tell_new(kind: str, found: Iterable[News], now: datetime) -> int:
    """Tell of those that somebody is to hear of and that were not told before; the rest of many comes next time.

    What nobody listens to and what was told does not count: else it would keep what comes after it from being told.
    """
    wanted = subscriptions_to(kind)
    heard = ((key, words) for key, place, words in found if any(item.holds_at(place) for item in wanted))
    told = 0
    while wanted and told < MOST and (news := dict(islice(heard, MOST))):
        known = told_of(news)
        for key, words in news.items():
            if key not in known and notify(kind=kind, key=key, now=now, **words()) is not None:
                told += 1
    return told


def with_places(deployments: QuerySet[ServiceDeployment]) -> QuerySet[ServiceDeployment]:
    return deployments.select_related("service__cluster__account").defer(
        "service__facts", "service__row_html"
    )


def outside(now: datetime) -> int:
    """Tell of service deployments that no change of the console began."""
    ours = Exists(changes_of_deployment(OuterRef("arn"), OuterRef("service_id")))
    recent = ServiceDeployment.objects.filter(created_at__gt=now - NEWS_FOR, created_at__lte=now - SETTLED)
    rows = with_places(recent.exclude(ours)).order_by("created_at")
    news = ((f"outside:{row.arn}", row.access_resource, partial(outside_words, row)) for row in rows)
    return tell_new("deployment.outside", news, now)


def outside_words(row: ServiceDeployment) -> dict[str, Any]:
    who = short_principal(row.created_by)
    return {
        "resource": row.access_resource,
        "title": f"{row.service.name} is deployed outside the console",
        "text": f"ECS says {row.status}; no change of the console began it.",
        "path": reverse("service-deployment", args=[row.pk]),
        "actor": who or "not known yet",
        "data": {
            "service_deployment": row.arn,
            "task_definition": row.task_definition_arn.rpartition("/")[2],
        },
    }


def hooks(now: datetime) -> int:
    """Tell of deployments that wait at a PAUSE hook."""
    moving = with_places(ServiceDeployment.objects.filter(status="IN_PROGRESS")).order_by("-created_at")
    news = (
        (
            f"pause:{row.arn}:{pause.hook_id}:{pause.stage}",
            row.access_resource,
            partial(hook_words, row, pause, now),
        )
        for row, pause in paused(moving)
    )
    return tell_new("hook.paused", news, now)


def hook_words(row: ServiceDeployment, pause: Any, now: datetime) -> dict[str, Any]:
    expiry = pause.expiry(now)
    return {
        "resource": row.access_resource,
        "title": f"The deployment of {row.service.name} waits for Continue or Roll back",
        "text": f"Paused at {pause.stage}" + (f"; ECS {expiry}." if expiry else "."),
        "path": row.service.get_absolute_url(),
        "actor": short_principal(row.created_by) or SYSTEM,
        "data": {"service_deployment": row.arn, "stage": pause.stage},
    }


def reviews(now: datetime) -> int:
    """Tell of overrides whose review is nearly due."""
    waiting = unreviewed().filter(review_due_at__lte=now + REVIEW_LEFT)
    rows = waiting.select_related("change__service__cluster__account", "person").order_by("review_due_at")
    news = ((f"review:{row.pk}", row.change.access_resource, partial(review_words, row)) for row in rows)
    return tell_new("review.due", news, now)


def review_words(row: Override) -> dict[str, Any]:
    return {
        "resource": row.change.access_resource,
        "title": f"{row.get_kind_display()} of CR-{row.change_id} waits for its review",
        "text": mask_text(row.reason),
        "path": row.change.get_absolute_url(),
        "actor": row.person.get_username(),
        "data": {"change": f"CR-{row.change_id}", "due": row.review_due_at, "rules": row.names},
    }
