"""The life of one task over world time: PROVISIONING to RUNNING, and through DEACTIVATING to STOPPED."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from sandbox import announce, health, scheduler, targets, task_logs, wording
from sandbox.images import Behaviour, architecture_of, behaviour_of
from sandbox.placement import definition_of, launch_type
from sandbox.state import Container, Document, Task

if TYPE_CHECKING:
    from sandbox.world import World

# Seconds of world time, (shortest, longest); a Fargate start adds up to about 20 to 45 seconds.
PROVISIONING = (8.0, 16.0)
BEFORE_PULL = (1.0, 3.0)
PULL = (6.0, 14.0)
FAILED_PULL = (8.0, 20.0)
INITIALISATION_FAILURE = (3.0, 8.0)
AFTER_PULL = (1.0, 3.0)
ACTIVATING = (3.0, 7.0)
DEACTIVATING = (1.0, 2.0)
STOPPING = (2.0, 8.0)
DEPROVISIONING = (6.0, 14.0)
STOPPED_VISIBLE = 3600.0

# How applications end on SIGTERM: most leave the signal's own code, some end cleanly.
SIGTERM_EXITS = (143, 143, 0)
# What a command of a task that is run once ends with.
_EXIT = re.compile(r"\bexit (\d{1,3})\b")


def begin(world: World, task: Task) -> None:
    """Set a new task going."""
    announce.task(world, task)
    _later(world, task, PROVISIONING, _provisioned)


def _later(world: World, task: Task, span: tuple[float, float], step: Callable[[World, Task], None]) -> None:
    """Set the next step; it does nothing when the task has begun to stop meanwhile."""
    life = task.life

    def run() -> None:
        if task.life == life:
            step(world, task)

    world.clock.after(world.rng.uniform(*span), run)


def _enter(world: World, task: Task, status: str) -> None:
    task.last_status = status
    task.version += 1
    announce.task(world, task)


def _provisioned(world: World, task: Task) -> None:
    if world.troubles.is_full(task.cluster.region, task.subnet):
        task.attachment_status = "DELETED"
        fail_to_start(world, task, wording.no_addresses(task.subnet))
        return
    attach(world, task)
    _enter(world, task, "PENDING")
    problem = _initialisation_problem(world, task)
    if problem:
        _later(world, task, INITIALISATION_FAILURE, lambda w, t: fail_to_start(w, t, problem))
    else:
        _later(world, task, BEFORE_PULL, _pull)


def attach(world: World, task: Task) -> None:
    """Attach the network interface and connect the agent."""
    task.connectivity_at = world.now
    if task.attachment_id:
        task.attachment_status = "ATTACHED"


def _initialisation_problem(world: World, task: Task) -> str:
    """Return the ResourceInitializationError that keeps a task from starting, empty without one."""
    caller = task.cluster.region.caller
    for definition in task.definition.containers:
        for secret in definition.get("secrets") or []:
            if not world.surroundings.has_secret(caller, secret["valueFrom"]):
                return wording.missing_secret(secret["valueFrom"])
        target = task_logs.log_target(task, definition)
        if target and not target.create and not world.surroundings.has_log_group(caller, target.group):
            return wording.missing_log_group()
    return ""


def _pull(world: World, task: Task) -> None:
    task.pull_started_at = world.now
    task.version += 1
    for container in task.containers:
        problem = _pull_problem(world, task, container)
        if problem:
            _later(world, task, FAILED_PULL, partial(_pull_failed, container=container, reason=problem))
            return
    _later(world, task, PULL, _pulled)


def _pull_problem(world: World, task: Task, container: Container) -> str:
    """Resolve a container's image, as pinned by the service revision; return the pull error, empty without one."""
    container.digest = resolve_digest(world, task, container)
    fault = behaviour_of(container.image).pull_error
    if fault == "noauth":
        return wording.pull_forbidden(container.image)
    if _is_built_for_others(task, container.image):
        return wording.pull_wrong_platform(platform_of(task))
    if container.digest is None:
        pinned = task.deployment.revision.digests.get(container.name) if task.deployment else None
        suffix = f"@{pinned}" if pinned and "@" not in container.image else ""
        return wording.pull_not_found(container.image + suffix)
    return ""


def _is_built_for_others(task: Task, image: str) -> bool:
    """Whether an image is of another architecture than the task; other registries than ECR have images for all."""
    if ".dkr.ecr." not in image:
        return behaviour_of(image).pull_error == "arch"
    return not platform_of(task).endswith(f"/{architecture_of(image)}")


def resolve_digest(world: World, task: Task, container: Container) -> str | None:
    """Ask the registry for an image; the first task of a service revision pins the digest for the others."""
    caller = task.cluster.region.caller
    pins = task.deployment.revision.digests if task.deployment else {}
    pinned = pins.get(container.name)
    if pinned and "@" not in container.image:
        found = world.surroundings.find_image(caller, f"{container.image}@{pinned}")
        return found.digest if found else None
    found = world.surroundings.find_image(caller, container.image)
    if found is None or behaviour_of(container.image).pull_error == "missing":
        return None
    pins[container.name] = found.digest
    return found.digest


def platform_of(task: Task) -> str:
    """Return the platform that a task asks of its images."""
    runtime: Document = task.definition.content.get("runtimePlatform") or {}
    return "linux/arm64" if runtime.get("cpuArchitecture") == "ARM64" else "linux/amd64"


def _pull_failed(world: World, task: Task, *, container: Container, reason: str) -> None:
    task.pull_stopped_at = world.now
    container.reason = reason
    container.digest = None
    fail_to_start(world, task, reason)


def fail_to_start(world: World, task: Task, reason: str) -> None:
    """Stop a task that never ran."""
    stop(world, task, code="TaskFailedToStart", reason=reason)


def _pulled(world: World, task: Task) -> None:
    task.pull_stopped_at = world.now
    task.version += 1
    _later(world, task, AFTER_PULL, _activate)


def _activate(world: World, task: Task) -> None:
    _enter(world, task, "ACTIVATING")
    start_containers(world, task)
    _later(world, task, ACTIVATING, _run)


def start_containers(world: World, task: Task) -> None:
    """Give the containers their runtime ids."""
    for number, container in enumerate(task.containers):
        container.last_status = "RUNNING"
        # Fargate's form: the task's id and a number; on EC2 it is Docker's 64 hex digits.
        on_fargate = launch_type(task) == "FARGATE"
        container.runtime_id = (
            f"{task.id}-{world.rng.randrange(10**9, 10**10)}" if on_fargate else task.id * 2
        )
        if not on_fargate and number:
            container.runtime_id = f"{world.rng.getrandbits(256):064x}"


def _run(world: World, task: Task) -> None:
    task.started_at = world.now
    _enter(world, task, "RUNNING")
    task_logs.write_start(world, task)
    for container in task.containers:
        _plan_exit(world, task, container)
    health.watch(world, task)
    if task.service:
        scheduler.on_running(world, task)


def resume(world: World, task: Task) -> None:
    """Let the images of a task that is put straight into RUNNING take effect, without its start."""
    for container in task.containers:
        _plan_exit(world, task, container)
    task_logs.follow(world, task)


def _plan_exit(world: World, task: Task, container: Container) -> None:
    behaviour = _command_behaviour(task, container) or behaviour_of(container.image)
    if behaviour.exit_code is None or world.rng.random() >= behaviour.chance:
        return
    delay = world.rng.uniform(*behaviour.exits_after)
    task_logs.write_growth(world, task, container, behaviour, delay)
    _later(world, task, (delay, delay), lambda w, t: _exit(w, t, container, behaviour))


def _command_behaviour(task: Task, container: Container) -> Behaviour | None:
    """Return how a command that a task of its own is run for ends: with 0, or with what `exit N` in it says."""
    if task.service is not None:
        return None
    overrides = task.overrides.get("containerOverrides") or []
    command = next((item.get("command") for item in overrides if item.get("name") == container.name), None)
    if not command:
        return None
    found = _EXIT.search(" ".join(command))
    return Behaviour("command", exit_code=int(found[1]) if found else 0, exits_after=(15.0, 30.0))


def _exit(world: World, task: Task, container: Container, behaviour: Behaviour) -> None:
    container.last_status = "STOPPED"
    container.exit_code = behaviour.exit_code
    container.reason = behaviour.exit_reason
    task.version += 1
    task_logs.write_fatal(world, task, container, behaviour)
    if not container.essential:
        return
    task.life += 1
    task.desired_status = "STOPPED"
    task.stop_code = "EssentialContainerExited"
    task.stopped_reason = wording.ESSENTIAL_EXITED
    _stop_containers(world, task)
    if task.service:
        scheduler.on_stopping(world, task)


def stop(world: World, task: Task, *, code: str, reason: str) -> None:
    """Begin to stop a task; one that is stopping already keeps its first reason."""
    if not task.wanted:
        return
    task.life += 1
    task.desired_status = "STOPPED"
    task.stop_code, task.stopped_reason = code, reason
    task.version += 1
    if task.last_status in ("RUNNING", "ACTIVATING"):
        task.last_status = "DEACTIVATING"
        announce.task(world, task)
        drain = targets.drain_seconds(world, task)
        span = (drain, drain) if drain else DEACTIVATING
        _later(world, task, span, _stop_containers)
    else:
        task.stopping_at = world.now
        _deprovision(world, task)
    if task.service:
        scheduler.on_stopping(world, task)


def _stop_containers(world: World, task: Task) -> None:
    task.stopping_at = world.now
    _enter(world, task, "STOPPING")
    _later(world, task, STOPPING, _execution_stopped)


def _execution_stopped(world: World, task: Task) -> None:
    task.execution_stopped_at = world.now
    for container in task.containers:
        if container.exit_code is None:
            container.exit_code = world.rng.choice(SIGTERM_EXITS)
            task_logs.write_shutdown(world, task, container)
    _deprovision(world, task)


def _deprovision(world: World, task: Task) -> None:
    for container in task.containers:
        container.last_status = "STOPPED"
    _enter(world, task, "DEPROVISIONING")
    _later(world, task, DEPROVISIONING, _stopped)


def _stopped(world: World, task: Task) -> None:
    task.stopped_at = world.now
    task.connectivity_at = task.connectivity_at or world.now
    if task.attachment_id:
        task.attachment_status = "DELETED"
    _enter(world, task, "STOPPED")
    world.clock.after(STOPPED_VISIBLE, lambda: forget(task))
    if task.service:
        scheduler.on_stopped(world, task)


def forget(task: Task) -> None:
    """Drop a stopped task from what can be listed and described."""
    task.cluster.tasks.pop(task.id, None)
    if task.service:
        task.service.tasks.pop(task.id, None)
        if task.presence:
            task.service.departed.append(task.presence)


def has_health_check(task: Task, container: Container) -> bool:
    return bool(definition_of(task, container).get("healthCheck"))
