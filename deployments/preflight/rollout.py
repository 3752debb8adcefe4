"""Checks of every verb that begins a service deployment: is there a way forward, and a way back."""

from __future__ import annotations

import math

from clusters.models import Service
from clusters.service_view import deployments_of, primary_of
from deployments.plans import OK, REFUSE, WARN, Check
from deployments.preflight.churn import bounds_of


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
