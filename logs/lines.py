"""A log line as pages show it."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from aws.logs import LogLine
from logs.ansi import Span, parse
from logs.levels import level_of
from logs.sources import Stream


@dataclass(frozen=True, slots=True)
class Line:
    """One line: when, of which task and container, how bad, and its styled text."""

    at_ms: int
    task_id: str
    container: str
    level: str
    text: str
    spans: tuple[Span, ...]
    anchor: str
    is_gap: bool = False


def anchor_of(line: LogLine) -> str:
    """Return the id of a line in the page, the same whichever call read it."""
    return (
        f"l{line.timestamp_ms}-{zlib.crc32(f'{line.stream} {line.message}'.encode('utf-8', 'replace')):08x}"
    )


def line_of(line: LogLine, stream: Stream) -> Line:
    spans = tuple(parse(line.message))
    text = "".join(span.text for span in spans)
    return Line(
        line.timestamp_ms, stream.task_id, stream.container, level_of(text), text, spans, anchor_of(line)
    )


def gap_of(line: LogLine) -> Line:
    return Line(line.timestamp_ms, "", "", "", line.message, (), anchor_of(line), is_gap=True)


def lines_of(found: list[LogLine], streams: Mapping[str, Stream]) -> list[Line]:
    """Return the lines of known streams; the others belong to services that this page is not about."""
    return [line_of(line, streams[line.stream]) for line in found if line.stream in streams]
