"""Where a person asks for a change of a kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.urls import reverse

from clusters.models import Service
from deployments.models import Kind

PAGES = {
    Kind.DEPLOY: "deploy",
    Kind.RESTART: "restart",
    Kind.SCALE: "scale",
    Kind.ROLLBACK: "rollback",
    Kind.CONTINUE: "answer-pause",
    Kind.RUN_TASK: "run-task",
}


def asking_page(kind: str, service: Service, spec: Mapping[str, Any]) -> str:
    """Return the path of the page on which a change of a kind is asked for."""
    if kind == Kind.STOP_TASK:
        *place, _ = service.url_args
        return reverse("stop-task", args=[*place, spec["task_id"]])
    return reverse(PAGES[Kind(kind)], args=service.url_args)
