"""The filters of the fleet page; all of them live in the address."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import F, QuerySet
from django.http import QueryDict

from clusters.models import Service
from clusters.status import Status

# Columns that sort, with the fields behind them.
SORTS: dict[str, tuple[str, ...]] = {
    "name": ("name",),
    "status": ("name",),
    "running": ("running_count", "name"),
    "version": ("version", "name"),
    "deployed": ("deployed_at", "name"),
}
ORDERS = ("problems", "cluster")
# What was pasted rather than typed; SQLite takes 1,000 conditions in a query and 50,000 letters in one.
MOST_WORDS, LONGEST = 50, 5000


class FleetFilter(django_filters.FilterSet):  # type: ignore[misc]
    """What narrows the fleet in SQL. Status is not here: it also depends on how old the figures are."""

    q = django_filters.CharFilter(method="filter_text")
    account = django_filters.CharFilter(field_name="cluster__account__account_id")
    region = django_filters.CharFilter(field_name="cluster__region")
    cluster = django_filters.CharFilter(field_name="cluster__name")
    environment = django_filters.CharFilter(field_name="cluster__environment")

    class Meta:
        model = Service
        fields: list[str] = []

    def filter_text(self, queryset: QuerySet[Service], name: str, value: str) -> QuerySet[Service]:
        """Match every word anywhere in the name, cluster, images or tags."""
        words = dict.fromkeys(value.lower().split())
        if len(words) > MOST_WORDS or len(value) > LONGEST:
            # No service has all of it in its name, cluster, images and tags.
            return queryset.none()
        for word in words:
            queryset = queryset.filter(search_text__contains=word)
        return queryset


def sort_of(params: QueryDict) -> tuple[str, bool]:
    """Return the column to sort by and whether descending; an unknown one sorts by nothing."""
    asked = params.get("sort", "")
    key = asked.removeprefix("-")
    return (key, asked.startswith("-")) if key in SORTS else ("", False)


def sorted_by(queryset: QuerySet[Service], key: str, is_descending: bool) -> QuerySet[Service]:
    """Order by a column, services without a value last either way."""
    fields: list[Any] = []
    for name in SORTS.get(key, ("name",)):
        field = F(name)
        fields.append(field.desc(nulls_last=True) if is_descending else field.asc(nulls_last=True))
    return queryset.order_by(*fields, "pk")


def status_of(params: QueryDict) -> Status | None:
    """Return the status to show alone, None for all."""
    asked = params.get("status", "")
    return Status(asked) if asked in Status.values else None


def filters_on(params: QueryDict) -> int:
    """Return how many filters narrow the page."""
    names = ("q", "account", "region", "cluster", "environment", "status")
    return sum(bool(params.get(name, "").strip()) for name in names)
