"""The log panel: what it shows, in one of three modes, for whichever page it stands on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from ecsconsole.http import ConsoleRequest
from logs.drawing import draw_lines
from logs.lens import LEVEL_CHOICES, Lens
from logs.lines import Line
from logs.queries import SPANS, parse_moment, parse_span, silence_of
from logs.reading import Reading, read_last, read_live, read_span, span_around
from logs.subjects import Subject, chips_of

# Tasks that stopped within this time keep their lines in the live view.
LIVE_SPAN = timedelta(minutes=20)
LEVEL_WORDS = {"": "All", "warn": "Warn and error", "error": "Error"}


@dataclass(frozen=True, slots=True)
class View:
    """Which lines are asked for: followed ones, those around a moment, or the last of a stopped task."""

    at_ms: int | None
    seconds: int
    is_stopped_task: bool = False

    @property
    def mode(self) -> str:
        if self.at_ms is not None:
            return "at"
        return "last" if self.is_stopped_task else "live"

    @property
    def span(self) -> tuple[int, int]:
        return span_around(self.at_ms or 0, self.seconds)

    def times(self, now: datetime) -> tuple[datetime, datetime]:
        """Return the span of time whose tasks count."""
        if self.mode != "at":
            return now - LIVE_SPAN, now + timedelta(days=1)
        start, end = self.span
        return moment(start), moment(end)


def moment(ms: int) -> datetime:
    return datetime.fromtimestamp(min(ms, 253_402_300_799_000) / 1000, UTC)


def view_of(request: ConsoleRequest, *, is_stopped_task: bool = False) -> View:
    """Read the mode from the address."""
    at_ms = parse_moment(request.GET.get("at", ""))
    return View(at_ms, parse_span(request.GET.get("span", "")), is_stopped_task)


def frame_of(subject: Subject, lens: Lens, view: View) -> dict[str, Any]:
    """Return the panel without its lines."""
    chips, hidden_count = chips_of(subject, lens)
    return {
        "subject": subject,
        "lens": lens,
        "view": view,
        "silence": silence_of(subject),
        "chips": [(badge, chip_query(lens, view, badge.task_id)) for badge in chips],
        "hidden_task_count": hidden_count,
        "levels": [(level, LEVEL_WORDS[level], query_of(lens, view, level=level)) for level in LEVEL_CHOICES],
        "containers": [(name, query_of(lens, view, container=name)) for name in ("", *subject.containers)],
        "spans": SPANS.items(),
        "clear_query": query_of(lens, view, q="", regex="", level="", task="", container=""),
        "live_query": lens.query(),
        "fetch_query": query_of(lens, view),
        "subject_lines": subject.url("lines"),
        "subject_history": subject.url("history"),
        "subject_download": subject.url("download"),
        "topics": ",".join(f"logs:{source.key}" for source in subject.sources),
        **neighbours(lens, view),
    }


def query_of(lens: Lens, view: View, **changes: str) -> str:
    """Return the address parameters of the same view with another filter."""
    place = {} if view.at_ms is None else {"at": str(view.at_ms), "span": str(view.seconds)}
    return urlencode({**lens.params(**changes), **place})


def chip_query(lens: Lens, view: View, task_id: str) -> str:
    return query_of(lens, view, task="" if lens.task_id == task_id else task_id)


def neighbours(lens: Lens, view: View) -> dict[str, Any]:
    """Return the span that is shown and the addresses of the ones before and after it."""
    if view.at_ms is None:
        return {}
    start, end = view.span
    step = view.seconds * 1000
    return {
        "span_start": moment(start),
        "span_end": moment(end),
        "jump_to": moment(view.at_ms),
        "earlier_query": query_of(lens, View(max(0, view.at_ms - step), view.seconds)),
        "later_query": query_of(lens, View(view.at_ms + step, view.seconds)),
    }


def reading_of(subject: Subject, lens: Lens, view: View, now: datetime, after: str = "") -> Reading:
    """Read the lines of a view; live ones come from Redis, the others from AWS. Raises AwsError."""
    if view.mode == "live":
        return read_live(subject, lens, now, after)
    if view.mode == "at":
        return read_span(subject, lens, *view.span)
    return read_last(subject, lens)


def lines_context(subject: Subject, lens: Lens, reading: Reading) -> dict[str, Any]:
    """Return a reading as the template shows it."""
    return {
        "reading": reading,
        "rows": draw_lines(reading.lines, subject.badges, lens, subject.url()),
        "counts": f"{len(reading.lines):,}",
        "until": moment(reading.until_ms),
    }


def as_text(lines: Iterable[Line]) -> str:
    """Return lines as plain text: time, task, container, message; without anything that steers a terminal."""
    rows = []
    for line in lines:
        at = moment(line.at_ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        rows.append(f"{at} {line.task_id or '-'} {line.container or '-'} {line.text}\n")
    return "".join(rows)
