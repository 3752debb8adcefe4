"""What the API reads: the same rows as the pages, through the same visibility."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeVar

from django.db.models import Case, CharField, Exists, F, Model, OuterRef, Q, QuerySet, Value, When
from django.http import Http404

from access.queries import Access
from clusters.fleet_filters import FleetFilter
from clusters.models import PollTarget, Service, ServiceDeployment, Task
from clusters.sources import stale_after
from clusters.status import Status
from deployments.filters import ChangeFilter, HistoryFilter
from deployments.models import Change
from deployments.queries import changes_with_places

M = TypeVar("M", bound=Model)


def services(access: Access, now: datetime) -> QuerySet[Service]:
    """Return the visible services with `status_now`: what was not read lately is unknown, as on the pages."""
    limit = now - stale_after()
    fresh = PollTarget.objects.filter(
        account=OuterRef("cluster__account"),
        region=OuterRef("cluster__region"),
        account__is_active=True,
        succeeded_at__gte=limit,
    )
    is_old = Q(described_at__lt=limit) | ~Exists(fresh)
    status_now = Case(
        When(is_old, then=Value(Status.UNKNOWN)), default=F("status"), output_field=CharField(max_length=16)
    )
    rows = access.visible(Service.objects.select_related("cluster__account"))
    return rows.defer("facts", "row_html", "cluster__facts").annotate(status_now=status_now)


def list_services(access: Access, filters: dict[str, Any], now: datetime) -> QuerySet[Service]:
    """Return the services that match the filters, without those that are gone."""
    visible = services(access, now).filter(gone_at=None)
    found: QuerySet[Service] = FleetFilter(given(filters), queryset=visible).qs
    if filters.get("name"):
        found = found.filter(name=filters["name"])
    if filters.get("status"):
        found = found.filter(Q(status_now=filters["status"]))
    return found


def get_service(access: Access, arn: str, now: datetime) -> Service:
    """Return a service by its ARN, else answer 404."""
    return one(services(access, now).filter(arn=arn))


def service_to_change(access: Access, arn: str) -> Service:
    """Return a service with all that a plan reads, else answer 404."""
    return one(access.visible(Service.objects.select_related("cluster__account")).filter(arn=arn))


def list_tasks(access: Access, filters: dict[str, Any]) -> QuerySet[Task]:
    """Return the tasks that match the filters, those that have stopped among them."""
    rows = access.visible(Task.objects.select_related("cluster__account", "service")).exclude(created_at=None)
    names = {"service": "service__arn", "cluster": "cluster__name", "status": "last_status"}
    chosen = {path: filters[name] for name, path in names.items() if filters.get(name)}
    return rows.defer("facts", "cluster__facts", "service__facts", "service__row_html").filter(**chosen)


def list_deployments(access: Access, filters: dict[str, Any]) -> QuerySet[ServiceDeployment]:
    """Return the service deployments that match the filters, whoever began them."""
    rows = access.visible(ServiceDeployment.objects.select_related("service"))
    if filters.get("service"):
        rows = rows.filter(service__arn=filters["service"])
    found: QuerySet[ServiceDeployment] = HistoryFilter(given(filters, "status"), queryset=rows).qs
    return found.defer("facts", "service__facts", "service__row_html")


def list_changes(access: Access, filters: dict[str, Any]) -> QuerySet[Change]:
    """Return the changes that match the filters."""
    rows = access.visible(changes_with_places())
    if filters.get("service"):
        rows = rows.filter(service__arn=filters["service"])
    found: QuerySet[Change] = ChangeFilter(given(filters), queryset=rows).qs
    return found.defer("plan", "spec", "base", "service__facts", "service__row_html")


def get_change(access: Access, pk: int) -> Change:
    """Return a change that the asker may see, else answer 404."""
    return one(access.visible(changes_with_places()).filter(pk=pk))


def one(rows: QuerySet[M]) -> M:
    found = rows.first()
    if found is None:
        raise Http404
    return found


def given(filters: dict[str, Any], *names: str) -> dict[str, Any]:
    """Return the filters that were given, all of them or those of some names."""
    return {
        name: value
        for name, value in filters.items()
        if value not in (None, "") and (not names or name in names)
    }
