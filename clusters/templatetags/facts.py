"""How the pages of services, tasks and definitions write facts."""

from __future__ import annotations

import json
from datetime import datetime

from django import template
from django.urls import reverse
from django.utils import timezone

from clusters.models import Cluster, Task
from clusters.spans import clock, spell

register = template.Library()


@register.filter
def pretty_json(value: object) -> str:
    """Return facts as indented JSON, in their own order."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


@register.simple_tag
def task_address(cluster: Cluster, task_id: str) -> str:
    return reverse("task", args=[cluster.account.account_id, cluster.region, cluster.name, task_id])


@register.simple_tag
def task_page(name: str, task: Task) -> str:
    """Return the address of something below a task, such as its log."""
    cluster = task.cluster
    return reverse(name, args=[cluster.account.account_id, cluster.region, cluster.name, task.task_id])


@register.filter
def clock_time(at: datetime | None) -> str:
    """Return the UTC time of day, with the date when it was not within the last day."""
    return clock(at, timezone.now()) if at else ""


@register.simple_tag
def span_between(start: datetime | None, end: datetime | None) -> str:
    """Return how long something took, nothing while either end is unknown."""
    return spell(end - start) if start and end else ""
