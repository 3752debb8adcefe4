"""Checks of a rollout itself: does another one run, is there a way forward, and a way back."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from aws import alarms, autoscaling
from aws.scope import Scope
from clusters.models import Service
from clusters.service_view import deployments_of, primary_of
from deployments.plans import OK, REFUSE, WARN, Check
from deployments.preflight.churn import (
    TWO_SIDED,
    bounds_of,
    churn_of,
    configuration_of,
    deadlocks,
    strategy_of,
)
from deployments.preflight.gathering import Look, answers

Configuration = Mapping[str, Any]


def safety_checks(service: Service, asked: Configuration | None = None) -> list[Check]:
    """Return what can be said of a rollout's safety from the inventory; one query."""
    return [
        in_flight_check(service),
        breaker_check(service, asked),
        bounds_check(service, asked),
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


def breaker_check(service: Service, asked: Configuration | None = None) -> Check:
    title = "Circuit breaker"
    configuration = configuration_of(service, asked)
    if (strategy := strategy_of(configuration)) in TWO_SIDED:
        text = f"{strategy} keeps the old tasks until the new ones have proved themselves; the breaker is for rolling ones."
        return Check("circuit-breaker", title, OK, text)
    breaker = configuration.get("deploymentCircuitBreaker") or {}
    if not breaker.get("enable"):
        text = "Off: if the new tasks keep failing, ECS goes on starting them until someone stops it."
        return Check("circuit-breaker", title, WARN, text)
    if not breaker.get("rollback"):
        text = "On, without rollback: after too many failed tasks ECS stops and leaves the service as it is."
        return Check("circuit-breaker", title, WARN, text)
    limit = limit_of(breaker.get("thresholdConfiguration") or {}, service.desired_count)
    return Check(
        "circuit-breaker", title, OK, f"On: rolls back after {limit} failed task{'s' * (limit != 1)}."
    )


def limit_of(threshold: Mapping[str, Any], desired: int) -> int:
    """Return after how many failed tasks the breaker acts: a count, or a share of those wanted within 3 and 200."""
    kind, value = threshold.get("type") or "BOUNDED_PERCENT", int(threshold.get("value") or 50)
    if kind == "COUNT":
        return value
    share = math.ceil(desired * value / 100)
    return max(1, share) if kind == "UNBOUNDED_PERCENT" else min(200, max(3, share))


def bounds_check(service: Service, asked: Configuration | None = None) -> Check:
    title = "Minimum and maximum"
    least, most = bounds_of(service, asked)
    desired, churn = service.desired_count, churn_of(service, asked)
    if deadlocks(service, asked):
        text = (
            f"ECS may stop no task (at least {least} of {desired}) and start none (at most {most}):"
            " the rollout could never move. Change minimumHealthyPercent or maximumPercent first."
        )
        return Check("bounds", title, REFUSE, text)
    if churn["strategy"] in TWO_SIDED:
        text = f"{churn['strategy']} runs up to {churn['peak']} tasks at once: the old and the new ones."
        return Check("bounds", title, OK, text)
    text = f"Between {churn['lowest']} and {churn['peak']} tasks run during the rollout."
    return Check("bounds", title, OK, text)


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


def safety_looks(
    scope: Scope, service: Service, churn: Mapping[str, Any], asked: Configuration | None = None
) -> Iterable[Look]:
    """Return looks at the alarms that watch the rollout, and at who else sets the count; up to five calls."""
    settings = configuration_of(service, asked).get("alarms") or {}
    names = tuple(str(name) for name in settings.get("alarmNames") or [])
    rolls_back = bool(settings.get("rollback"))
    if settings.get("enable") and names:
        yield Look("deployment-alarms", "Alarms", lambda: [alarms_check(scope, names, rolls_back=rolls_back)])
    cluster, name = service.cluster.name, service.name
    peak = int(churn.get("peak") or 0)
    if service.scheduling_strategy != "DAEMON":
        yield Look("autoscaler", "Autoscaler", lambda: [autoscaler_check(scope, cluster, name, peak)])


def alarms_check(scope: Scope, names: tuple[str, ...], *, rolls_back: bool) -> Check:
    """Say whether the alarms could act; ECS ignores one that is in ALARM when the deployment begins."""
    title = "Alarms"
    states = answers.get(alarms.alarm_states, scope, names)
    if absent := [name for name in names if name not in states]:
        text = f"{', '.join(absent)} does not exist: it could stop nothing. Take it out, or create it."
        return Check("deployment-alarms", title, WARN, text)
    if ringing := [name for name in names if states[name] == "ALARM"]:
        text = (
            f"{', '.join(ringing)} is in ALARM now: ECS ignores it for this deployment. Wait until it is OK."
        )
        return Check("deployment-alarms", title, WARN, text)
    what = "rolls the deployment back" if rolls_back else "fails the deployment"
    return Check("deployment-alarms", title, OK, f"{', '.join(names)}: ALARM of one {what}.")


def autoscaler_check(scope: Scope, cluster: str, service: str, peak: int) -> Check:
    """Say what Application Auto Scaling may do meanwhile: it goes on adding tasks, and takes none away."""
    title = "Autoscaler"
    found = answers.get(autoscaling.describe, scope, cluster, service)
    if found is None:
        return Check("autoscaler", title, OK, "Nobody else sets the desired count.")
    bounds = f"between {found.least} and {found.most} tasks"
    if found.suspended:
        text = f"Scales {bounds}; suspended: {', '.join(found.suspended)}."
        return Check("autoscaler", title, WARN, text)
    policies = ", ".join(policy.name for policy in found.policies) or "no policy"
    text = (
        f"Scales {bounds} by {policies}. During the rollout it may add tasks and takes none away;"
        f" the {peak} tasks at the peak change with the desired count."
    )
    return Check("autoscaler", title, OK, text)
