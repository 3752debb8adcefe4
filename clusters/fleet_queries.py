"""The fleet page's read: every visible service in a fixed number of queries, rows joined as stored."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from django.db.models import Case, F, QuerySet, When
from django.http import QueryDict
from django.utils.safestring import SafeString

from clusters.fleet_filters import FleetFilter, filters_on, sort_of, sorted_by, status_of
from clusters.models import Cluster, Environment, Service, Task
from clusters.rendering import as_unknown, draw_row, fill_ages
from clusters.sources import Source, sources_of, stale_after
from clusters.status import ATTENTION, SEVERITY, Status

if TYPE_CHECKING:
    from access.queries import Access

LAUNCH_WORDS = {"FARGATE": "Fargate", "EC2": "EC2", "EXTERNAL": "External"}
COUNTED = (Status.FAILED, Status.DEGRADED, Status.DEPLOYING, Status.STEADY, Status.ZERO, Status.UNKNOWN)
NAMED_IN_ANNOUNCEMENT = 3
STATUSES = {status.value: status for status in Status}
CARE = {str(environment): place for place, environment in enumerate(Environment)}


class Place(NamedTuple):
    """A cluster as the fleet page needs it."""

    pk: int
    name: str
    region: str
    environment: str
    account_id: str
    account_name: str
    instance_count: int | None


class Row(NamedTuple):
    """A service as stored, with the status that holds now."""

    pk: int
    name: str
    place: Place
    status: Status
    html: str
    launch_type: str


@dataclass(frozen=True, slots=True)
class Count:
    """One cell of the tally: a count that is a filter; no status means all."""

    status: Status | None
    count: int
    note: str
    is_on: bool


@dataclass(frozen=True, slots=True)
class Group:
    """Rows under one head: those in need of attention, a cluster, or all when a column sorts."""

    key: str
    rows: Sequence[Row]
    place: Place | None = None
    note: str = ""
    counts: Sequence[tuple[Status, int]] = ()
    html: SafeString = field(default_factory=SafeString)


@dataclass(frozen=True, slots=True)
class Fleet:
    """Everything that the fleet page shows."""

    groups: list[Group]
    tally: list[Count]
    sources: list[Source]
    places: list[Place]
    shown: int
    total: int
    filters: int
    state: str
    announcement: str

    @property
    def failing(self) -> list[Source]:
        """Return the sources in trouble, to be named above all."""
        return [source for source in self.sources if source.is_in_trouble]


def read_fleet(access: Access, params: QueryDict, now: datetime) -> Fleet:
    """Read the fleet as one person sees it under the filters of an address."""
    visible = access.visible(Service.objects.filter(gone_at__isnull=True))
    places = places_of(visible)
    sources = sources_of(access, now)
    key, is_descending = sort_of(params)
    narrowed = FleetFilter(params, queryset=visible).qs
    rows = read_rows(sorted_by(narrowed, key, is_descending), places, sources, now)
    if key == "status":
        rows.sort(key=lambda row: SEVERITY[row.status], reverse=is_descending)
    status = status_of(params)
    shown = [row for row in rows if status in (None, row.status)]
    if key:
        groups = [Group("all", shown)]
    else:
        groups = group_rows(shown, attention_first=params.get("order") != "cluster")
    tally = tally_of(rows, status)
    filled = [with_html(group, now) for group in groups if group.rows]
    return Fleet(
        groups=filled,
        tally=tally,
        sources=sources,
        places=sorted(places.values(), key=place_order),
        shown=len(shown),
        total=len(rows),
        filters=filters_on(params),
        state=state_of(access, shown, places, sources),
        announcement=announcement_of(rows),
    )


def places_of(visible: QuerySet[Service]) -> dict[int, Place]:
    """Return the clusters of visible services, by key."""
    clusters = Cluster.objects.filter(pk__in=visible.order_by().values("cluster_id"))
    columns = ("pk", "name", "region", "environment", "account__account_id", "account__name")
    found = clusters.values_list(*columns, "facts__registeredContainerInstancesCount")
    return {values[0]: Place(*values) for values in found}


def read_rows(
    services: QuerySet[Service], places: dict[int, Place], sources: Iterable[Source], now: datetime
) -> list[Row]:
    """Return the rows as stored; a service that was not read lately is unknown, whatever it was."""
    by_place = {(source.account_id, source.region): source for source in sources}
    # The moment is read for old rows only: a thousand of them would cost more than all the rest.
    old = Case(When(described_at__lt=now - stale_after(), then=F("described_at")), default=None)
    rows: list[Row] = []
    undrawn: list[int] = []
    columns = services.annotate(old_at=old).values_list(
        "pk", "name", "cluster_id", "status", "row_html", "launch_type", "old_at"
    )
    for pk, name, cluster_id, stored, html, launch_type, old_at in columns:
        place, status = places.get(cluster_id), STATUSES[stored]
        if place is None:
            # A poll stored this cluster between the two queries; the nudge that it sent shows it.
            continue
        source = by_place.get((place.account_id, place.region))
        is_old = source is None or source.is_stale or old_at is not None
        if not html:
            undrawn.append(len(rows))
        elif is_old:
            html = as_unknown(html, status, old_at or (source.read_at if source else None))
        rows.append(Row(pk, name, place, Status.UNKNOWN if is_old else status, html, launch_type))
    return draw_missing(rows, undrawn) if undrawn else rows


def draw_missing(rows: list[Row], places: Sequence[int]) -> list[Row]:
    """Draw the rows that no poll has drawn yet."""
    keys = [rows[place].pk for place in places]
    services = Service.objects.select_related("cluster__account").in_bulk(keys)
    tasks: dict[int, list[Task]] = {}
    for task in Task.objects.filter(service__in=keys, gone_at__isnull=True):
        tasks.setdefault(task.service_id or 0, []).append(task)
    for place in places:
        row = rows[place]
        service = services[row.pk]
        html = draw_row(service, tasks.get(row.pk, []))
        if row.status == Status.UNKNOWN:
            html = as_unknown(html, Status(service.status), service.described_at)
        rows[place] = row._replace(html=html)
    return rows


def group_rows(rows: Sequence[Row], *, attention_first: bool) -> list[Group]:
    """Group by cluster, worst first; what needs attention stands above all clusters and is listed once."""
    attention = [row for row in rows if attention_first and row.status in ATTENTION]
    attention.sort(key=lambda row: SEVERITY[row.status])
    by_place: dict[Place, list[Row]] = {}
    for row in rows:
        by_place.setdefault(row.place, []).append(row)
    groups = []
    if attention:
        clusters = len({row.place.pk for row in attention})
        groups.append(
            Group(
                "attention",
                attention,
                note=f"{plural(len(attention), 'service')} in {plural(clusters, 'cluster')}, worst first",
            )
        )
    for place in sorted(by_place, key=place_order):
        everything = by_place[place]
        here = [row for row in everything if not (attention_first and row.status in ATTENTION)]
        here.sort(key=lambda row: SEVERITY[row.status])
        counts = Counter(row.status for row in here)
        groups.append(
            Group(
                f"cluster-{place.pk}",
                here,
                place=place,
                note=place_note(place, everything, len(everything) - len(here)),
                counts=[(status, counts[status]) for status in COUNTED if counts[status]],
            )
        )
    return groups


def place_order(place: Place) -> tuple[int, str, str, str]:
    """Order clusters by how much care they need, then by where they are."""
    return (CARE.get(place.environment, len(CARE)), place.account_name, place.region, place.name)


def place_note(place: Place, rows: Sequence[Row], listed_above: int) -> str:
    """Say where a cluster is, what runs its tasks, and how many of its services stand further up."""
    launch = sorted({LAUNCH_WORDS.get(row.launch_type, "capacity providers") for row in rows})
    parts = [place.account_name, place.region, " and ".join(launch)]
    if place.instance_count:
        parts.append(plural(place.instance_count, "container instance"))
    parts.append(plural(len(rows), "service"))
    if listed_above:
        parts.append(f"{listed_above} listed above")
    return ", ".join(parts)


def with_html(group: Group, now: datetime) -> Group:
    """Join the stored rows of a group and fill in the ages."""
    joined = fill_ages("\n".join(row.html for row in group.rows), now)
    # Safe: our own template drew these rows with escaping on, and `fill_ages` adds digits and units only.
    return Group(group.key, group.rows, group.place, group.note, group.counts, SafeString(joined))


def tally_of(rows: Sequence[Row], status: Status | None) -> list[Count]:
    """Count the services of each status under all other filters."""
    clusters = len({row.place.pk for row in rows})
    tally = [Count(None, len(rows), f"in {plural(clusters, 'cluster')}", status is None)]
    for counted in COUNTED:
        found = [row for row in rows if row.status == counted]
        tally.append(Count(counted, len(found), count_note(counted, found), status == counted))
    return tally


def count_note(status: Status, rows: Sequence[Row]) -> str:
    """Say beside a count where its services are."""
    if not rows:
        return ""
    if status in (Status.STEADY, Status.ZERO):
        return "nothing to do" if status == Status.STEADY else ""
    if status == Status.UNKNOWN:
        return ", ".join(sorted({row.place.region for row in rows}))
    counts = Counter(row.place.environment for row in rows)
    if len(counts) == 1:
        return str(Environment(next(iter(counts))).label)
    return ", ".join(f"{counts[value]} {label}" for value, label in Environment.choices if counts[value])


def state_of(
    access: Access, shown: Sequence[Row], places: dict[int, Place], sources: Sequence[Source]
) -> str:
    """Name what the page shows: rows, or why there are none."""
    if shown:
        return "rows"
    if places:
        return "no_match"
    if not access.holds("fleet.view"):
        return "no_permission"
    if not sources:
        return "no_sources"
    if any(source.is_first_read for source in sources):
        return "first_read"
    return "unread" if all(source.read_at is None for source in sources) else "no_services"


def announcement_of(rows: Sequence[Row]) -> str:
    """Return the sentence that a screen reader says when it differs from the last one."""
    bad = sorted((row for row in rows if row.status in ATTENTION), key=lambda row: SEVERITY[row.status])
    if not bad:
        return "No service needs attention." if rows else ""
    named = ", ".join(f"{row.name} is {row.status.label.lower()}" for row in bad[:NAMED_IN_ANNOUNCEMENT])
    more = len(bad) - NAMED_IN_ANNOUNCEMENT
    return f"{named}, and {more} more need attention." if more > 0 else f"{named}."


def digest_of(fleet: Fleet) -> str:
    """Return a fingerprint of what is shown, ages apart: they are kept current in the browser."""
    digest = hashlib.blake2b(digest_size=12)
    for group in fleet.groups:
        digest.update(repr((group.key, group.note)).encode())
        digest.update("".join([row.html for row in group.rows]).encode())
    digest.update(repr(fleet.tally).encode())
    for source in fleet.sources:
        digest.update(repr((source.pk, source.is_stale, source.error_code, source.failing_since)).encode())
    return digest.hexdigest()


def plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
