"""Run task: the page that starts a task of a service's definition once, beside the service."""

from __future__ import annotations

from django.http import HttpResponse
from django.views.decorators.http import require_http_methods

from clusters.queries import get_service
from deployments.models import Kind
from deployments.run_form import RunForm
from deployments.views.acting import Act, act, fields_of
from ecsconsole.http import ConsoleRequest


@require_http_methods(["GET", "POST"])
def run_task(request: ConsoleRequest, account_id: str, region: str, cluster: str, name: str) -> HttpResponse:
    """Run tasks of the service's definition, and watch them to their end."""
    service = get_service(request, account_id, region, cluster, name)
    request.access.require("task.run", service.access_resource)
    form = RunForm(fields_of(request), service)
    verb = "Run the task" if form.count == "1" else f"Run {form.count} tasks"
    extra = {"form": form, "errors": form.errors, "is_run": True}
    return act(
        request, Act(service, Kind.RUN_TASK, form.spec, f"Run a task of {service.name}", verb, "play", extra)
    )
