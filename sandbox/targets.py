"""The targets of a service's tasks in its load balancers' target groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox import scheduler, wording
from sandbox.around.blue_green import alternate_of, turn_of
from sandbox.state import Service, Task

if TYPE_CHECKING:
    from sandbox.world import World


def register(task: Task) -> None:
    """Register a task that has just reached RUNNING; the next look at the service tells of it."""
    if task.service and task.service.target_groups:
        task.registered = True
        task.service.fresh_targets[turn_of(task.service, task)] += 1


def deregister(task: Task) -> None:
    """Take a stopping task out of its target groups."""
    if task.service and task.registered:
        task.registered = False
        task.service.gone_targets[turn_of(task.service, task)] += 1


def tell(world: World, service: Service) -> None:
    """Write the events of what was registered and deregistered since the last look, counted together."""
    for counted, words in (
        (service.fresh_targets, wording.registered),
        (service.gone_targets, wording.deregistered),
    ):
        for turn, count in sorted(counted.items()):
            for item in service.target_groups:
                arn = (turn and alternate_of(item)) or item["targetGroupArn"]
                scheduler.say(world, service, words(service.name, count, arn))
        counted.clear()


def drain_seconds(world: World, task: Task) -> float:
    """Return how long a task's targets drain before its containers are stopped; 0 for tasks without targets."""
    if not task.registered or task.service is None:
        return 0.0
    delays = world.deregistration_delays
    return max(
        (
            delays.get(item["targetGroupArn"], world.deregistration_delay)
            for item in task.service.target_groups
        ),
        default=0.0,
    )
