"""Reads that every page and the workers share: things by their address, through visibility."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db.models import Q
from django.shortcuts import get_object_or_404

from aws.scope import Scope
from clusters.models import Account, Cluster, PollTarget, Service, Task

if TYPE_CHECKING:
    from ecsconsole.http import ConsoleRequest


def get_cluster(request: ConsoleRequest, account_id: str, region: str, name: str) -> Cluster:
    """Return a cluster that the person may see, else answer 404."""
    clusters = request.access.visible(Cluster.objects.select_related("account"))
    return get_object_or_404(clusters, account__account_id=account_id, region=region, name=name)


def get_service(request: ConsoleRequest, account_id: str, region: str, cluster: str, name: str) -> Service:
    """Return a service that the person may see, with its cluster and account, else answer 404."""
    services = request.access.visible(Service.objects.select_related("cluster__account"))
    # A service that was deleted and made again has one row, because its ARN is the same.
    return get_object_or_404(
        services,
        cluster__account__account_id=account_id,
        cluster__region=region,
        cluster__name=cluster,
        name=name,
    )


def get_task(request: ConsoleRequest, account_id: str, region: str, cluster: str, task_id: str) -> Task:
    """Return a task that the person may see, with its service, cluster and account, else answer 404."""
    tasks = request.access.visible(Task.objects.select_related("cluster__account", "service"))
    task = get_object_or_404(
        tasks,
        cluster__account__account_id=account_id,
        cluster__region=region,
        cluster__name=cluster,
        task_id=task_id,
    )
    if task.service is not None:
        # The same cluster by definition; without this its address would cost two queries.
        task.service.cluster = task.cluster
    return task


def scope_of(thing: Service | Cluster | PollTarget | Task) -> Scope:
    """Return where calls about a thing go; its account must be joined or costs a query."""
    if isinstance(thing, PollTarget):
        return scope_in(thing.account, thing.region)
    cluster = thing if isinstance(thing, Cluster) else thing.cluster
    return scope_in(cluster.account, cluster.region)


def scope_in(account: Account, region: str) -> Scope:
    """Return an account in a region as the gateway wants it."""
    return Scope(account.account_id, region, account.role_arn, account.deploy_role_arn, account.external_id)


def stale_targets(now: datetime) -> list[PollTarget]:
    """Return the watched accounts and regions that were not read lately."""
    limit = now - timedelta(seconds=settings.STALE_AFTER_SECONDS)
    late = Q(succeeded_at=None) | Q(succeeded_at__lt=limit)
    return list(PollTarget.objects.filter(late, account__is_active=True).select_related("account"))
