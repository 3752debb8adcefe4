"""Put services into a past that was not simulated: steady at once, and with finished deployments behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sandbox import lifecycle, rollout, scheduler, wording
from sandbox.names import last_part
from sandbox.operations.registry import find_service
from sandbox.operations.task_definitions import find
from sandbox.ports import ApiError
from sandbox.state import MAX_EVENTS, Region, RevisionCount, Service, ServiceDeployment, ServiceEvent, Task

if TYPE_CHECKING:
    from sandbox.world import World

# Moments of a start that took half a minute, as seconds before RUNNING.
CREATED, CONNECTED, PULL_STARTED, PULL_STOPPED = 31.0, 20.0, 18.0, 6.0


@dataclass(frozen=True, slots=True)
class PastDeployment:
    """A deployment that came to its end before the world began; `task_definition` is an ARN or family:revision."""

    task_definition: str
    started_at: datetime
    finished_at: datetime
    status: str = "SUCCESSFUL"
    status_reason: str = ""
    created_by: str = ""


def service_of(region: Region, cluster: str, service: str) -> Service:
    """Return a service by cluster and name."""
    found_cluster = region.clusters.get(last_part(cluster))
    found = find_service(found_cluster, service) if found_cluster else None
    if found is None:
        raise ApiError("ServiceNotFoundException", "Service not found.")
    return found


def settle(world: World, region: Region, cluster: str, name: str, since: datetime) -> None:
    """Complete a service's deployment as if it had been done at a moment in the past."""
    service = service_of(region, cluster, name)
    primary = service.primary
    tasks: list[Task] = []
    while len(scheduler.wanted_tasks(primary)) < service.desired:
        task = scheduler.start_task(world, service, primary)
        if task is None:
            raise ApiError("ClientException", wording.no_instance(service.name))
        tasks.append(task)
    for task in tasks:
        _make_running(world, task, since)
    created = since - timedelta(seconds=CREATED)
    service.created_at = min(service.created_at, created)
    primary.created_at = primary.revision.created_at = created
    rollout.complete(world, service)
    primary.updated_at = since
    service.is_steady = True
    entry = primary.service_deployment
    if entry:
        entry.created_at, entry.started_at = created, created + timedelta(seconds=1.6)
        entry.finished_at = entry.updated_at = since + timedelta(seconds=rollout.SETTLE_SECONDS)
    _tell(world, service, tasks, since)
    scheduler.repeat_steady(world, service)


def _make_running(world: World, task: Task, since: datetime) -> None:
    lifecycle.attach(world, task)
    for container in task.containers:
        container.digest = lifecycle.resolve_digest(world, task, container)
        if lifecycle.has_health_check(task, container):
            container.health = task.health = "HEALTHY"
    lifecycle.start_containers(world, task)
    task.last_status, task.version = "RUNNING", 6
    date_task(task, since)
    task.healthy = task.proven = True
    task.registered = bool(task.service and task.service.target_groups)
    lifecycle.resume(world, task)


def date_task(task: Task, since: datetime) -> None:
    """Let a running task have come up at a moment, its start lasting half a minute."""
    task.created_at = since - timedelta(seconds=CREATED)
    task.connectivity_at = since - timedelta(seconds=CONNECTED)
    task.pull_started_at = since - timedelta(seconds=PULL_STARTED)
    task.pull_stopped_at = since - timedelta(seconds=PULL_STOPPED)
    task.started_at = since


def _tell(world: World, service: Service, tasks: list[Task], since: datetime) -> None:
    """Write the events of a deployment that was not simulated."""
    service.events.clear()
    told: list[tuple[datetime, str]] = []
    if tasks:
        ids = [task.id for task in tasks]
        told.append((since - timedelta(seconds=CREATED), wording.started(service.name, ids)))
        told += [
            (since, wording.registered(service.name, len(ids), item["targetGroupArn"]))
            for item in service.target_groups
        ]
    done = since + timedelta(seconds=rollout.SETTLE_SECONDS)
    told.append((done, wording.completed(service.name, service.primary.id)))
    told.append((done, wording.steady(service.name)))
    for moment, message in told:
        service.events.appendleft(ServiceEvent(world.ids.uuid(), moment, message))


def import_history(
    world: World, region: Region, cluster: str, name: str, deployments: Sequence[PastDeployment]
) -> None:
    """Add finished deployments, oldest first, before those that a service has."""
    service = service_of(region, cluster, name)
    own, own_events = list(service.history), list(service.events)
    service.history.clear()
    events: list[ServiceEvent] = []
    previous: str | None = None
    for item in sorted(deployments, key=lambda one: one.started_at):
        previous = _add(world, region, service, item, previous, events)
    if previous and own and not own[0].sources:
        own[0].sources = [RevisionCount(previous)]
    service.history.extend(own)
    service.events.clear()
    service.events.extend((own_events + events[::-1])[:MAX_EVENTS])
    if service.history:
        service.created_at = min(service.created_at, service.history[0].created_at)


def _add(
    world: World,
    region: Region,
    service: Service,
    item: PastDeployment,
    previous: str | None,
    events: list[ServiceEvent],
) -> str:
    """Add one past deployment with its revision and events; return the revision that it left running."""
    definition = find(region, item.task_definition)
    if definition is None:
        raise ApiError("ClientException", "Unable to describe task definition.")
    revision = rollout.make_revision(world, service, definition)
    revision.created_at = item.started_at
    for container in definition.containers:
        image = world.surroundings.find_image(region.caller, container["image"])
        if image:
            revision.digests[container["name"]] = image.digest
    sources = [RevisionCount(previous)] if previous else []
    entry = rollout.make_service_deployment(world, service, revision, sources, item.created_by)
    good = item.status == "SUCCESSFUL"
    _finish(entry, item, running=service.desired if good else 0)
    told: list[tuple[datetime, str]] = []
    if good:
        told = [(item.finished_at, wording.completed(service.name, world.ids.deployment()))]
    elif item.status.startswith("ROLLBACK") and previous:
        told = _roll_back(world, service, entry, item, previous)
    if told:
        told.append((item.finished_at, wording.steady(service.name)))
    events += [ServiceEvent(world.ids.uuid(), moment, message) for moment, message in told]
    return revision.arn if good or previous is None else previous


def _finish(entry: ServiceDeployment, item: PastDeployment, *, running: int) -> None:
    """Give an entry of the history the moments and the outcome of a past deployment."""
    entry.created_at = item.started_at - timedelta(seconds=1.6)
    entry.started_at, entry.finished_at = item.started_at, item.finished_at
    entry.updated_at = item.finished_at
    entry.status, entry.status_reason = item.status, item.status_reason
    entry.target.running = running
    if entry.breaker_status == "MONITORING":
        entry.breaker_status = "MONITORING_COMPLETE"
    if item.status == "STOPPED":
        entry.stopped_at = item.finished_at


def _roll_back(
    world: World, service: Service, entry: ServiceDeployment, item: PastDeployment, previous: str
) -> list[tuple[datetime, str]]:
    """Let a past deployment fail half-way and return to the revision before it; return its events."""
    back = item.started_at + (item.finished_at - item.started_at) / 2
    reason = item.status_reason or wording.BREAKER_EXCEEDED
    entry.status_reason = reason
    entry.rollback = {"reason": reason, "startedAt": back, "serviceRevisionArn": previous}
    told: list[tuple[datetime, str]] = []
    if reason == wording.BREAKER_EXCEEDED:
        entry.breaker_status, entry.failures = "TRIGGERED", entry.threshold
        told.append((back, wording.failed(service.name, world.ids.deployment())))
    elif "CloudWatch alarm" in reason:
        told.append((back, wording.alarm_detected(service.name, world.ids.deployment())))
        entry.triggered_alarms.append(reason.split(" alarm ", 1)[1].split(" ", 1)[0])
    target = world.ids.deployment()
    told.append((back, wording.rolling_back(service.name, target)))
    told.append((item.finished_at, wording.completed(service.name, target)))
    return told
