"""Services by the names that people type: cluster/service, with region and account before it where that is not enough."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import F, QuerySet

from clusters.models import Service

# From the right, as a name is read.
PATHS = ("name", "cluster__name", "cluster__region", "cluster__account__account_id")
MOST_NAMED = 5


def services_named(services: QuerySet[Service], text: str) -> list[Service]:
    """Return the services that a name or an ARN may mean, a few at most; those that are there before those gone."""
    words = text.strip()
    parts = words.split("/")[::-1]
    if words.startswith("arn:"):
        found = services.filter(arn=words)
    elif len(parts) > len(PATHS):
        return []
    else:
        found = services.filter(**dict(zip(PATHS, parts, strict=False)))
    there_first = F("gone_at").asc(nulls_first=True)
    return list(found.select_related("cluster__account").order_by(there_first, "pk")[:MOST_NAMED])


def several(services: Iterable[Service]) -> str:
    """Say which services a name may mean, each by a name that means it alone."""
    names = sorted(
        f"{one.cluster.account.account_id}/{one.cluster.region}/{one.cluster.name}/{one.name}"
        for one in services
    )
    return f"There are several: {', '.join(names)}."
