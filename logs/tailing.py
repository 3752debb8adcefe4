"""Following log groups: one reader for each, while somebody looks."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import structlog
from django.db.models import Count, Q

from aws.errors import AwsError, AwsNotFound, AwsThrottled
from aws.logs import LogLine, fetch_events
from clusters.queries import scope_in
from live.bus import publish
from logs.models import LogTail
from logs.sources import Source
from logs.store import Store, StoreAway

logger = structlog.get_logger(__name__)

# A page asks again well within this time, so a tail ends soon after the last one closed.
WATCH = timedelta(seconds=90)
# Renewed at most this often for all viewers together.
RENEW = timedelta(seconds=45)
# FilterLogEvents allows 5 requests a second in the smaller regions, and half of them are for others.
REQUESTS_A_SECOND = 2.0
SHORTEST_PAUSE = timedelta(seconds=2)
LONGEST_PAUSE = timedelta(seconds=60)
# How long a reader may be silent before another takes its place.
LEASE = timedelta(seconds=60)
# A tail begins with what was written in this time.
LOOK_BACK_MS = 15 * 60 * 1000
# Tasks write through batches of their own, so that lines of the past still come in.
OVERLAP_MS = 15_000
IDLE_MS = 60_000
PAGE = 2000
MOST_PAGES = 4


def to_ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def watch(sources: Iterable[Source], now: datetime) -> list[LogTail]:
    """Have the sources followed for a while and return their tails; writes only when the time is nearly over."""
    wanted = {source.key: source for source in sources}
    known = {tail.key: tail for tail in LogTail.objects.filter(key__in=wanted).select_related("account")}
    return [watch_one(known.get(key), source, now) for key, source in wanted.items()]


def watch_one(tail: LogTail | None, source: Source, now: datetime) -> LogTail:
    if tail is None:
        fields = {
            "account": source.account,
            "region": source.region,
            "group": source.group,
            "stream_prefix": source.stream_prefix,
            "watched_until": now + WATCH,
            "next_due_at": now,
        }
        # Two pages may open at once: the second finds the row of the first.
        tail, _ = LogTail.objects.get_or_create(key=source.key, defaults=fields)
    elif tail.watched_until < now + RENEW:
        due = min(tail.next_due_at, now) if tail.watched_until <= now else tail.next_due_at
        LogTail.objects.filter(pk=tail.pk).update(watched_until=now + WATCH, next_due_at=due)
    return tail


def claim_due(now: datetime) -> list[int]:
    """Return the watched tails that are due, each claimed for one reader."""
    due = LogTail.objects.filter(watched_until__gt=now, next_due_at__lte=now)
    return [
        pk
        for pk, at in due.values_list("pk", "next_due_at")
        # Another beat may have taken it in between; then its date has moved.
        if LogTail.objects.filter(pk=pk, next_due_at=at).update(next_due_at=now + LEASE)
    ]


def read_tail(tail_id: int, now: datetime) -> int:
    """Read what is new in one log group, store it and nudge; return how many lines were new.

    Every outcome sets when the tail is due again. IAM: logs:FilterLogEvents.
    """
    tail = LogTail.objects.select_related("account").get(pk=tail_id)
    try:
        count = read_new(tail, now)
    except AwsError as error:
        note_failure(tail, error, now)
        return 0
    except StoreAway as error:
        logger.warning("log_store_away", tail=str(tail), error=str(error))
        LogTail.objects.filter(pk=tail.pk).update(next_due_at=now + LONGEST_PAUSE / 4)
        return 0
    was_failing = tail.failing_since is not None
    LogTail.objects.filter(pk=tail.pk).update(
        cursor_ms=tail.cursor_ms,
        read_at=now,
        next_due_at=now + pause_for(tail, now),
        failure_count=0,
        failing_since=None,
        error_action="",
        error_code="",
        error_message="",
        error_request_id="",
        error_hint="",
    )
    # The first read is news even when it found nothing: the page still says that it reads.
    if count or was_failing or tail.read_at is None:
        publish(tail.topic)
    return count


def read_new(tail: LogTail, now: datetime) -> int:
    """Fetch from the cursor on, a few pages at most, and move the cursor."""
    store = Store(tail.key)
    horizon = to_ms(now) - LOOK_BACK_MS
    if tail.cursor_ms < horizon:
        # Nobody looked for a while: what lies between is history, which is searched and not followed.
        store.clear()
        tail.cursor_ms = horizon
    start = max(horizon, tail.cursor_ms - OVERLAP_MS)
    newest, count, token = tail.cursor_ms, 0, None
    for _ in range(MOST_PAGES):
        page = fetch_events(
            scope_in(tail.account, tail.region),
            tail.group,
            streams=tail.stream_prefix or None,
            start_ms=start,
            next_token=token,
            limit=PAGE,
        )
        newest = max(newest, *(line.timestamp_ms for line in page.events), newest)
        count += store.append(ordered(page.events), forget_before_ms=start - OVERLAP_MS)
        token = page.next_token
        if token is None:
            break
    if token is not None:
        newest = skip_ahead(store, newest, now)
    tail.cursor_ms = max(newest, to_ms(now) - IDLE_MS)
    return count


def ordered(lines: Iterable[LogLine]) -> list[LogLine]:
    return sorted(lines, key=lambda line: line.timestamp_ms)


def skip_ahead(store: Store, newest: int, now: datetime) -> int:
    """Leave out what cannot be read in time, and say so among the lines."""
    target = to_ms(now) - OVERLAP_MS
    if newest >= target:
        return newest
    seconds = (target - newest) // 1000
    store.append_gap(
        newest, f"The group writes faster than it can be followed: {seconds} s are left out here."
    )
    return target


def pause_for(tail: LogTail, now: datetime) -> timedelta:
    """Return how long to wait, so that all tails of an account and region share its request rate."""
    others = LogTail.objects.filter(account=tail.account_id, region=tail.region, watched_until__gt=now)
    found = others.aggregate(count=Count("pk", filter=Q(failing_since=None)))
    return max(SHORTEST_PAUSE, timedelta(seconds=found["count"] / REQUESTS_A_SECOND))


def note_failure(tail: LogTail, error: AwsError, now: datetime) -> None:
    """Store what went wrong for the page to show, and wait longer each time."""
    count = tail.failure_count + 1
    base = timedelta(seconds=15) if isinstance(error, AwsNotFound) else SHORTEST_PAUSE
    LogTail.objects.filter(pk=tail.pk).update(
        next_due_at=now + min(base * 2 ** min(count, 8), LONGEST_PAUSE),
        failure_count=count,
        failing_since=tail.failing_since or now,
        error_action=error.action,
        error_code=error.code,
        error_message=error.message.rstrip("."),
        error_request_id=error.request_id,
        error_hint=error.hint,
    )
    logger.warning(
        "log_tail_failed", tail=str(tail), error=str(error), is_throttled=isinstance(error, AwsThrottled)
    )
    if tail.error_code != error.code or tail.failing_since is None:
        publish(tail.topic)
