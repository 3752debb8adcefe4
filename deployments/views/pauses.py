"""A deployment that a PAUSE hook holds: the page that answers it, and the comparison of both sides."""

from __future__ import annotations

from django.http import Http404, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from clusters.queries import get_service
from deployments.models import Kind
from deployments.pause_figures import compare
from deployments.pauses import ACTIONS, CONTINUE, pause_of
from deployments.views.acting import Act, act, fields_of
from ecsconsole.http import ConsoleRequest, render_page

WORDS = {"CONTINUE": ("Continue the deployment", "play"), "ROLLBACK": ("Roll back the deployment", "back")}


@require_http_methods(["GET", "POST"])
def answer_pause(
    request: ConsoleRequest, account_id: str, region: str, cluster: str, name: str
) -> HttpResponse:
    """Continue a paused deployment, or roll it back."""
    service = get_service(request, account_id, region, cluster, name)
    request.access.require("service.deploy", service.access_resource)
    pause, fields = pause_of(service), fields_of(request)
    action = fields.get("action", CONTINUE) if fields.get("action") in ACTIONS else CONTINUE
    arn = fields.get("service_deployment_arn") or (pause.arn if pause else "")
    hook = fields.get("hook_id") or (pause.hook_id if pause else "")
    spec = {"service_deployment_arn": arn, "hook_id": hook, "action": action} if hook else None
    verb, icon = WORDS[action]
    extra = {"pause": pause, "answer": action, "is_pause": True, "now": timezone.now()}
    return act(request, Act(service, Kind.CONTINUE, spec, f"Paused: {service.name}", verb, icon, extra))


@require_GET
def pause_comparison(
    request: ConsoleRequest, account_id: str, region: str, cluster: str, name: str
) -> HttpResponse:
    """Compare both sides since the pause; CloudWatch is asked now."""
    service = get_service(request, account_id, region, cluster, name)
    pause = pause_of(service)
    if pause is None:
        raise Http404
    context = {"service": service, "cluster": service.cluster, "pause": pause}
    context["comparison"] = compare(service, pause, timezone.now())
    return render_page(request, "deployments/comparison.html", context, partial="pause-comparison")
