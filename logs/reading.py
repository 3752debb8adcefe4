"""Reads of log lines: from the followed tails, and on demand from CloudWatch Logs within a time limit."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from aws.errors import AwsNotFound
from aws.logs import fetch_events, last_events
from clusters.queries import scope_in
from logs.lens import Lens
from logs.lines import Line, gap_of, line_of, lines_of
from logs.models import LogTail
from logs.patterns import PatternRefused
from logs.store import KEPT, Store, StoreAway
from logs.subjects import Subject
from logs.tailing import watch

SHOWN = 500
# Pages of ten thousand lines cost a second each; a person waits with the seconds on screen.
DIRECT_SECONDS = 8.0
DIRECT_PAGE = 5000
LAST_LINES = 500
CURSOR = re.compile(r"([0-9a-f]{20})~(\d{1,16}-\d{1,10})\Z")


@dataclass(frozen=True, slots=True)
class Reading:
    """Lines, oldest first, and where to go on."""

    lines: list[Line]
    cursor: str = ""
    tails: list[LogTail] = field(default_factory=list)
    searched_count: int = 0
    is_cut: bool = False
    refusal: str = ""
    store_error: str = ""
    until_ms: int = 0

    @property
    def failing(self) -> list[LogTail]:
        return [tail for tail in self.tails if tail.failing_since]

    @property
    def is_first_read(self) -> bool:
        """Whether nothing was read yet and nothing has failed."""
        return any(tail.read_at is None and tail.failing_since is None for tail in self.tails)

    @property
    def read_at(self) -> datetime | None:
        """Return the age of the oldest part."""
        times = [tail.read_at for tail in self.tails if tail.read_at]
        return min(times) if times else None


def parse_cursor(text: str) -> dict[str, str]:
    """Read `key~id,key~id`; what is malformed counts as not seen yet."""
    return dict(match.groups() for part in text.split(",") if (match := CURSOR.match(part)))  # type: ignore[misc]


def read_live(subject: Subject, lens: Lens, now: datetime, after: str = "", limit: int = SHOWN) -> Reading:
    """Return the followed lines after a cursor, or the newest ones, and keep their groups followed."""
    tails = watch(subject.sources, now)
    seen = parse_cursor(after)
    cursors = dict(seen)
    found: list[Line] = []
    try:
        for tail in tails:
            store = Store(tail.key)
            entries = store.after(seen[tail.key], KEPT) if tail.key in seen else store.latest()
            streams = subject.streams[tail.key]
            found += [
                gap_of(entry.line) if entry.is_gap else line_of(entry.line, streams[entry.line.stream])
                for entry in entries
                if entry.is_gap or entry.line.stream in streams
            ]
            # A tail without lines begins at the start, or its first line would be taken for seen.
            cursors[tail.key] = entries[-1].cursor if entries else seen.get(tail.key, "0-0")
    except StoreAway as error:
        return Reading([], after, tails, store_error=str(error))
    cursor = ",".join(f"{key}~{place}" for key, place in cursors.items())
    shown, refusal = apply(lens, found)
    return Reading(shown[-limit:], cursor, tails, len(found), len(shown) > limit, refusal)


def apply(lens: Lens, found: list[Line]) -> tuple[list[Line], str]:
    """Filter and sort by time; a pattern that is too slow leaves everything in, and says so."""
    found.sort(key=lambda line: line.at_ms)
    try:
        return list(lens.filter(found)), lens.refusal
    except PatternRefused as error:
        return found, str(error)


def read_span(
    subject: Subject,
    lens: Lens,
    start_ms: int,
    end_ms: int,
    *,
    limit: int = SHOWN,
    clock: Callable[[], float] = time.monotonic,
) -> Reading:
    """Search a span of time in CloudWatch Logs; stops at the time limit and says how far it came.

    Raises AwsError. IAM: logs:FilterLogEvents.
    """
    give_up_at = clock() + DIRECT_SECONDS
    found: list[Line] = []
    until = end_ms
    is_cut = False
    for source in subject.sources:
        token: str | None = None
        while True:
            page = fetch_events(
                scope_in(source.account, source.region),
                source.group,
                streams=source.stream_prefix or None,
                start_ms=start_ms,
                end_ms=end_ms,
                next_token=token,
                limit=DIRECT_PAGE,
            )
            found += lines_of(page.events, subject.streams[source.key])
            token = page.next_token
            if token is None:
                break
            if clock() > give_up_at or len(found) > 4 * DIRECT_PAGE:
                is_cut = True
                until = min(until, page.events[-1].timestamp_ms if page.events else start_ms)
                break
    shown, refusal = apply(lens, found)
    return Reading(shown[:limit], searched_count=len(found), is_cut=is_cut, refusal=refusal, until_ms=until)


def read_last(subject: Subject, lens: Lens, *, limit: int = LAST_LINES) -> Reading:
    """Return the last lines of each stream of a task, as for one that stopped.

    Raises AwsError. IAM: logs:GetLogEvents.
    """
    found: list[Line] = []
    for streams in subject.streams.values():
        for stream in streams.values():
            scope = scope_in(stream.source.account, stream.source.region)
            try:
                events = last_events(scope, stream.source.group, stream.name, limit=limit)
            except AwsNotFound as error:
                # A container that never wrote has no stream; a group that is not there is an error to show.
                if "stream" not in error.message:
                    raise
                continue
            found += lines_of(events, {stream.name: stream})
    shown, refusal = apply(lens, found)
    return Reading(shown, searched_count=len(found), refusal=refusal)


def span_around(at_ms: int, seconds: int) -> tuple[int, int]:
    """Return the span of time that shows a moment in its middle."""
    half = seconds * 500
    return max(0, at_ms - half), at_ms + half
