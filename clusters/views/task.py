"""The page of one task, running or long gone."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_GET

from clusters.actions import keep_hot
from clusters.masking import mask
from clusters.models import Task
from clusters.queries import get_task
from clusters.service_queries import definition_address
from clusters.service_view import primary_of
from clusters.task_rows import containers_of, facts_of, life_of, network_of, row_of, tags_of
from ecsconsole.http import ConsoleRequest, render_page


@require_GET
def task(request: ConsoleRequest, account_id: str, region: str, cluster: str, task_id: str) -> HttpResponse:
    """Show a task: what its containers did, why it ended, when, and where it ran."""
    found = get_task(request, account_id, region, cluster, task_id)
    if found.service and found.last_status != "STOPPED":
        keep_hot(found.service)
    return render_page(request, "clusters/task.html", task_context(found), partial="task")


def task_context(task: Task) -> dict[str, Any]:
    service = task.service
    primary_id = str(primary_of(service.facts).get("id") or "") if service else ""
    return {
        "task": task,
        "service": service,
        "cluster": task.cluster,
        "row": row_of(task, primary_id, timezone.now()),
        "containers": containers_of(task.facts),
        "life": life_of(task.facts),
        "network": network_of(task.facts),
        "task_facts": facts_of(task.facts),
        "tags": tags_of(task.facts),
        "definition_url": definition_address(task.cluster, task.task_definition_arn),
        "raw": mask(task.facts),
    }
