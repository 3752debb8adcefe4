"""What is looked at before a change: each check says ok, warns or refuses, and why."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from aws import ecr
from aws.errors import AwsError
from clusters.models import Service
from clusters.queries import scope_of
from clusters.service_view import deployments_of, primary_of
from clusters.sources import is_stale
from deployments.estimates import as_churn, estimate_for
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


def rollout_checks(service: Service) -> list[Check]:
    """Return the checks of every verb that begins a service deployment."""
    return [
        in_flight_check(service),
        breaker_check(service),
        bounds_check(service),
        last_good_check(service),
        empty_check(service),
    ]


def in_flight_check(service: Service) -> Check:
    title = "Deployment in flight"
    rolling = primary_of(service.facts).get("rolloutState") == "IN_PROGRESS"
    if not rolling and len(deployments_of(service.facts)) <= 1:
        return Check("rollout-in-flight", title, OK, "No rollout is in flight.")
    text = "ECS still rolls out another deployment. Wait for its end or roll it back: replacing it stops its tasks."
    return Check("rollout-in-flight", title, REFUSE, text)


def breaker_check(service: Service) -> Check:
    title = "Circuit breaker"
    configuration = service.facts.get("deploymentConfiguration") or {}
    breaker = configuration.get("deploymentCircuitBreaker") or {}
    if not breaker.get("enable"):
        text = "Off: if the new tasks keep failing, ECS goes on starting them until someone stops it."
        return Check("circuit-breaker", title, WARN, text)
    if not breaker.get("rollback"):
        text = "On, without rollback: after too many failed tasks ECS stops and leaves the service as it is."
        return Check("circuit-breaker", title, WARN, text)
    limit = min(200, max(3, math.ceil(service.desired_count / 2)))
    is_default = not breaker.get("thresholdConfiguration")
    text = (
        f"On: rolls back after {limit} failed tasks."
        if is_default
        else "On: rolls back at its own threshold."
    )
    return Check("circuit-breaker", title, OK, text)


def bounds_of(service: Service) -> tuple[int, int]:
    """Return the fewest healthy and the most tasks during a rollout, as ECS rounds them."""
    configuration = service.facts.get("deploymentConfiguration") or {}
    is_daemon = service.scheduling_strategy == "DAEMON"
    low = configuration.get("minimumHealthyPercent", 0 if is_daemon else 100)
    high = configuration.get("maximumPercent", 100 if is_daemon else 200)
    desired = service.desired_count
    return math.ceil(desired * low / 100), math.floor(desired * high / 100)


def bounds_check(service: Service) -> Check:
    title = "Minimum and maximum"
    least, most = bounds_of(service)
    desired = service.desired_count
    if desired and least >= desired and most <= desired:
        text = (
            f"ECS may stop no task (at least {least} of {desired}) and start none (at most {most}):"
            " the rollout could never move. Change minimumHealthyPercent or maximumPercent first."
        )
        return Check("bounds", title, REFUSE, text)
    return Check("bounds", title, OK, f"Between {least} and {most} tasks run during the rollout.")


def last_good_check(service: Service) -> Check:
    title = "Way back"
    good = service.service_deployments.filter(status="SUCCESSFUL").order_by("-created_at").first()
    if good is not None:
        name = good.task_definition_arn.rsplit("/", 1)[-1] or "the present revision"
        return Check("last-good", title, OK, f"Can return to {name}, which was SUCCESSFUL.")
    text = (
        "No service deployment of this service is known to have succeeded: ECS may have nothing to return to."
    )
    return Check("last-good", title, WARN, text)


def empty_check(service: Service) -> Check:
    title = "Desired count"
    if service.desired_count:
        return Check("desired-count", title, OK, f"{service.desired_count} tasks are wanted.")
    return Check(
        "desired-count", title, WARN, "The service is scaled to zero: no task will prove the deployment."
    )


def churn_of(service: Service) -> dict[str, Any]:
    """Estimate how many tasks a rollout starts and stops, between which counts it moves, and how long it takes."""
    least, most = bounds_of(service)
    desired = service.desired_count
    return {
        "tasks_started": desired,
        "tasks_stopped": service.running_count,
        "peak": max(most, desired),
        "lowest": min(least, service.running_count),
        **as_churn(estimate_for(service)),
    }


def image_checks(service: Service, spec: Mapping[str, Any]) -> list[Check]:
    """Return a check for each image that a deploy asks for."""
    containers = spec.get("containers", {}).items()
    return [image_check(service, name, wanted["image"]) for name, wanted in containers if "image" in wanted]


def image_check(service: Service, container: str, reference: str) -> Check:
    """Look an image up in its registry; what cannot be looked up is said, never taken for granted."""
    name, title = f"image-{container}", f"Image of {container}"
    if ecr.repository_of(reference) is None:
        return Check(
            name, title, WARN, f"{reference} cannot be checked: it is not in a private ECR registry."
        )
    try:
        found = ecr.find_image(scope_of(service), reference)
    except AwsError as error:
        return Check(name, title, WARN, f"{reference} cannot be checked: {error}")
    if found is None:
        return Check(name, title, REFUSE, f"{reference} is not in ECR: no task could start.")
    if "@" in reference:
        return Check(name, title, OK, f"In ECR, pinned to {found.digest[:19]}.")
    text = (
        f"In ECR as {found.digest[:19]}; ECS pins the tag to the digest it finds when the deployment begins."
    )
    return Check(name, title, OK, text)
