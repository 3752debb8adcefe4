"""Writes to the inventory that people ask for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from kombu.exceptions import OperationalError

from access.decisions import PermissionMissing
from audit.actions import record
from clusters.derive import derive
from clusters.models import Account, PollTarget, Service, ServiceDeployment
from clusters.service_view import primary_of
from live.bus import publish_on_commit

if TYPE_CHECKING:
    from access.queries import Access

logger = structlog.get_logger(__name__)


def keep_hot(service: Service, seconds: int = 30) -> None:
    """Have a service read often for a while, because someone looks at it.

    Written at most every third of that time: a page asks with each of its fragments.
    """
    now = timezone.now()
    until = now + timedelta(seconds=seconds)
    if service.hot_until is None or service.hot_until < now + timedelta(seconds=seconds * 2 / 3):
        Service.objects.filter(pk=service.pk).update(hot_until=until)
        service.hot_until = until


def request_refresh(service: Service, seconds: int = 60) -> None:
    """Have a service read now and often for a while, because something was just done to it."""
    now = timezone.now()
    Service.objects.filter(pk=service.pk).update(hot_until=now + timedelta(seconds=seconds))
    target = PollTarget.objects.filter(
        account=service.cluster.account_id, region=service.cluster.region, failing_since=None
    ).first()
    if target is not None:
        PollTarget.objects.filter(pk=target.pk).update(next_due_at=now)
        transaction.on_commit(partial(wake_poller, target.pk), robust=True)


def wake_poller(target_id: int) -> None:
    """Send the wake-up; without a broker the schedule finds the target within a second of its return."""
    from clusters.tasks import poll_target

    try:
        poll_target.apply_async((target_id,), expires=5, retry=False)
    except (OperationalError, OSError) as error:
        logger.warning("poll_wake_up_not_sent", target=target_id, reason=str(error))


@transaction.atomic
def add_account(
    *,
    actor: AbstractBaseUser | str,
    account_id: str,
    name: str,
    environment: str,
    regions: Iterable[str],
    role_arn: str = "",
    deploy_role_arn: str = "",
    external_id: str = "",
    request: HttpRequest | None = None,
) -> Account:
    """Watch an account, or change how it is watched; its regions are polled from now on."""
    fields: dict[str, Any] = {
        "name": name,
        "environment": environment,
        "regions": list(dict.fromkeys(regions)),
        "role_arn": role_arn,
        "deploy_role_arn": deploy_role_arn,
        "external_id": external_id,
        "is_active": True,
    }
    known = Account.objects.filter(account_id=account_id).values(*fields).first()
    before = known["environment"] if known else None
    account, is_new = Account.objects.update_or_create(account_id=account_id, defaults=fields)
    watch_regions(account)
    pass_on_environment(account, before)
    # The ExternalId is no password, but who has it is a step closer to the role.
    secret = {"external_id"}
    record(
        action="account.added" if is_new else "account.changed",
        actor=actor,
        resource=account.access_resource,
        target=str(account),
        before={key: value for key, value in known.items() if key not in secret} if known else None,
        after={key: value for key, value in fields.items() if key not in secret},
        request=request,
    )
    publish_on_commit("targets", "fleet")
    return account


def watch_regions(account: Account) -> None:
    """Make the poll targets fit the account's regions; what was read in a dropped region stays readable."""
    PollTarget.objects.filter(account=account).exclude(region__in=account.regions).delete()
    for region in account.regions:
        PollTarget.objects.get_or_create(account=account, region=region)


def note_deployer(*, service_deployment_arn: str, name: str) -> bool:
    """Write who started a deployment, which ECS does not tell; False while the deployment has not been read yet."""
    with transaction.atomic():
        deployment = ServiceDeployment.objects.filter(arn=service_deployment_arn).first()
        if deployment is None:
            return False
        if deployment.created_by != name:
            ServiceDeployment.objects.filter(pk=deployment.pk).update(created_by=name)
            derive([deployment.service_id], timezone.now())
            topics = (
                "fleet",
                f"service:{deployment.service_id}",
                f"service-deployments:{deployment.service_id}",
            )
            publish_on_commit(*topics)
    return True


def note_principals(*, names: Mapping[int, str], now: datetime) -> None:
    """Write who started deployments, by their keys, where no name stands yet; the caller holds the transaction."""
    rows = list(ServiceDeployment.objects.filter(pk__in=names, created_by="").only("pk", "service_id"))
    for row in rows:
        row.created_by = names[row.pk][:255]
    ServiceDeployment.objects.bulk_update(rows, ["created_by"])
    services = {row.service_id for row in rows}
    if services:
        derive(services, now)
        publish_on_commit("fleet", *(f"service-deployments:{pk}" for pk in services))


def pass_on_environment(account: Account, before: str | None) -> None:
    """Give an account's new environment to its clusters, except to those that an admin has set apart."""
    if before is not None and before != account.environment:
        account.clusters.filter(environment=before).update(environment=account.environment)


@transaction.atomic
def acknowledge_failure(*, service: Service, actor: AbstractBaseUser, access: Access) -> None:
    """Mark the failed deployment as seen: the service is judged by its tasks again, until the next one fails."""
    decision = access.can("service.deploy", service.access_resource)
    if not decision:
        raise PermissionMissing("service.deploy", service.access_resource, decision)
    latest = service.service_deployments.order_by("-created_at").first()
    failed = latest.arn if latest else str(primary_of(service.facts).get("id", ""))
    Service.objects.filter(pk=service.pk).update(acknowledged_deployment=failed)
    record(
        action="failure.acknowledged",
        actor=actor,
        resource=service.access_resource,
        target=service.name,
        data={"deployment": failed},
    )
    derive([service.pk], timezone.now())
