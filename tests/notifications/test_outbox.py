"""News is written with what it tells of, sent at least once, and never lost in silence."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction

from access.resources import Resource
from notifications import delivering, sweeping
from notifications.actions import notify
from notifications.channels import switch_channel
from notifications.delivering import BACKOFF, CLAIM, claim, deliver
from notifications.models import Delivery, Message
from notifications.queries import told_of
from notifications.senders.http import LONGEST_WAIT
from tests.notifications.conftest import NOW, MakeChannel
from tests.notifications.receivers import Receiver

pytestmark = pytest.mark.django_db
PROD = Resource("production", "111122223333", "us-east-1", "prod-core", "checkout-api")


def tell(kind: str = "change.failed", resource: Resource = PROD, **more: Any) -> Message | None:
    told = {"title": "Deploy checkout-api v2", "text": "The circuit breaker tripped.", "path": "/changes/7/"}
    return notify(kind=kind, resource=resource, actor="alice", now=NOW, **{**told, **more})


def only() -> Delivery:
    return Delivery.objects.get()


def test_nothing_is_written_where_nobody_listens(make_channel: MakeChannel) -> None:
    make_channel(address="https://x.example/", kinds=("change.succeeded",))
    make_channel(address="https://x.example/", environment="staging")
    make_channel(address="https://x.example/", cluster="stag-*")
    assert tell() is None
    assert not Message.objects.exists()


@pytest.mark.parametrize(
    "place",
    [
        {},
        {"environment": "production"},
        {"account_id": "111122223333", "region": "us-east-1"},
        {"cluster": "prod-*"},
        {"service": "checkout-?pi"},
    ],
)
def test_subscription_holds_where_a_binding_of_that_place_would(
    make_channel: MakeChannel, place: dict[str, str], wakes: list[int]
) -> None:
    make_channel(address="https://x.example/", kinds=("change.failed", "change.rejected"), **place)
    assert tell() is not None
    assert tell("change.succeeded") is None
    assert only().state == "waiting"


def test_news_of_a_whole_account_does_not_reach_a_subscription_to_one_service(
    make_channel: MakeChannel,
) -> None:
    make_channel(address="https://x.example/", service="checkout-api")
    assert tell(resource=Resource("production", "111122223333")) is None


def test_two_subscriptions_of_one_channel_tell_it_once(make_channel: MakeChannel, wakes: list[int]) -> None:
    channel = make_channel(address="https://x.example/")
    channel.subscriptions.create(kinds=["change.failed"])
    tell()
    assert Delivery.objects.count() == 1


def test_what_names_a_key_is_told_once(make_channel: MakeChannel, wakes: list[int]) -> None:
    make_channel(address="https://x.example/")
    assert tell(key="outside:arn") is not None
    assert tell(key="outside:arn") is None
    assert Message.objects.count() == 1


def test_a_key_of_long_names_is_told_once_on_every_database(
    make_channel: MakeChannel, wakes: list[int]
) -> None:
    make_channel(address="https://x.example/")
    keys = [f"pause:{'n' * 500}:{stage}" for stage in ("PRE_SCALE_UP", "POST_SCALE_UP")]
    assert [tell(key=key) is not None for key in (*keys, *keys)] == [True, True, False, False]
    assert told_of([*keys, "other"]) == set(keys)
    # PostgreSQL refuses what is longer than its column, and with it everything that was to be told.
    longest = Message._meta.get_field("key").max_length
    assert all(len(message.key or "") <= longest for message in Message.objects.all())


def test_message_goes_with_the_transaction_that_tells_of_it(make_channel: MakeChannel) -> None:
    make_channel(address="https://x.example/")

    def fail_after_telling() -> None:
        with transaction.atomic():
            tell()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_after_telling()
    assert not Message.objects.exists()


def test_worker_is_woken_after_the_commit_and_not_before(
    make_channel: MakeChannel, wakes: list[int], django_capture_on_commit_callbacks: Any
) -> None:
    make_channel(address="https://x.example/")
    with django_capture_on_commit_callbacks(execute=True):
        tell()
        assert wakes == []
    assert wakes == [only().pk]


def test_duplicate_wake_ups_send_once(
    make_channel: MakeChannel, receiver: Receiver, wakes: list[int]
) -> None:
    make_channel(address=receiver.url)
    tell()
    assert [deliver(only().pk, now=NOW) for _ in range(3)] == [True, False, False]
    assert len(receiver.requests) == 1
    assert only().state == "sent"
    assert only().channel.succeeded_at == NOW


def test_of_two_workers_that_read_the_same_row_one_sends(
    make_channel: MakeChannel, wakes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_channel(address="https://x.example/")
    tell()
    first = claim(only().pk, NOW)
    assert first is not None
    # The other one had read the row before the first one's claim was committed.
    Delivery.objects.update(next_at=NOW)
    stale = Delivery.objects.get()
    stale.attempt_count -= 1
    monkeypatch.setattr(type(Delivery.objects.filter()), "first", lambda self: stale)
    assert claim(only().pk, NOW) is None


def test_message_of_a_worker_that_died_after_its_claim_is_sent_by_the_next(
    make_channel: MakeChannel, receiver: Receiver, wakes: list[int]
) -> None:
    make_channel(address=receiver.url)
    tell()
    assert claim(only().pk, NOW) is not None
    assert sweeping.due(NOW + CLAIM / 2) == []
    later = NOW + CLAIM
    assert sweeping.due(later) == [only().pk]
    assert deliver(only().pk, now=later)
    assert len(receiver.requests) == 1


def test_message_of_a_clock_that_was_ahead_does_not_wait_for_that_time(
    make_channel: MakeChannel, receiver: Receiver, wakes: list[int]
) -> None:
    make_channel(address=receiver.url)
    notify(
        kind="change.failed",
        resource=PROD,
        title="Deploy",
        text="",
        path="/",
        actor="alice",
        now=NOW + timedelta(days=3),
    )
    assert sweeping.due(NOW) == [only().pk]
    assert deliver(only().pk, now=NOW)
    assert not deliver(only().pk, now=NOW)


def test_the_longest_wait_is_waited_for(
    make_channel: MakeChannel, receiver: Receiver, wakes: list[int]
) -> None:
    make_channel(address=receiver.url)
    tell()
    for wait in (*BACKOFF, LONGEST_WAIT, CLAIM):
        Delivery.objects.update(next_at=NOW + wait)
        assert sweeping.due(NOW) == []
        assert not deliver(only().pk, now=NOW)


def test_worker_whose_claim_ran_out_does_not_overwrite_the_next_ones_word(
    make_channel: MakeChannel, receiver: Receiver, wakes: list[int]
) -> None:
    make_channel(address=receiver.url)
    tell()
    slow = claim(only().pk, NOW)
    assert slow is not None
    assert deliver(only().pk, now=NOW + CLAIM)
    delivering.fail(slow, delivering.SendFailed("too late"), NOW + CLAIM)
    assert only().state == "sent"
    assert only().channel.failure_count == 0


def test_failures_are_tried_again_later_and_later_and_end_as_a_dead_letter(
    make_channel: MakeChannel, receiver: Receiver, wakes: list[int]
) -> None:
    make_channel(address=receiver.url)
    receiver.answers = [(503, {}, b"busy")]
    tell()
    now = NOW
    for wait in BACKOFF:
        assert not deliver(only().pk, now=now)
        assert (only().state, only().next_at) == ("waiting", now + wait)
        assert sweeping.due(now + wait - timedelta(seconds=1)) == []
        now += wait
    assert not deliver(only().pk, now=now)
    dead = only()
    assert (dead.state, dead.next_at) == ("dead", None)
    assert dead.error == "127.0.0.1 answered 503: busy"
    assert len(receiver.requests) == len(BACKOFF) + 1
    assert dead.channel.failed_at == NOW
    assert dead.channel.failure_count == len(BACKOFF) + 1


def test_every_try_bears_the_same_message_id(
    make_channel: MakeChannel, receiver: Receiver, wakes: list[int]
) -> None:
    make_channel("webhook", receiver.url)
    receiver.answers = [(500, {}, b""), (200, {}, b"")]
    tell()
    deliver(only().pk, now=NOW)
    assert deliver(only().pk, now=NOW + BACKOFF[0])
    ids = {request.headers["Idempotency-Key"] for request in receiver.requests}
    assert ids == {str(only().message.message_id)}
    assert len(receiver.requests) == 2


def test_receiver_that_asks_to_wait_is_left_alone_that_long(
    make_channel: MakeChannel, receiver: Receiver, wakes: list[int]
) -> None:
    make_channel(address=receiver.url)
    receiver.answers = [(429, {"Retry-After": "120"}, b"")]
    tell()
    deliver(only().pk, now=NOW)
    assert only().next_at == NOW + timedelta(seconds=120)


def test_what_cannot_get_better_is_a_dead_letter_at_once(
    make_channel: MakeChannel, receiver: Receiver, wakes: list[int]
) -> None:
    make_channel(address=receiver.url)
    receiver.answers = [(404, {}, b"no_service")]
    tell()
    deliver(only().pk, now=NOW)
    assert (only().state, only().error) == ("dead", "127.0.0.1 answered 404: no_service")


def test_dead_letter_that_is_sent_again_has_all_its_tries(
    make_channel: MakeChannel, receiver: Receiver, wakes: list[int]
) -> None:
    make_channel(address=receiver.url)
    receiver.answers = [(404, {}, b""), (503, {}, b""), (200, {}, b"")]
    tell()
    deliver(only().pk, now=NOW)
    assert delivering.send_again(only(), NOW)
    assert not delivering.send_again(only(), NOW)
    deliver(only().pk, now=NOW)
    assert (only().state, only().next_at) == ("waiting", NOW + BACKOFF[0])
    assert deliver(only().pk, now=NOW + BACKOFF[0])
    assert only().channel.failed_at is None


def test_what_nobody_foresaw_is_a_dead_letter_and_a_traceback(
    make_channel: MakeChannel, wakes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_channel(address="https://x.example/")
    tell()
    monkeypatch.setitem(delivering.SENDERS, "slack", lambda outgoing: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        deliver(only().pk, now=NOW)
    assert (only().state, only().error) == ("dead", "The console failed: ZeroDivisionError.")


def test_channel_that_is_switched_off_is_told_nothing_and_drops_what_waits(
    make_channel: MakeChannel, people: dict[str, User], wakes: list[int]
) -> None:
    channel = make_channel(address="https://x.example/")
    tell()
    assert switch_channel(channel=channel, is_on=False, actor=people["erin"])
    assert not switch_channel(channel=channel, is_on=False, actor=people["erin"])
    assert only().state == "dropped"
    assert tell() is None
    assert not deliver(only().pk, now=NOW)


def test_old_messages_are_pruned(make_channel: MakeChannel, wakes: list[int]) -> None:
    make_channel(address="https://x.example/")
    tell()
    assert sweeping.prune(now=NOW + sweeping.KEPT_FOR) == 0
    assert sweeping.prune(now=NOW + sweeping.KEPT_FOR + timedelta(seconds=1)) == 1
    assert not Delivery.objects.exists()
