"""What the pages of logs read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from django.core.paginator import Page, Paginator
from django.db.models import Case, IntegerField, QuerySet, Value, When

from clusters.models import Service
from clusters.status import SEVERITY
from ecsconsole.numbers import is_number
from logs.sources import ContainerLog
from logs.subjects import Subject

if TYPE_CHECKING:
    from access.queries import Access

PAGE_SIZE = 50
RECENT = 6
# How long a span of history is; the first is what a link to a line opens.
SPANS = {120: "2 min", 900: "15 min", 3600: "1 h", 21600: "6 h"}


@dataclass(frozen=True, slots=True)
class Silence:
    """Why there are no lines, and what to do about it."""

    title: str
    text: str


def silence_of(subject: Subject) -> Silence | None:
    """Say why nothing can be read, None when something can."""
    if subject.sources:
        return None
    if not subject.has_definitions:
        return Silence(
            "Where the logs are is not known yet",
            "It stands in the task definition, which the console has not read so far. It does with the next poll.",
        )
    if subject.silent and len(subject.silent) == len(subject.logs):
        return Silence("CloudWatch Logs gets no lines", describe_drivers(subject.silent))
    if not subject.badges:
        return Silence(
            "No task runs, and none stopped lately",
            "Lines appear here when a task starts. Older ones are in the logs of the stopped tasks.",
        )
    return Silence(
        "The log streams are not known yet",
        "The log configuration sets no stream prefix, so a stream is named after Docker's id of the container, "
        "which ECS tells once the container runs.",
    )


def describe_drivers(logs: Sequence[ContainerLog]) -> str:
    """Say which driver each container logs with."""
    sentences = []
    for log in logs:
        if log.driver == "awslogs":
            sentences.append(f"Container {log.container} uses awslogs without naming a log group.")
        elif log.driver:
            sentences.append(f"Container {log.container} logs with the driver {log.driver}, so look there.")
        else:
            sentences.append(
                f"Container {log.container} has no log configuration, so its lines stay with Docker on the host."
            )
    return " ".join(sentences)


def services_with_logs(access: Access, text: str) -> QuerySet[Service]:
    """Return the services whose logs a person may read, the worst first."""
    services = access.visible(Service.objects.filter(gone_at=None), "logs.view")
    for word in text.lower().split():
        services = services.filter(search_text__contains=word)
    cases = [When(status=status, then=Value(rank)) for status, rank in SEVERITY.items()]
    severity = Case(*cases, default=Value(9), output_field=IntegerField())
    return services.select_related("cluster__account").order_by(severity, "name", "pk")


def page_of(services: QuerySet[Service], number: str | None) -> Page[Service]:
    return Paginator(services, PAGE_SIZE).get_page(number)


def recent_services(access: Access, pks: Sequence[int]) -> list[Service]:
    """Return the services whose logs the person looked at last, as far as they still may."""
    found = access.visible(Service.objects.filter(pk__in=pks), "logs.view").select_related("cluster__account")
    by_pk = {service.pk: service for service in found}
    return [by_pk[pk] for pk in pks if pk in by_pk]


def parse_moment(text: str) -> int | None:
    """Read a moment: milliseconds since 1970, or a UTC date and time as a form sends it."""
    if is_number(text) and len(text) < 15:
        return int(text)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    # A form field carries no zone; every time on the page is UTC.
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


def parse_span(text: str) -> int:
    return int(text) if is_number(text) and int(text) in SPANS else next(iter(SPANS))
