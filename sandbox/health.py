"""Health of running tasks: container health checks and, for services with load balancers, target health."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from sandbox import scheduler, wording
from sandbox.images import Behaviour, behaviour_of
from sandbox.placement import definition_of
from sandbox.state import Container, Document, Task

if TYPE_CHECKING:
    from sandbox.world import World

# Without any check, ECS takes a task for healthy soon after it runs: the scheduler's next look.
UNCHECKED_SECONDS = 10.0
# Default checks of a target group: every 30 s, two failures in a row.
TARGET_FAILS_AFTER = 60.0
TARGET_HEALTHY_AFTER = (10.0, 20.0)
# A task that ran this long resets the failure count of its deployment.
PROVEN_SECONDS = 60.0
NEVER = math.inf


def watch(world: World, task: Task) -> None:
    """Set what the checks of a task that has just reached RUNNING will find."""
    healthy_at, failing_at, reason = UNCHECKED_SECONDS, NEVER, ""
    for container in task.containers:
        check = definition_of(task, container).get("healthCheck")
        if check:
            good, bad = _container_outcome(world, container, check)
            _set(world, task, good, partial(_container_healthy, task, container))
            _set(world, task, bad, partial(_container_unhealthy, task, container))
            healthy_at = max(healthy_at, good)
            if bad < failing_at:
                failing_at, reason = bad, wording.FAILED_CONTAINER_HEALTH
    if task.service and task.service.target_groups:
        good, bad = _target_outcome(world, task)
        healthy_at = max(healthy_at, good)
        if bad < failing_at:
            failing_at = bad
            reason = wording.failed_elb_health(task.service.target_groups[0]["targetGroupArn"])
    if failing_at < NEVER:
        _set(world, task, failing_at, lambda: _failed(world, task, reason))
    elif task.service:
        _set(world, task, healthy_at, lambda: scheduler.on_healthy(world, task))
        _set(world, task, max(healthy_at, PROVEN_SECONDS), lambda: scheduler.on_proven(world, task))


def _set(world: World, task: Task, delay: float, then: Callable[[], None]) -> None:
    if delay == NEVER:
        return
    life = task.life

    def run() -> None:
        if task.life == life:
            then()

    world.clock.after(delay, run)


def _container_outcome(world: World, container: Container, check: Document) -> tuple[float, float]:
    """Return after how many seconds a container becomes healthy and unhealthy; one of them is never."""
    interval = check.get("interval") or 30
    patience = (check.get("startPeriod") or 0) + interval * (check.get("retries") or 3)
    ready = _ready(world, behaviour_of(container.image))
    if ready > patience:
        return NEVER, float(patience)
    return math.ceil(ready / interval) * float(interval), NEVER


def _ready(world: World, behaviour: Behaviour) -> float:
    return NEVER if behaviour.never_healthy else world.rng.uniform(*behaviour.healthy_after)


def _target_outcome(world: World, task: Task) -> tuple[float, float]:
    """Return the same for the task's targets, judged by the container that the load balancer talks to."""
    if task.service is None:
        return NEVER, NEVER
    balanced = {item.get("containerName") for item in task.service.target_groups}
    ready = max(
        (_ready(world, behaviour_of(item.image)) for item in task.containers if item.name in balanced),
        default=0.0,
    )
    patience = (task.service.options.get("healthCheckGracePeriodSeconds") or 0) + TARGET_FAILS_AFTER
    if ready > patience:
        return NEVER, patience
    return ready + world.rng.uniform(*TARGET_HEALTHY_AFTER), NEVER


def _container_healthy(task: Task, container: Container) -> None:
    container.health = "HEALTHY"
    task.version += 1
    task.health = overall(task)


def _container_unhealthy(task: Task, container: Container) -> None:
    container.health = "UNHEALTHY"
    task.version += 1
    task.health = overall(task)


def overall(task: Task) -> str:
    """Return a task's health: that of its essential containers with a check, UNKNOWN when none has one."""
    states = [
        item.health
        for item in task.containers
        if item.essential and definition_of(task, item).get("healthCheck")
    ]
    if not states:
        return "UNKNOWN"
    if "UNHEALTHY" in states:
        return "UNHEALTHY"
    return "HEALTHY" if all(state == "HEALTHY" for state in states) else "UNKNOWN"


def _failed(world: World, task: Task, reason: str) -> None:
    if task.service:
        scheduler.on_unhealthy(world, task, reason)
