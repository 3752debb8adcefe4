"""One cluster: its facts and its services."""

from __future__ import annotations

from django.http import HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_GET

from clusters.cluster_queries import find_cluster, read_cluster
from clusters.models import Cluster
from ecsconsole.http import ConsoleRequest, render_page


@require_GET
def cluster(request: ConsoleRequest, account_id: str, region: str, name: str) -> HttpResponse:
    """Show a cluster; its services alone when a nudge asks."""
    found = find_cluster(request.access, account_id, region, name)
    page = read_cluster(request.access, found, timezone.now())
    # Who sees one service of it may open the page, but not watch the cluster.
    may_watch = request.access.visible(Cluster.objects.filter(pk=found.pk)).exists()
    context = {"page": page, "cluster": found, "may_watch": may_watch}
    return render_page(request, "clusters/cluster.html", context, partial="cluster")
