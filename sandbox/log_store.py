"""CloudWatch Logs streams that stay fast and bounded, kept inside moto's backend.

moto remembers every event object for ever, scans whole streams for each read, and counts its tokens from the front
of the list; a world that logs for hours needs none of that. Groups, tags, retention and queries stay moto's own.
"""

from __future__ import annotations

import itertools
import threading
from bisect import bisect_left, insort
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, cast

from moto.logs.models import LogGroup, LogsBackend, LogStream, logs_backends

EVENTS_KEPT = 2_000
STREAMS_KEPT = 500
_AT = attrgetter("timestamp")
_numbers = itertools.count(1)


class LogLine:
    """One event; the same attributes as moto's, without its registry of instances."""

    __slots__ = ("ingestion_time", "message", "number", "timestamp")

    def __init__(self, timestamp: int, message: str, ingestion_time: int, number: int | None = None) -> None:
        self.timestamp = timestamp
        self.message = message
        self.ingestion_time = ingestion_time
        self.number = next(_numbers) if number is None else number

    @property
    def event_id(self) -> str:
        """Sort by time, then by arrival; 56 digits as a real one has. Made when asked: most never are."""
        return f"{self.timestamp:020d}{self.number:036d}"

    def to_filter_dict(self) -> dict[str, Any]:
        return {"eventId": self.event_id, **self.to_response_dict()}

    def to_response_dict(self) -> dict[str, Any]:
        return {"timestamp": self.timestamp, "message": self.message, "ingestionTime": self.ingestion_time}


class Stream(LogStream):
    """A stream of at most `EVENTS_KEPT` events in order of time; `dropped` counts those that are gone."""

    # moto reads only the attributes that ours have too.
    events: list[LogLine]  # type: ignore[assignment]

    def __new__(cls, *_: Any, **__: Any) -> Stream:
        return object.__new__(cls)

    def __init__(self, log_group: LogGroup, name: str) -> None:
        super().__init__(log_group, name)
        self.dropped = 0

    def append(self, lines: list[tuple[int, str]], ingestion_time: int) -> None:
        """Add events given as (milliseconds, text)."""
        for timestamp, message in lines:
            line = LogLine(timestamp, message, ingestion_time)
            if self.events and timestamp < self.events[-1].timestamp:
                insort(self.events, line, key=_AT)
            else:
                self.events.append(line)
            self.stored_bytes += len(message) + 26
        # Trimming in steps of a tenth keeps appending cheap.
        if len(self.events) > EVENTS_KEPT * 1.1:
            surplus = len(self.events) - EVENTS_KEPT
            del self.events[:surplus]
            self.dropped += surplus
        self.last_ingestion_time = _naive(ingestion_time)
        self.upload_sequence_token += 1

    def extend(self, lines: list[LogLine]) -> None:
        """Add events that are in order, and later than those that are there."""
        self.events += lines
        self.stored_bytes += sum(len(line.message) + 26 for line in lines)
        self.last_ingestion_time = _naive(lines[-1].ingestion_time)

    def position(self, index: int) -> int:
        """Return the number of an event, which stays when older ones are dropped."""
        return index + self.dropped

    def index(self, position: int) -> int:
        """Return the place of a numbered event among those that are there."""
        return position - self.dropped

    def put_log_events(self, log_events: list[dict[str, Any]]) -> str:
        """Take PutLogEvents of an HTTP client."""
        now = int(datetime.now(UTC).timestamp() * 1000)
        self.append([(event["timestamp"], event["message"]) for event in log_events], now)
        return f"{self.upload_sequence_token:056d}"

    def between(self, start: int | None, end: int | None) -> tuple[int, int]:
        """Return the first and the one-past-last position of the events in [start, end)."""
        first = 0 if start is None else bisect_left(self.events, start, key=_AT)
        last = len(self.events) if end is None else bisect_left(self.events, end, key=_AT)
        return first, max(first, last)

    def _update(self) -> None:
        first, last = (self.events[0], self.events[-1]) if self.events else (None, None)
        self.first_event_timestamp = first.timestamp if first else None  # type: ignore[assignment]
        self.last_event_timestamp = last.timestamp if last else None  # type: ignore[assignment]


class Group(LogGroup):
    """A group that forgets its oldest streams beyond `STREAMS_KEPT`."""

    def __new__(cls, *_: Any, **__: Any) -> Group:
        return object.__new__(cls)

    def create_log_stream(self, log_stream_name: str) -> None:
        if log_stream_name in self.streams:
            super().create_log_stream(log_stream_name)  # raises what AWS answers
        self.streams[log_stream_name] = Stream(self, log_stream_name)
        while len(self.streams) > STREAMS_KEPT:
            del self.streams[next(iter(self.streams))]

    def known_streams(self) -> dict[str, Stream]:
        """Return the streams by name, oldest first; all of them are ours."""
        return cast("dict[str, Stream]", self.streams)


class Backend(LogsBackend):
    """moto's backend, making our groups; `lock` is held while events are read or written."""

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.lock = threading.RLock()

    @property
    def _url_module(self) -> Any:
        # moto derives it from the class's module, which is ours.
        from moto.logs import urls

        return urls

    def create_log_group(self, log_group_name: str, tags: dict[str, str], **kwargs: Any) -> Group:
        super().create_log_group(log_group_name, tags, **kwargs)
        # moto leaves abstract what only CloudFormation calls.
        group = Group(self.account_id, self.region_name, log_group_name, **kwargs)  # type: ignore[abstract]
        self.groups[log_group_name] = group
        return group

    def known_group(self, name: str) -> Group | None:
        """Return a group, which is always one of ours."""
        return cast("Group | None", self.groups.get(name))

    def write(
        self, group_name: str, stream_name: str, lines: list[tuple[datetime, str]], *, create_group: bool
    ) -> bool:
        """Append lines, making the stream, and the group where that is allowed; False without a group."""
        stamped = [(int(at.timestamp() * 1000), text) for at, text in lines]
        with self.lock:
            if create_group and group_name not in self.groups:
                self.create_log_group(group_name, {})
            group = self.known_group(group_name)
            if group is None:
                return False
            streams = group.known_streams()
            is_new = stream_name not in streams
            if is_new:
                group.create_log_stream(stream_name)
            stream = streams[stream_name]
            if is_new and stamped:
                stream.creation_time = _naive(stamped[0][0])
            if stamped:
                stream.append(stamped, stamped[-1][0])
        return True


def backend_of(account_id: str, region: str) -> Backend:
    """Return the log backend of an account and region, putting ours in the place of moto's."""
    regions = logs_backends[account_id]
    backend = dict.get(regions, region)
    if not isinstance(backend, Backend):
        backend = Backend(region, account_id)
        regions[region] = backend
    return backend


def _naive(milliseconds: int) -> datetime:
    # moto reckons in naive UTC.
    return datetime.fromtimestamp(milliseconds / 1000, UTC).replace(tzinfo=None)
