"""Checks of the request itself: may this person, is the service there, are the figures fresh."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from clusters.models import Service
from clusters.sources import is_stale
from deployments.plans import OK, REFUSE, WARN, Check

if TYPE_CHECKING:
    from access.queries import Access
    from deployments.verbs.base import Verb


def common_checks(service: Service, verb: Verb, access: Access, now: datetime) -> list[Check]:
    """Return the checks of every verb."""
    decision = access.can(verb.permission, service.access_resource)
    return [
        Check("permission", "Permission", OK if decision else REFUSE, decision.reason),
        active_check(service),
        age_check(service, now),
        controller_check(service),
    ]


def active_check(service: Service) -> Check:
    if service.gone_at is None and service.ecs_status == "ACTIVE":
        return Check("service-active", "Service", OK, "The service is ACTIVE.")
    state = "gone" if service.gone_at else service.ecs_status
    return Check(
        "service-active", "Service", REFUSE, f"The service is {state}; only an ACTIVE one takes changes."
    )


def age_check(service: Service, now: datetime) -> Check:
    read_at = service.described_at or service.observed_at
    if not is_stale(read_at, now):
        return Check("data-age", "Age of the figures", OK, "ECS was read within the last minute.")
    minutes = int((now - read_at).total_seconds() // 60)
    text = f"ECS was last read {minutes} min ago. The service is read again before anything is done."
    return Check("data-age", "Age of the figures", WARN, text)


def controller_check(service: Service) -> Check:
    name = service.deployment_controller
    if name == "ECS":
        return Check("controller", "Deployment controller", OK, "ECS rolls this service out itself.")
    text = f"The deployment controller is {name}; the console changes services that ECS rolls out itself."
    return Check("controller", "Deployment controller", REFUSE, text)
