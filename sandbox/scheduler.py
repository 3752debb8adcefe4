"""The service scheduler: keeps a service at its desired count and carries its deployments forward."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from sandbox import announce, lifecycle, rollout, stages, targets, troubles, wording
from sandbox.placement import choose_instance, closest, launch_type, make_task, needs, on_fargate
from sandbox.state import Deployment, Document, Service, ServiceEvent, Task

if TYPE_CHECKING:
    from sandbox.world import World

# Seconds between a change and the scheduler's look at the service.
LOOK = (2.0, 6.0)
SOONEST = timedelta(milliseconds=1)
STEADY_EVERY = 6 * 3600.0
CAPACITY_RETRY = 60.0
REPEAT_NOTICE = timedelta(hours=1)
# Failures in a row after which the scheduler slows down, and how far: 15 s, doubling up to 15 minutes.
IMPAIRED_AFTER = 4
FIRST_PAUSE = 15.0
LONGEST_PAUSE = 900.0


def say(world: World, service: Service, message: str) -> None:
    """Add a service event; the newest comes first and only the last hundred are kept."""
    service.events.appendleft(ServiceEvent(world.ids.uuid(), world.now, message))


def look_soon(world: World, service: Service, delay: float | None = None) -> None:
    """Set the scheduler's next look, keeping an earlier one; changes in between are handled together."""
    wait = world.rng.uniform(*LOOK) if delay is None else delay
    # Never at this very moment: what is left of a wait may be less than the clock can tell apart.
    moment = world.now + max(world.clock.span(wait), SOONEST)
    if service.next_look is not None and service.next_look <= moment:
        return
    service.next_look = moment

    def run() -> None:
        if service.next_look == moment:
            service.next_look = None
            reconcile(world, service)

    world.clock.at(moment, run)


def reconcile(world: World, service: Service) -> None:
    """Bring a service one step nearer to what it should be."""
    if not service.deployments:
        return
    targets.tell(world, service)
    if service.status == "DRAINING":
        rollout.drain(world, service)
        return
    rollout.drop_empty(world, service)
    _scale_in(world, service)
    _retire(world, service)
    _launch(world, service)
    rollout.finish_if_done(world, service)
    _note_steady(world, service)


def bounds(service: Service) -> tuple[int, int]:
    """Return the fewest healthy and the most tasks that the deployment configuration allows."""
    configuration = service.options.get("deploymentConfiguration") or {}
    daemon = service.scheduling == "DAEMON"
    lowest = configuration.get("minimumHealthyPercent", 0 if daemon else 100)
    highest = configuration.get("maximumPercent", 100 if daemon else 200)
    return math.ceil(service.desired * lowest / 100), math.floor(service.desired * highest / 100)


def wanted_tasks(deployment: Deployment) -> list[Task]:
    return [task for task in deployment.tasks.values() if task.wanted]


def _protected(world: World, task: Task) -> bool:
    if task.protected and task.protected_until and task.protected_until <= world.now:
        task.protected, task.protected_until = False, None
    return task.protected


def _launch(world: World, service: Service) -> None:
    primary = service.primary
    entry = primary.service_deployment
    staged = entry is not None and stages.is_staged(entry)
    if staged:
        _keep_serving(world, service)
        if entry and not stages.may_launch(entry):
            return
    missing = service.desired - len(wanted_tasks(primary))
    if missing <= 0 or primary.rollout_state == "FAILED":
        return
    if primary.not_before and primary.not_before > world.now:
        look_soon(world, service, -world.clock.lasted(primary.not_before))
        return
    alive = sum(
        task.last_status != "DEPROVISIONING" for item in service.deployments for task in item.tasks.values()
    )
    _, highest = bounds(service)
    # By stages, the new revision comes up in full beside the old one, whatever the percentages say.
    number = missing if staged else min(missing, highest - alive)
    if number > 0:
        _start_tasks(world, service, primary, number)
    elif not any(not task.wanted for item in service.deployments for task in item.tasks.values()):
        _note_deadlock(world, service)


def _keep_serving(world: World, service: Service) -> None:
    """Keep the revision that has the traffic at the desired count until the new one takes over."""
    entry = service.primary.service_deployment
    if entry is None or stages.may_retire(entry):
        return
    for deployment in service.deployments[1:]:
        missing = service.desired - len(wanted_tasks(deployment))
        if deployment.revision is service.last_good and missing > 0:
            _start_tasks(world, service, deployment, missing)


def _start_tasks(world: World, service: Service, deployment: Deployment, number: int) -> None:
    started: list[str] = []
    for _ in range(number):
        refusal = _no_room(world, service)
        if refusal:
            _note_capacity(world, service, refusal)
            look_soon(world, service, CAPACITY_RETRY)
            break
        task = start_task(world, service, deployment)
        if task is None:
            _note_capacity(world, service, _no_instance(world, service, deployment))
            look_soon(world, service, CAPACITY_RETRY)
            break
        lifecycle.begin(world, task)
        started.append(task.id)
    if started:
        service.is_steady = False
        say(world, service, wording.started(service.name, started))


def start_task(world: World, service: Service, deployment: Deployment) -> Task | None:
    """Create a task for a deployment, None when no container instance has room for it."""
    revision, cluster = deployment.revision, service.cluster
    task = _draft(world, service, deployment)
    if launch_type(task) != "FARGATE":
        task.instance = choose_instance(task)
        if task.instance is None:
            cluster.tasks.pop(task.id)
            return None
        task.zone = task.instance.zone
    task.deployment, task.started_by = deployment, deployment.id
    task.tags = task_tags(service, revision.task_definition.tags)
    service.tasks[task.id] = task
    deployment.tasks[task.id] = task
    return task


def _draft(world: World, service: Service, deployment: Deployment) -> Task:
    """Make a task that has no place yet."""
    revision = deployment.revision
    config: Document = {**revision.config, **service.options}
    group = f"service:{service.name}"
    task = make_task(
        world, service.cluster, revision.task_definition, group=group, config=config, overrides={}
    )
    task.service = service
    return task


def task_tags(service: Service, definition_tags: dict[str, str]) -> dict[str, str]:
    """Return the tags of a service's tasks: those ECS manages and those it propagates."""
    tags: dict[str, str] = {}
    if service.options.get("enableECSManagedTags"):
        tags["aws:ecs:clusterName"] = service.cluster.name
        tags["aws:ecs:serviceName"] = service.name
    source = service.options.get("propagateTags")
    return tags | (
        service.tags if source == "SERVICE" else definition_tags if source == "TASK_DEFINITION" else {}
    )


def _no_room(world: World, service: Service) -> str:
    region = service.cluster.region
    if not on_fargate(service.config):
        return ""
    cpu, _ = needs(service.primary.revision.task_definition)
    reason = troubles.refusal(world, region, service.config, cpu)
    return wording.cannot_place(service.name, reason) if reason else ""


def _no_instance(world: World, service: Service, deployment: Deployment) -> str:
    """Say why no container instance takes a task, by the one that comes nearest."""
    task = _draft(world, service, deployment)
    service.cluster.tasks.pop(task.id)
    nearest = closest(task)
    if nearest is None:
        return wording.no_instance(service.name)
    return wording.closest_instance(service.name, nearest[0].id, nearest[1])


def _note_capacity(world: World, service: Service, message: str) -> None:
    if service.capacity_said_at is None or world.now - service.capacity_said_at >= timedelta(minutes=5):
        service.capacity_said_at = world.now
        announce.action(world, service, "SERVICE_TASK_PLACEMENT_FAILURE", "ERROR", _placement_reason(service))
        say(world, service, message)


def _placement_reason(service: Service) -> str:
    return "RESOURCE:FARGATE" if on_fargate(service.config) else "RESOURCE:CPU"


def _note_deadlock(world: World, service: Service) -> None:
    old = [task for item in service.deployments[1:] for task in wanted_tasks(item)]
    waiting = any(not task.healthy for item in service.deployments for task in wanted_tasks(item))
    if not old or waiting:
        return
    if service.deadlock_said_at is None or world.now - service.deadlock_said_at >= REPEAT_NOTICE:
        service.deadlock_said_at = world.now
        say(world, service, wording.deadlock(service.name))


def _scale_in(world: World, service: Service) -> None:
    """Stop what the newest deployment has too many of: tasks that do not run yet first, then the oldest."""
    primary = service.primary
    tasks = wanted_tasks(primary)
    surplus = len(tasks) - service.desired
    if surplus <= 0:
        return
    free = [task for task in tasks if not _protected(world, task)]
    free.sort(key=lambda task: (task.is_running, task.created_at))
    _stop_tasks(world, service, primary, free[:surplus])
    if len(free) < surplus:
        _note_protected(world, service, primary, surplus - len(free))


def _retire(world: World, service: Service) -> None:
    """Stop tasks of older deployments as far as enough healthy tasks remain."""
    entry = service.primary.service_deployment
    if service.primary.rollout_state == "FAILED":
        return
    if entry and stages.is_staged(entry) and not stages.may_retire(entry):
        _drop_superseded(world, service)
        return
    lowest, _ = bounds(service)
    healthy = sum(task.healthy for item in service.deployments for task in wanted_tasks(item))
    for deployment in service.deployments[1:]:
        tasks = wanted_tasks(deployment)
        free = [task for task in tasks if not _protected(world, task)]
        idle = [task for task in free if not task.healthy]
        spare = max(0, healthy - lowest)
        serving = [task for task in free if task.healthy][:spare]
        healthy -= len(serving)
        _stop_tasks(world, service, deployment, idle + serving)
        if len(free) < len(tasks) and spare > len(serving):
            _note_protected(world, service, deployment, len(tasks) - len(free))


def _drop_superseded(world: World, service: Service) -> None:
    """By stages, only the revision that has the traffic stays beside the new one."""
    for deployment in service.deployments[1:]:
        if service.last_good and deployment.revision is not service.last_good:
            _stop_tasks(world, service, deployment, wanted_tasks(deployment))


def _note_protected(world: World, service: Service, deployment: Deployment, number: int) -> None:
    if service.protected_said_at is None or world.now - service.protected_said_at >= REPEAT_NOTICE:
        service.protected_said_at = world.now
        say(world, service, wording.protected(service.name, deployment.id, number))


def _stop_tasks(world: World, service: Service, deployment: Deployment, tasks: Sequence[Task]) -> None:
    if not tasks:
        return
    service.is_steady = False
    running = [task.id for task in tasks if task.is_running]
    pending = [task.id for task in tasks if not task.is_running]
    draining = [task for task in tasks if task.registered]
    for task in tasks:
        reason = wording.scaling_activity(service.primary.id)
        lifecycle.stop(world, task, code="ServiceSchedulerInitiated", reason=reason)
    if running:
        say(world, service, wording.stopped_running(service.name, running))
    if pending:
        say(world, service, wording.stopped_pending(service.name, pending))
    targets.tell(world, service)
    if draining:
        say(world, service, wording.draining(service.name, deployment.id, len(draining)))


def on_running(world: World, task: Task) -> None:
    """Register a task that has just reached RUNNING with the service's target groups."""
    targets.register(task)
    if task.service:
        look_soon(world, task.service)


def on_healthy(world: World, task: Task) -> None:
    task.healthy = True
    if task.service:
        look_soon(world, task.service)


def on_proven(world: World, task: Task) -> None:
    """Reset the failure count of a deployment whose task has run for a while."""
    task.proven = True
    if task.deployment and task.service:
        rollout.reset_failures(task.deployment)
        look_soon(world, task.service)


def on_unhealthy(world: World, task: Task, reason: str) -> None:
    """Stop a task that failed its health checks; the next look replaces it."""
    service = task.service
    if service is None or not task.wanted:
        return
    if reason != wording.FAILED_CONTAINER_HEALTH:
        for item in service.target_groups:
            port = item.get("containerPort") or 80
            say(world, service, wording.unhealthy_target(service.name, task.id, port, item["targetGroupArn"]))
    task.healthy = False
    lifecycle.stop(world, task, code="ServiceSchedulerInitiated", reason=reason)
    say(world, service, wording.stopped_running(service.name, [task.id]))
    say(world, service, wording.replaced_unhealthy(service.name, 1))


def on_stopping(world: World, task: Task) -> None:
    """Take a stopping task out of its target groups, count it when it failed, and look for a replacement."""
    service = task.service
    if service is None:
        return
    targets.deregister(task)
    if task.deployment and _is_failure(task):
        _count_failure(world, service, task.deployment, task)
    service.is_steady = False
    look_soon(world, service)


def _is_failure(task: Task) -> bool:
    if task.stop_code in ("TaskFailedToStart", "EssentialContainerExited"):
        return not task.proven
    unhealthy = "health checks" in task.stopped_reason
    return task.stop_code == "ServiceSchedulerInitiated" and unhealthy and not task.proven


def _count_failure(world: World, service: Service, deployment: Deployment, task: Task) -> None:
    deployment.consecutive_failures += 1
    failures = deployment.consecutive_failures
    if rollout.on_failure(world, service, deployment):
        return
    if failures >= IMPAIRED_AFTER:
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(failures - IMPAIRED_AFTER, 10))
        deployment.not_before = world.now + world.clock.span(pause)
        # ECS says this about tasks that do not start, not about tasks that start and then crash.
        if task.stop_code == "TaskFailedToStart" and not deployment.impaired_said:
            deployment.impaired_said = True
            say(world, service, wording.start_impaired(service.name))
            announce.action(world, service, "SERVICE_TASK_START_IMPAIRED", "WARN")


def on_stopped(world: World, task: Task) -> None:
    """Forget a stopped task's place in its deployment."""
    if task.deployment:
        task.deployment.tasks.pop(task.id, None)
    if task.service:
        look_soon(world, task.service)


def _note_steady(world: World, service: Service) -> None:
    """Say once that a service is steady, and repeat it every six hours while it stays so."""
    if service.is_steady or not at_rest(service):
        return
    service.is_steady = True
    announce.action(world, service, "SERVICE_STEADY_STATE", "INFO")
    say(world, service, wording.steady(service.name))
    repeat_steady(world, service)


def at_rest(service: Service) -> bool:
    """Whether a service has one deployment, rolled out, with exactly the tasks that it wants, all healthy."""
    primary = service.deployments[0]
    tasks = primary.tasks.values()
    calm = all(task.wanted and task.healthy for task in tasks) and len(tasks) == service.desired
    return len(service.deployments) == 1 and primary.rollout_state == "COMPLETED" and calm


def repeat_steady(world: World, service: Service) -> None:
    """Set the next repetition of the steady state event; any change in between ends the series."""
    since = service.events[0].id if service.events else ""

    def run() -> None:
        newest = service.events[0].id if service.events else ""
        if service.is_steady and service.status == "ACTIVE" and newest == since:
            say(world, service, wording.steady(service.name))
            repeat_steady(world, service)

    world.clock.after(STEADY_EVERY, run)
