"""Reads of CloudWatch Logs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import botocore.session

from aws.calls import read
from aws.scope import Scope

EVENTS_PER_CALL = 10_000


@dataclass(frozen=True, slots=True)
class LogLine:
    """One log event; `event_id` tells two equal lines of the same millisecond apart."""

    timestamp_ms: int
    stream: str
    message: str
    event_id: str


@dataclass(frozen=True, slots=True)
class LogPage:
    """A page of events in order of time; without a token it was the last."""

    events: list[LogLine]
    next_token: str | None


def fetch_events(
    scope: Scope,
    group: str,
    *,
    streams: Sequence[str] | str | None = None,
    start_ms: int,
    end_ms: int | None = None,
    next_token: str | None = None,
    limit: int = EVENTS_PER_CALL,
    pattern: str = "",
) -> LogPage:
    """Read one page of a group's events; `streams` are at most 100 names, or a text that is their prefix.

    A page may be empty and still have a token. IAM: logs:FilterLogEvents.
    """
    params: dict[str, Any] = {"logGroupName": group, "startTime": start_ms, "limit": limit}
    if isinstance(streams, str):
        params["logStreamNamePrefix"] = streams
    elif streams is not None:
        params["logStreamNames"] = list(streams)
    optional = {"endTime": end_ms, "nextToken": next_token, "filterPattern": pattern or None}
    params |= {name: value for name, value in optional.items() if value is not None}
    answer = read(scope, "logs", "filter_log_events", **params)
    events = [line_of(event) for event in answer.get("events", [])]
    return LogPage(events, answer.get("nextToken") or None)


def last_events(scope: Scope, group: str, stream: str, *, limit: int) -> list[LogLine]:
    """Read the last lines of one stream, oldest first; they carry no event id. IAM: logs:GetLogEvents."""
    answer = read(
        scope,
        "logs",
        "get_log_events",
        logGroupName=group,
        logStreamName=stream,
        limit=limit,
        startFromHead=False,
    )
    return [line_of({**event, "logStreamName": stream}) for event in answer.get("events", [])]


def line_of(event: dict[str, Any]) -> LogLine:
    return LogLine(
        event.get("timestamp", 0),
        event.get("logStreamName", ""),
        event.get("message", ""),
        event.get("eventId", ""),
    )


def has_group(scope: Scope, group: str) -> bool:
    """Whether a log group is there. IAM: logs:DescribeLogGroups."""
    answer = read(scope, "logs", "describe_log_groups", logGroupNamePrefix=group)
    return any(item.get("logGroupName") == group for item in answer.get("logGroups") or [])


@cache
def regions() -> frozenset[str]:
    """Return the regions in which the SDK knows CloudWatch Logs."""
    session = botocore.session.get_session()
    partitions = session.get_available_partitions()
    return frozenset(name for part in partitions for name in session.get_available_regions("logs", part))


def is_region(name: str) -> bool:
    """Whether the SDK knows CloudWatch Logs in a region."""
    return name in regions()
