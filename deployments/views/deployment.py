"""One service deployment, and two of them beside each other."""

from __future__ import annotations

from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.decorators.http import require_GET

from clusters.actions import keep_hot
from clusters.models import ServiceDeployment
from deployments.comparison import compare, sides_of
from deployments.deployment_view import DeploymentPage
from deployments.gate import pause_gate
from deployments.pauses import pause_in
from ecsconsole.errors import ConsoleError
from ecsconsole.http import ConsoleRequest, render_page
from ecsconsole.numbers import is_number


class ComparisonIncomplete(ConsoleError):
    """A comparison needs two service deployments."""

    status = 400
    title = "Two deployments are needed"
    advice = "Choose both in the list of a service's deployments."


def visible_deployments(request: ConsoleRequest) -> QuerySet[ServiceDeployment]:
    rows = ServiceDeployment.objects.select_related("service__cluster__account", "identity")
    return request.access.visible(rows.defer("service__row_html"))


@require_GET
def service_deployment(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Show one service deployment, whoever began it."""
    found = get_object_or_404(visible_deployments(request), pk=pk)
    page = DeploymentPage(found, request.access)
    if page.is_open:
        keep_hot(found.service)
    now, pause = timezone.now(), pause_in(found.facts) if found.status == "IN_PROGRESS" else None
    context = {
        "found": page,
        "deployment": found,
        "service": found.service,
        "cluster": found.service.cluster,
        "gate": pause_gate(found.service, request.access, pause, now) if pause else None,
    }
    return render_page(request, "deployments/service_deployment.html", context, partial="deployment")


@require_GET
def comparison(request: ConsoleRequest) -> HttpResponse:
    """Show what differs between two service deployments, of one service or of two."""
    numbers = [request.GET.get("a", ""), request.GET.get("b", "")]
    if not all(is_number(number) for number in numbers):
        raise ComparisonIncomplete("The address names no two deployments to compare.")
    old, new = (get_object_or_404(visible_deployments(request), pk=int(number)) for number in numbers)
    sides = sides_of(old, new)
    context = {
        "old": sides[0],
        "new": sides[1],
        "compared": compare(*sides),
        "is_one_service": old.service_id == new.service_id,
        "may_roll_back": request.access.can("service.rollback", old.service.access_resource),
    }
    return render_page(request, "deployments/deployment_comparison.html", context)
