"""Rolling deployments: their start, their end, the circuit breaker, rollback, and being superseded or stopped."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from sandbox import announce, counts, lifecycle, scheduler, stages, wording
from sandbox.names import arn
from sandbox.state import (
    Deployment,
    Document,
    RevisionCount,
    Service,
    ServiceDeployment,
    ServiceRevision,
    TaskDefinition,
)

if TYPE_CHECKING:
    from sandbox.world import World

# The members of a service that a service revision copies.
REVISION_MEMBERS = (
    "launchType",
    "capacityProviderStrategy",
    "platformVersion",
    "platformFamily",
    "loadBalancers",
    "serviceRegistries",
    "networkConfiguration",
    "serviceConnectConfiguration",
    "volumeConfigurations",
    "vpcLatticeConfigurations",
)
PENDING = (1.0, 2.5)
STOP_TAKES = (1.0, 3.0)
# All tasks must have run this long before ECS calls a deployment completed.
SETTLE_SECONDS = 40.0


def threshold(configuration: Document, desired: int) -> int:
    """Return after how many failed tasks the circuit breaker trips."""
    chosen = (configuration.get("deploymentCircuitBreaker") or {}).get("thresholdConfiguration") or {}
    kind, value = chosen.get("type", "BOUNDED_PERCENT"), chosen.get("value")
    if kind == "COUNT":
        return int(value or 3)
    share = math.ceil((50 if value is None else value) * desired / 100)
    return max(1, share) if kind == "UNBOUNDED_PERCENT" else min(200, max(3, share))


def make_revision(world: World, service: Service, definition: TaskDefinition) -> ServiceRevision:
    """Write down a service's configuration as a new service revision."""
    region = service.cluster.region
    path = (service.cluster.name, service.name, world.ids.digits19())
    config = {name: service.config[name] for name in REVISION_MEMBERS if service.config.get(name) is not None}
    revision = ServiceRevision(
        arn(region.name, region.account_id, "service-revision", *path), world.now, definition, config
    )
    service.revisions[revision.arn] = revision
    return revision


def make_service_deployment(
    world: World, service: Service, revision: ServiceRevision, sources: list[RevisionCount], created_by: str
) -> ServiceDeployment:
    """Add an entry, PENDING for now, to a service's deployment history."""
    region = service.cluster.region
    configuration: Document = dict(service.options.get("deploymentConfiguration") or {})
    breaker = configuration.get("deploymentCircuitBreaker") or {}
    path = (service.cluster.name, service.name, world.ids.service_deployment())
    entry = ServiceDeployment(
        arn=arn(region.name, region.account_id, "service-deployment", *path),
        created_at=world.now,
        updated_at=world.now,
        target=RevisionCount(revision.arn, requested=service.desired),
        sources=sources,
        configuration=configuration,
        threshold=threshold(configuration, service.desired),
        breaker_status="MONITORING" if breaker.get("enable") else "DISABLED",
        created_by=created_by,
    )
    service.history.append(entry)
    return entry


def begin(world: World, service: Service, definition: TaskDefinition, created_by: str) -> Deployment:
    """Start a rolling deployment of a service's present configuration; one in flight is superseded."""
    sources = [RevisionCount(item.revision.arn) for item in service.deployments if item.tasks]
    if service.current and service.current.in_flight:
        end(world, service, service.current, "STOPPED", wording.SUPERSEDED)
    for item in service.deployments:
        item.status = "ACTIVE"
    revision = make_revision(world, service, definition)
    entry = make_service_deployment(world, service, revision, sources, created_by)
    deployment = _add_deployment(world, service, revision, entry)
    deployment.rollout_reason = wording.in_progress(deployment.id)
    service.current = entry
    service.is_steady = False
    announce.deployment(world, service, deployment)

    def start() -> None:
        if entry.status == "PENDING":
            entry.status, entry.started_at, entry.updated_at = "IN_PROGRESS", world.now, world.now
            if stages.is_staged(entry):
                stages.start(world, service, entry)

    world.clock.after(world.rng.uniform(*PENDING), start)
    scheduler.look_soon(world, service)
    return deployment


def _add_deployment(
    world: World, service: Service, revision: ServiceRevision, entry: ServiceDeployment
) -> Deployment:
    deployment = Deployment(world.ids.deployment(), revision, world.now, world.now, entry)
    service.deployments.insert(0, deployment)
    return deployment


def end(world: World, service: Service, entry: ServiceDeployment, status: str, reason: str = "") -> None:
    """Bring a service deployment to an end, keeping the task counts of that moment."""
    for count in (entry.target, *entry.sources):
        counts.count_tasks(service, count)
    entry.status = status
    entry.status_reason = reason or entry.status_reason
    entry.finished_at = entry.updated_at = world.now
    entry.started_at = entry.started_at or world.now
    if status == "STOPPED":
        entry.stopped_at = world.now
    if entry.breaker_status == "MONITORING":
        entry.breaker_status = "MONITORING_COMPLETE"


def drop_empty(world: World, service: Service) -> None:
    """Drop older deployments without tasks; a failed one stays until its rollback is through."""
    service.deployments[1:] = [item for item in service.deployments[1:] if item.tasks or _is_failed(item)]


def _is_failed(deployment: Deployment) -> bool:
    return deployment.rollout_state == "FAILED"


def finish_if_done(world: World, service: Service) -> None:
    """Complete the newest deployment when only its tasks are left, as many as wanted, and they have settled."""
    primary = service.primary
    if primary.rollout_state != "IN_PROGRESS":
        return
    entry = primary.service_deployment
    if entry and stages.is_staged(entry) and not stages.may_retire(entry):
        if entry.position == stages.SCALE_UP and _all_serve(service, primary):
            stages.leave(world, service, entry)
        return
    if any(item.tasks for item in service.deployments[1:]):
        return
    tasks = primary.tasks.values()
    if not _all_serve(service, primary):
        return
    started = max((task.started_at for task in tasks if task.started_at), default=None)
    if entry and entry.in_flight and entry.rollback:
        started = max(started or entry.rollback["startedAt"], entry.rollback["startedAt"])
    waiting = SETTLE_SECONDS - world.clock.lasted(started) if started else 0.0
    if waiting > 0:
        scheduler.look_soon(world, service, waiting)
        return
    complete(world, service)


def _all_serve(service: Service, deployment: Deployment) -> bool:
    """Whether a deployment has exactly the tasks that are wanted, all healthy."""
    tasks = deployment.tasks.values()
    return len(tasks) == service.desired and all(task.wanted and task.healthy for task in tasks)


def complete(world: World, service: Service) -> None:
    """Call the newest deployment completed."""
    primary = service.primary
    del service.deployments[1:]
    primary.rollout_state, primary.updated_at = "COMPLETED", world.now
    primary.rollout_reason = wording.rollout_completed(primary.id)
    service.last_good = primary.revision
    announce.deployment(world, service, primary)
    scheduler.say(world, service, wording.completed(service.name, primary.id))
    entry = primary.service_deployment
    if entry and entry.in_flight:
        rolled_back = entry.rollback is not None
        end(world, service, entry, "ROLLBACK_SUCCESSFUL" if rolled_back else "SUCCESSFUL")


def reset_failures(deployment: Deployment) -> None:
    """Forget the failures of a deployment once one of its tasks has proved itself."""
    deployment.consecutive_failures = 0
    deployment.not_before = None
    deployment.impaired_said = False
    if _breaker(deployment).get("resetOnHealthyTask", True):
        deployment.failed_tasks = 0
        if deployment.service_deployment and deployment.service_deployment.in_flight:
            deployment.service_deployment.failures = 0


def _breaker(deployment: Deployment) -> Document:
    entry = deployment.service_deployment
    breaker: Document = (entry.configuration.get("deploymentCircuitBreaker") if entry else None) or {}
    return breaker


def on_failure(world: World, service: Service, deployment: Deployment) -> bool:
    """Count a failed task towards the circuit breaker and return whether it tripped."""
    entry = deployment.service_deployment
    if deployment.rollout_state != "IN_PROGRESS" or deployment.status != "PRIMARY" or entry is None:
        return False
    deployment.failed_tasks += 1
    deployment.updated_at = world.now
    if entry.status not in ("PENDING", "IN_PROGRESS"):
        return False
    entry.failures, entry.updated_at = deployment.failed_tasks, world.now
    if not _breaker(deployment).get("enable") or entry.failures < entry.threshold:
        return False
    _trip(world, service, deployment, entry)
    return True


def _trip(world: World, service: Service, deployment: Deployment, entry: ServiceDeployment) -> None:
    entry.breaker_status = "TRIGGERED"
    deployment.rollout_state, deployment.rollout_reason = "FAILED", wording.BREAKER_FAILED
    announce.deployment(world, service, deployment)
    scheduler.say(world, service, wording.failed(service.name, deployment.id))
    if _breaker(deployment).get("rollback"):
        roll_back(world, service, entry, wording.BREAKER_EXCEEDED, wording.breaker_rolling_back)
    else:
        end(world, service, entry, "STOPPED", wording.BREAKER_STOPPED)


def roll_back(
    world: World, service: Service, entry: ServiceDeployment, reason: str, explain: Callable[[str], str]
) -> None:
    """Return a service to the revision of its last completed deployment.

    A deployment that still runs that revision becomes PRIMARY again and keeps its tasks; otherwise a new one
    starts. Without such a revision the service stays where it is.
    """
    revision = service.last_good
    if revision is None:
        end(world, service, entry, "ROLLBACK_FAILED", wording.NO_ROLLBACK_CANDIDATE)
        return
    entry.status, entry.status_reason, entry.updated_at = "ROLLBACK_IN_PROGRESS", reason, world.now
    entry.started_at = entry.started_at or world.now
    entry.rollback = {"reason": reason, "startedAt": world.now, "serviceRevisionArn": revision.arn}
    if entry.stage:
        stages.set_weights(world, entry, 0.0)
        entry.stage = "CLEAN_UP"
    target = next((item for item in service.deployments if item.revision is revision), None)
    for item in service.deployments:
        item.status = "ACTIVE"
    if target is None:
        target = _add_deployment(world, service, revision, entry)
    else:
        service.deployments.remove(target)
        service.deployments.insert(0, target)
    target.status, target.rollout_state = "PRIMARY", "IN_PROGRESS"
    target.rollout_reason = explain(target.id)
    target.service_deployment, target.updated_at = entry, world.now
    service.config = {**dict.fromkeys(REVISION_MEMBERS), **revision.config}
    announce.deployment(world, service, target)
    scheduler.say(world, service, wording.rolling_back(service.name, target.id))
    scheduler.look_soon(world, service)


def stop(world: World, service: Service, entry: ServiceDeployment) -> None:
    """Stop a service deployment in flight and roll it back, shortly after it was asked for."""
    if entry.status in ("ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS"):
        return
    entry.status, entry.updated_at = "ROLLBACK_REQUESTED", world.now

    def act() -> None:
        if entry.status != "ROLLBACK_REQUESTED":
            return
        give_up(world, service, entry, wording.USER_ROLLBACK)

    world.clock.after(world.rng.uniform(*STOP_TAKES), act)


def give_up(world: World, service: Service, entry: ServiceDeployment, reason: str) -> None:
    """Fail the newest deployment because somebody or something outside wants it back."""
    service.primary.rollout_state = "FAILED"
    service.primary.rollout_reason = wording.STOPPED_BY_USER
    announce.deployment(world, service, service.primary)
    roll_back(world, service, entry, reason, wording.user_rolling_back)


def raise_alarm(world: World, service: Service, alarm: str) -> None:
    """Let a CloudWatch alarm go off that may watch the deployment in flight."""
    entry = service.current
    watch = (entry.configuration.get("alarms") if entry else None) or {}
    if entry is None or entry.status != "IN_PROGRESS" or not watch.get("enable"):
        return
    if alarm not in watch["alarmNames"]:
        return
    entry.triggered_alarms.append(alarm)
    primary = service.primary
    primary.rollout_state, primary.rollout_reason = "FAILED", wording.ALARM_FAILED
    announce.deployment(world, service, primary)
    scheduler.say(world, service, wording.alarm_detected(service.name, primary.id))
    if watch["rollback"]:
        roll_back(world, service, entry, wording.alarm_rollback(alarm), wording.alarm_rolling_back)
    else:
        end(world, service, entry, "STOPPED", wording.ALARM_FAILED)


def drain(world: World, service: Service) -> None:
    """Stop the tasks of a deleted service; it becomes INACTIVE with the last of them."""
    tasks = [task for item in service.deployments for task in item.tasks.values()]
    running = [task.id for task in tasks if task.wanted and task.is_running]
    for task in tasks:
        reason = wording.scaling_activity(service.primary.id)
        lifecycle.stop(world, task, code="ServiceSchedulerInitiated", reason=reason)
    if running:
        scheduler.say(world, service, wording.stopped_running(service.name, running))
    if not tasks:
        service.status = "INACTIVE"


def change_desired(world: World, service: Service, desired: int) -> None:
    """Change the desired count: no deployment starts, the one at hand follows."""
    service.desired = desired
    service.primary.updated_at = world.now
    service.is_steady = False
    scheduler.look_soon(world, service, world.rng.uniform(0.5, 2.0))


HISTORY_DAYS = timedelta(days=90)
