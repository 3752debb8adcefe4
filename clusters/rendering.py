"""The fleet row of a service, drawn once when its state changes; the page only joins what is stored here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.template.loader import get_template
from django.utils import timezone

from clusters.models import Service, Task
from clusters.status import ATTENTION, Status
from clusters.strip import revision_of, strip_of
from ecsconsole.ages import duration_words

# Ages inside a stored row would be of the moment of drawing. The row holds the moment between two of these
# instead, and the page puts the words in. ASCII's unit separator, removed from everything that AWS says.
AGE_MARK = "\x1f"
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
SAYS_OPEN = '<td role="cell" class="says">'


class Says(NamedTuple):
    """What is happening: the first sentence, bold where a person is needed, and the rest."""

    lead: str
    rest: str


def clean(text: str) -> str:
    """Drop control characters from what AWS said."""
    return CONTROL.sub("", text)


def says_of(service: Service) -> Says:
    """Split what is happening into its first sentence and the rest."""
    lead, _, rest = clean(service.happening).partition(". ")
    return Says(f"{lead}." if rest else lead, rest)


def age_mark(moment: datetime | None) -> str:
    """Return the placeholder that `fill_ages` turns into words."""
    return f"{AGE_MARK}{int(moment.timestamp())}{AGE_MARK}" if moment else ""


def draw_row(service: Service, tasks: Sequence[Task]) -> str:
    """Draw the row of a service with its current tasks; the cluster and its account must be joined."""
    status = Status(service.status)
    context = {
        "service": service,
        "status": status,
        "needs_attention": status in ATTENTION,
        "is_quiet": status in {Status.STEADY, Status.ZERO},
        "says": says_of(service),
        "strip": strip_of(service, tasks),
        "version": clean(service.version),
        "revision": revision_of(service.task_definition_arn),
        "deployed_by": clean(service.deployed_by),
        "since_mark": age_mark(service.status_since),
        "deployed_mark": age_mark(service.deployed_at),
    }
    return str(get_template("clusters/fleet_row.html").render(context)).strip()


def fill_ages(html: str, now: datetime) -> str:
    """Put the words for every stored moment into drawn rows."""
    parts = html.split(AGE_MARK)
    seconds = now.timestamp()
    known: dict[str, str] = {}
    for place in range(1, len(parts), 2):
        stamp = parts[place]
        words = known.get(stamp)
        if words is None:
            words = known[stamp] = duration_words(seconds - int(stamp))
        parts[place] = words
    return "".join(parts)


def as_unknown(row_html: str, status: Status, read_at: datetime | None) -> str:
    """Return a stored row as it must read once its figures are too old: grey, and saying since when."""
    head, found, tail = row_html.partition(SAYS_OPEN)
    if not found:
        return row_html
    head = head.replace(f"tick-row {status.css}", "tick-row stale", 1)
    head = head.replace(f"g c-{status.css}", "g c-stale", 1).replace(f"#{status.glyph}", "#s-stale", 1)
    head = head.replace(f">, {status.label}<", ">, Unknown<", 1)
    _, _, after = tail.partition("</td>")
    after = after.replace('aria-label="', 'aria-label="As last seen: ', 1)
    return f"{head}{SAYS_OPEN}{unknown_words(status, read_at)}</td>{after}"


def unknown_words(status: Status, read_at: datetime | None) -> str:
    """Say what a service was when it was last read, by the clock today and by the date before."""
    if read_at is None:
        return "Unknown, not read yet"
    moment = read_at.astimezone(UTC)
    is_recent = timezone.now() - read_at < timedelta(hours=20)
    when = f"at {moment:%H:%M} UTC" if is_recent else f"on {moment:%-d %b %H:%M} UTC"
    return f"Unknown, was {status.label.lower()} {when}"
