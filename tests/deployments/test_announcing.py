"""What happens to changes is told to the channels that asked for it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from audit.actions import record
from deployments import announcing, machine
from deployments.models import Change, Override
from deployments.states import TRANSITIONS, State
from notifications.kinds import KINDS
from notifications.models import Channel, Message
from tests.builders import make_change, make_cluster, make_service, make_service_deployment

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _channel(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("notifications.waking.enqueue", lambda pk: True)
    channel = Channel.objects.create(name="#all", type="slack")
    channel.subscriptions.create()


@pytest.fixture
def change(people: dict[str, User]) -> Change:
    return make_change(make_service("checkout-api", make_cluster("prod-core")), people["alice"])


EXPECTED = {
    (State.AWAITING_APPROVAL, State.QUEUED): "change.approved",
    (State.AWAITING_APPROVAL, State.REJECTED): "change.rejected",
    (State.AWAITING_APPROVAL, State.CANCELLED): None,
    (State.AWAITING_APPROVAL, State.EXPIRED): "change.lapsed",
    (State.AWAITING_APPROVAL, State.STALE): "change.lapsed",
    (State.QUEUED, State.RUNNING): None,
    (State.QUEUED, State.CANCELLED): None,
    (State.QUEUED, State.EXPIRED): "change.lapsed",
    (State.QUEUED, State.STALE): "change.lapsed",
    (State.RUNNING, State.SUCCEEDED): "change.succeeded",
    (State.RUNNING, State.FAILED): "change.failed",
    (State.RUNNING, State.ROLLING_BACK): None,
    (State.RUNNING, State.ROLLED_BACK): "change.rolled_back",
    (State.RUNNING, State.NEEDS_ATTENTION): "change.needs_attention",
    (State.ROLLING_BACK, State.ROLLED_BACK): "change.rolled_back",
    (State.ROLLING_BACK, State.FAILED): "change.failed",
    (State.ROLLING_BACK, State.NEEDS_ATTENTION): "change.needs_attention",
    (State.NEEDS_ATTENTION, State.SUCCEEDED): "change.succeeded",
    (State.NEEDS_ATTENTION, State.FAILED): "change.failed",
    (State.NEEDS_ATTENTION, State.ROLLING_BACK): None,
    (State.NEEDS_ATTENTION, State.ROLLED_BACK): "change.rolled_back",
    (State.NEEDS_ATTENTION, State.CANCELLED): None,
}


@pytest.mark.parametrize(("origin", "to"), [(a, b) for a in TRANSITIONS for b in sorted(TRANSITIONS[a])])
def test_each_move_is_told_as_what_it_is(
    change: Change, people: dict[str, User], origin: State, to: State
) -> None:
    Change.objects.filter(pk=change.pk).update(state=origin)
    change.refresh_from_db()
    machine.move(change, to, actor=people["bob"], note="as seen", now=timezone.now())
    assert [message.kind for message in Message.objects.all()] == list(filter(None, [EXPECTED[origin, to]]))


def test_message_says_who_what_where_why_and_leads_to_the_change(
    change: Change, people: dict[str, User]
) -> None:
    note = "Rejected by bob: not today, DB_PASSWORD=hunter2hunter2"
    machine.move(change, State.REJECTED, actor=people["bob"], note=note, now=timezone.now())
    message = Message.objects.get()
    assert (message.actor, message.title, message.path) == ("bob", change.title, f"/changes/{change.pk}/")
    assert message.place.startswith("production/")
    assert message.place.endswith("prod-core/checkout-api")
    assert "not today" in message.text
    assert "hunter2" not in message.text
    assert message.data == {"change": f"CR-{change.pk}", "requester": "alice", "state": "Rejected"}


def test_move_that_is_undone_is_not_told(change: Change, people: dict[str, User]) -> None:
    change.version += 1
    with pytest.raises(machine.LostRace):
        machine.move(change, State.QUEUED, actor=people["bob"], note="", now=timezone.now())
    assert not Message.objects.exists()


@pytest.mark.parametrize(
    ("action", "kind", "title"),
    [
        ("change.sent_back", "change.sent_back", "CR-{} was sent back"),
        ("change.overridden", "rule.overridden", "CR-{} overrides Quarter close"),
        ("change.glass_broken", "rule.overridden", "CR-{} breaks the glass: Quarter close"),
    ],
)
def test_what_is_said_of_a_change_is_told(
    change: Change, people: dict[str, User], action: str, kind: str, title: str
) -> None:
    def write(outcome: str) -> None:
        record(
            action=action,
            actor=people["bob"],
            resource=change.access_resource,
            target=f"CR-{change.pk}",
            outcome=outcome,
            reason="The site is down",
            data={"rules": [{"kind": "freeze", "name": "Quarter close"}]},
        )

    write("refused")
    assert not Message.objects.exists()
    write("ok")
    message = Message.objects.get()
    assert (message.kind, message.title) == (kind, title.format(change.pk))
    assert message.path == f"/changes/{change.pk}/"


def test_deployment_outside_the_console_is_told_once_and_ours_never(change: Change) -> None:
    now = timezone.now()
    began: dict[str, Any] = {"created_at": now - timedelta(minutes=10), "status": "IN_PROGRESS"}
    theirs = make_service_deployment(change.service, **began)
    ours = make_service_deployment(change.service, **began)
    Change.objects.filter(pk=change.pk).update(progress={"service_deployment_arn": ours.arn})
    make_service_deployment(change.service, created_at=now - timedelta(hours=3))
    make_service_deployment(change.service, created_at=now - timedelta(minutes=1))
    assert announcing.announce_due(now=now) == 1
    assert announcing.announce_due(now=now) == 0
    message = Message.objects.get()
    assert (message.kind, message.actor) == ("deployment.outside", "not known yet")
    assert message.data["service_deployment"] == theirs.arn


def test_what_nobody_listens_to_keeps_nothing_else_from_being_told(
    change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announcing, "MOST", 3)
    Channel.objects.get().subscriptions.update(environment="production")
    now = timezone.now()
    staging = make_service("api", make_cluster("stage", environment="staging"))
    for minutes in range(50, 40, -1):
        make_service_deployment(staging, created_at=now - timedelta(minutes=minutes))
    for minutes in range(20, 10, -1):
        make_service_deployment(change.service, created_at=now - timedelta(minutes=minutes))
    told = [announcing.announce_due(now=now) for _ in range(5)]
    assert told == [3, 3, 3, 1, 0]
    assert {message.environment for message in Message.objects.all()} == {"production"}


def test_reviews_that_were_told_keep_no_other_from_being_told(
    change: Change, people: dict[str, User], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announcing, "MOST", 1)
    now = timezone.now()
    for hours in (1, 2):
        one = make_change(change.service, people["alice"], state="succeeded", dispatched_at=now)
        Override.objects.create(
            change=one,
            kind="override",
            person=people["bob"],
            reason="The site is down",
            rules=[],
            expires_at=now,
            review_due_at=now + timedelta(hours=hours),
        )
    assert [announcing.announce_due(now=now) for _ in range(3)] == [1, 1, 0]


def test_paused_hook_is_told_once_per_stage(change: Change) -> None:
    now = timezone.now()
    facts = {
        "status": "IN_PROGRESS",
        "lifecycleStage": "POST_TEST_TRAFFIC_SHIFT",
        "lifecycleHookDetails": [
            {"hookId": "h1", "status": "AWAITING_ACTION", "expiresAt": (now + timedelta(hours=2)).isoformat()}
        ],
    }
    row = make_service_deployment(change.service, status="IN_PROGRESS", facts=facts)
    Change.objects.filter(pk=change.pk).update(progress={"service_deployment_arn": row.arn})
    assert announcing.announce_due(now=now) == 1
    assert announcing.announce_due(now=now) == 0
    message = Message.objects.get()
    assert message.kind == "hook.paused"
    assert "POST_TEST_TRAFFIC_SHIFT" in message.text


def test_review_is_told_a_day_before_it_is_overdue(change: Change, people: dict[str, User]) -> None:
    now = timezone.now()
    Override.objects.create(
        change=change,
        kind="override",
        person=people["bob"],
        reason="The site is down",
        rules=[{"kind": "freeze", "id": 1, "name": "Quarter close", "version": 1}],
        expires_at=now,
        review_due_at=now + timedelta(hours=48),
    )
    assert announcing.announce_due(now=now + timedelta(hours=24)) == 0
    Change.objects.filter(pk=change.pk).update(dispatched_at=now)
    assert announcing.announce_due(now=now) == 0
    assert announcing.announce_due(now=now + timedelta(hours=24)) == 1
    assert Message.objects.get().kind == "review.due"


def test_every_kind_is_known() -> None:
    kinds = {
        *announcing.MOVES.values(),
        *announcing.EDGES.values(),
        *(kind for kind, _ in announcing.ENTRIES.values()),
    }
    assert kinds <= set(KINDS)
