"""GetLogEvents and FilterLogEvents as AWS answers them, tokens, prefixes and partial pages included."""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator
from typing import Any

from sandbox.log_patterns import compile_pattern
from sandbox.log_store import Backend, Group, LogLine, Stream
from sandbox.ports import ApiError

OPERATIONS = frozenset({"GetLogEvents", "FilterLogEvents"})
PAGE_MAX = 10_000
# AWS too answers a page short, or empty, with a token, when it has looked at much and found little.
SCAN_MAX = 50_000


def answer_logs(backend: Backend, operation: str, params: dict[str, Any]) -> dict[str, Any]:
    """Answer one of `OPERATIONS`."""
    with backend.lock:
        if operation == "GetLogEvents":
            return get_log_events(backend, params)
        return filter_log_events(backend, params)


def get_log_events(backend: Backend, params: dict[str, Any]) -> dict[str, Any]:
    """Read one stream forwards or backwards; a token names the next event, so the end repeats its own."""
    group = _find_group(backend, params)
    stream = group.known_streams().get(params.get("logStreamName", ""))
    if stream is None:
        raise ApiError("ResourceNotFoundException", "The specified log stream does not exist.")
    limit = _limit(params)
    first, last = stream.between(params.get("startTime"), params.get("endTime"))
    direction, at = _read_token(params.get("nextToken"))
    if direction == "f" or (not direction and params.get("startFromHead")):
        start = min(last, max(first, stream.index(at) if direction else first))
        stop = min(last, start + limit)
    else:
        stop = max(first, min(last, stream.index(at))) if direction else last
        start = max(first, stop - limit)
    return {
        "events": [line.to_response_dict() for line in stream.events[start:stop]],
        "nextForwardToken": f"f/{stream.position(stop):056d}",
        "nextBackwardToken": f"b/{stream.position(start):056d}",
    }


def filter_log_events(backend: Backend, params: dict[str, Any]) -> dict[str, Any]:
    """Search a group's streams in order of time."""
    group = _find_group(backend, params)
    matches = compile_pattern(params.get("filterPattern") or "")
    after = params.get("nextToken") or ""
    if after and re.fullmatch(r"\d{56}", after) is None:
        raise ApiError("InvalidParameterException", "The specified nextToken is invalid.")
    # Both ends count, unlike in GetLogEvents.
    end = None if params.get("endTime") is None else params["endTime"] + 1
    start = params.get("startTime")
    if after:
        start = max(start or 0, int(after[:20]))
    limit = _limit(params)
    found: list[dict[str, Any]] = []
    position = ""
    sources = [_lines_after(stream, start, end, after) for stream in _chosen(group, params)]
    for scanned, (event_id, name, line) in enumerate(heapq.merge(*sources)):
        if len(found) >= limit or scanned >= SCAN_MAX:
            return {"events": found, "searchedLogStreams": [], "nextToken": position}
        position = event_id
        if matches(line.message):
            found.append({"logStreamName": name, **line.to_filter_dict()})
    return {"events": found, "searchedLogStreams": []}


def _lines_after(
    stream: Stream, start: int | None, end: int | None, after: str
) -> Iterator[tuple[str, str, LogLine]]:
    first, last = stream.between(start, end)
    for line in stream.events[first:last]:
        if line.event_id > after:
            yield line.event_id, stream.log_stream_name, line


def _chosen(group: Group, params: dict[str, Any]) -> list[Stream]:
    names, prefix = params.get("logStreamNames"), params.get("logStreamNamePrefix")
    if names and prefix:
        raise ApiError(
            "InvalidParameterException",
            "LogStreamNamePrefix and LogStreamNames cannot be specified together.",
        )
    streams = group.known_streams()
    if names:
        if any(name not in streams for name in names):
            raise ApiError("ResourceNotFoundException", "The specified log stream does not exist.")
        return [streams[name] for name in names]
    return [stream for name, stream in streams.items() if name.startswith(prefix or "")]


def _find_group(backend: Backend, params: dict[str, Any]) -> Group:
    name = params.get("logGroupName") or ""
    identifier = params.get("logGroupIdentifier") or ""
    if not name and identifier:
        # Either a name or an ARN, with or without its closing `:*`.
        name = identifier.partition(":log-group:")[2].removesuffix(":*") or identifier
    group = backend.known_group(name)
    if group is None:
        raise ApiError("ResourceNotFoundException", "The specified log group does not exist.")
    return group


def _limit(params: dict[str, Any]) -> int:
    limit = params.get("limit") or PAGE_MAX
    if not isinstance(limit, int) or not 1 <= limit <= PAGE_MAX:
        raise ApiError(
            "InvalidParameterException",
            f"1 validation error detected: Value '{limit}' at 'limit' failed to satisfy constraint: "
            f"Member must have value less than or equal to {PAGE_MAX}",
        )
    return limit


def _read_token(token: str | None) -> tuple[str, int]:
    if not token:
        return "", 0
    found = re.fullmatch(r"([fb])/(\d+)", token)
    if found is None:
        raise ApiError("InvalidParameterException", "The specified nextToken is invalid.")
    return found[1], int(found[2])
