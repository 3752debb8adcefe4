"""Who may watch which nudge of the inventory: whoever may see the thing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import Model, QuerySet

from clusters.models import Cluster, Service, Task
from ecsconsole.numbers import is_number
from live import topics

if TYPE_CHECKING:
    from access.queries import Access


def sees(rows: QuerySet[Any]) -> topics.Check:
    """Return the check that a person sees the row of a topic."""

    def check(access: Access, ident: str) -> bool:
        return is_number(ident) and access.visible(rows.all()).filter(pk=int(ident)).exists()

    return check


def sees_anything(access: Access, ident: str) -> bool:
    """Return whether a person may see some part of the fleet; the nudge itself says nothing."""
    return not ident and access.holds("fleet.view")


def register_topics() -> None:
    """Register every topic of this package."""
    models: dict[str, type[Model]] = {
        "cluster": Cluster,
        "service": Service,
        "service-tasks": Service,
        "service-events": Service,
        "service-deployments": Service,
        "task": Task,
    }
    for kind, model in models.items():
        topics.register(kind, sees(model._default_manager.all()))
    for kind in ("fleet", "targets"):
        topics.register(kind, sees_anything)
