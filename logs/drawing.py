"""Rows of a log as HTML: drawn in Python, because five hundred template loops would cost more than reading them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise

from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString

from logs.ansi import Span
from logs.lens import Lens
from logs.lines import Line
from logs.subjects import Badge

Ranges = Sequence[tuple[int, int]]


def draw_lines(lines: Iterable[Line], badges: Mapping[str, Badge], lens: Lens, page_url: str) -> SafeString:
    """Draw list items; each has an id to link to and its time in milliseconds for the script."""
    return format_html_join(
        "", "{}", ((draw_line(line, badges.get(line.task_id), lens, page_url),) for line in lines)
    )


def draw_line(line: Line, badge: Badge | None, lens: Lens, page_url: str) -> SafeString:
    if line.is_gap:
        return format_html(
            '<li class="event" id="{}" data-ms="{}">{}<span>{}</span></li>',
            line.anchor,
            line.at_ms,
            draw_time(line.at_ms),
            line.text,
        )
    css = f"t{badge.colour} {line.level}" if badge else line.level
    link = f"{page_url}?{lens.query(at=str(line.at_ms), task=lens.task_id)}#{line.anchor}"
    return format_html(
        '<li class="{}" id="{}" data-ms="{}"><a class="at" href="{}" title="Link to this line">{}</a>{}'
        '<span class="ct" title="{}">{}</span><span class="lv">{}</span><p>{}</p></li>',
        css.strip(),
        line.anchor,
        line.at_ms,
        link,
        draw_time(line.at_ms),
        draw_badge(badge),
        line.container,
        line.container,
        line.level,
        draw_text(line.spans, lens.ranges(line.text)),
    )


def draw_time(at_ms: int) -> SafeString:
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    precise = at.strftime("%H:%M:%S.") + f"{at.microsecond // 1000:03d}"
    full = f"{at:%Y-%m-%d} {precise} UTC"
    machine = f"{at:%Y-%m-%d}T{precise}Z"
    return format_html('<time datetime="{}" title="{}">{}</time>', machine, full, precise)


def draw_badge(badge: Badge | None) -> SafeString:
    if badge is None:
        return format_html('<span class="tk"></span>')
    return format_html(
        '<a class="tk" href="{}" title="Task {}">{} {}</a>',
        badge.url,
        badge.task_id,
        badge.letter,
        badge.task_id[:4],
    )


def draw_text(spans: Sequence[Span], ranges: Ranges) -> SafeString:
    """Draw styled text with its matches marked."""
    pieces = cut(spans, ranges)
    return format_html_join("", "{}", ((draw_piece(text, css, is_match),) for text, css, is_match in pieces))


def draw_piece(text: str, css: str, is_match: bool) -> SafeString:
    inner: SafeString = format_html("<mark>{}</mark>", text) if is_match else escape(text)
    return format_html('<span class="{}">{}</span>', css, inner) if css else inner


def cut(spans: Sequence[Span], ranges: Ranges) -> list[tuple[str, str, bool]]:
    """Cut styled text where a match begins or ends."""
    edges = sorted({edge for span in ranges for edge in span})
    inside = {start for start, _ in ranges}
    pieces: list[tuple[str, str, bool]] = []
    offset = 0
    is_match = False
    for span in spans:
        end = offset + len(span.text)
        bounds = [offset, *(edge for edge in edges if offset < edge < end), end]
        for start, stop in pairwise(bounds):
            if start in edges:
                is_match = start in inside
            pieces.append((span.text[start - offset : stop - offset], span.css, is_match))
        offset = end
    return pieces
