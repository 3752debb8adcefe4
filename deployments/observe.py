"""The truth about a rollout's outcome, from what ECS says and from nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from audit.actions import record
from clusters.service_view import deployments_of, primary_of
from deployments.running import Next, Run
from deployments.states import State
from deployments.stuck import scene_of, why_stuck

Facts = Mapping[str, Any]
IN_FLIGHT = ("PENDING", "IN_PROGRESS", "STOP_REQUESTED", "ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS")
ROLLING_BACK = ("ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS")
# A service that was deleted: its tasks stop, or have stopped, and it is described for a while yet.
DELETED = ("DRAINING", "INACTIVE")
RACED = "It replaced other service revisions than those agreed to: something else changed the service just before."
# A service deployment and the entry of `deployments` that it belongs to are written at almost the same moment.
SAME_MOMENT = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Sight:
    """One look: the service, our service deployment where ECS keeps one, and who we are in it."""

    service: Facts
    entry: Facts
    deployment_id: str
    definition: str
    previous_id: str
    was_primary: bool
    # Whether ECS keeps service deployments of this service, so that ours is only not seen yet.
    keeps_history: bool = False
    # Whether the service was changed between our check of its base and our call.
    raced: bool = False

    @property
    def primary(self) -> Facts:
        return primary_of(self.service)

    @property
    def mine(self) -> Facts:
        found = (item for item in deployments_of(self.service) if item.get("id") == self.deployment_id)
        return next(found, {})

    @property
    def status(self) -> str:
        return str(self.entry.get("status") or "")

    @property
    def is_ours(self) -> bool:
        """Whether PRIMARY is our deployment and runs our task definition."""
        primary = self.primary
        return primary.get("id") == self.deployment_id and primary.get("taskDefinition") == self.definition

    @property
    def is_complete(self) -> bool:
        """Whether ECS calls PRIMARY complete; behind a Classic Load Balancer it has no rolloutState to say so."""
        state = self.primary.get("rolloutState")
        if state:
            return bool(state == "COMPLETED")
        counts = self.service.get("runningCount") == self.service.get("desiredCount")
        return counts and len(deployments_of(self.service)) == 1


def look(run: Run) -> Sight:
    """Read the service and our service deployment; costs two or three calls."""
    progress = run.progress
    service = run.gateway.service()
    if primary_of(service).get("id") == progress["deployment_id"]:
        run.remember(was_primary=True)
    entry = find_entry(run)
    return Sight(
        service=service,
        entry=entry,
        deployment_id=progress["deployment_id"],
        definition=progress["task_definition_arn"],
        previous_id=progress.get("previous_deployment_id", ""),
        was_primary=bool(run.progress.get("was_primary")),
        keeps_history=bool(progress.get("previous_service_deployment_arn")),
        raced=is_raced(run, entry),
    )


def is_raced(run: Run, entry: Facts) -> bool:
    """Whether our service deployment replaced other revisions than those that were agreed to.

    UpdateService takes no precondition, so a call from elsewhere between our check and ours shows only here.
    """
    agreed = run.change.base.get("revisions")
    replaced = sorted(item.get("arn", "") for item in entry.get("sourceServiceRevisions") or [])
    return bool(agreed and replaced and replaced != agreed)


def find_entry(run: Run) -> Facts:
    """Return our service deployment, recognised by its task definition and its moment by ECS's own clock."""
    progress = run.progress
    known = progress.get("service_deployment_arn")
    if known:
        return run.gateway.service_deployment(known)
    began = datetime.fromisoformat(progress["deployment_created_at"])
    near = [
        item
        for item in run.gateway.service_deployments()
        if item["serviceDeploymentArn"] != progress.get("previous_service_deployment_arn")
        and abs(item["createdAt"] - began) <= SAME_MOMENT
    ]
    for item in sorted(near, key=lambda found: abs(found["createdAt"] - began)):
        revision = run.gateway.service_revision(item["targetServiceRevision"]["arn"])
        if revision.get("taskDefinition") == progress["task_definition_arn"]:
            take_for_ours(run, item)
            return item
    return {}


def take_for_ours(run: Run, item: Facts) -> None:
    """Remember which service deployment a change began; the ledger is told, so that both can be matched there."""
    arn, change = item["serviceDeploymentArn"], run.change
    with transaction.atomic():
        run.remember(service_deployment_arn=arn)
        record(
            action="change.deployment",
            actor="system",
            resource=change.access_resource,
            target=f"CR-{change.pk}",
            data={
                "service_deployment": arn,
                "created_at": item["createdAt"],
                "task_definition": run.progress["task_definition_arn"],
            },
        )


def judge(sight: Sight) -> Next | None:
    """Return how it ended or that ECS rolls back, None while it is open.

    Success needs all three: our service deployment SUCCESSFUL, PRIMARY ours, its task definition ours.
    """
    if not sight.entry:
        return judge_without_entry(sight)
    if sight.status == "SUCCESSFUL":
        return judge_successful(sight)
    if sight.status == "ROLLBACK_SUCCESSFUL":
        return Next(State.ROLLED_BACK, f"ECS rolled back{quoted(sight)} {now_runs(sight)}")
    if sight.status == "ROLLBACK_FAILED":
        return Next(State.FAILED, f"ECS could not roll back{quoted(sight)} {now_runs(sight)}")
    if sight.status == "STOPPED":
        return Next(State.FAILED, f"ECS stopped the deployment{quoted(sight)} {now_runs(sight)}")
    if sight.status in ROLLING_BACK:
        return Next(State.ROLLING_BACK, f"ECS rolls back{quoted(sight)}")
    return None


def judge_successful(sight: Sight) -> Next | None:
    if sight.is_ours and sight.is_complete:
        text = f"ECS calls the deployment SUCCESSFUL; PRIMARY runs {short(sight.definition)}."
        return Next(State.SUCCEEDED, f"{text} {RACED}" if sight.raced else text)
    if sight.was_primary and sight.primary.get("id") != sight.deployment_id:
        if gone := deletion_of(sight.service):
            return Next(State.FAILED, f"ECS completed the deployment. {gone}")
        text = "ECS completed the deployment, and another one has replaced it since."
        return Next(State.FAILED, f"{text} {now_runs(sight)}")
    return None


def judge_without_entry(sight: Sight) -> Next | None:
    """Judge where ECS shows no service deployment of ours: by `deployments` alone."""
    if gone := deletion_of(sight.service):
        return Next(State.FAILED, gone)
    if sight.mine.get("rolloutState") == "FAILED" and sight.primary.get("id") == sight.deployment_id:
        return Next(State.FAILED, f"ECS calls the rollout FAILED{quoted(sight)}")
    if sight.is_ours:
        return None if sight.keeps_history else settled(sight)
    if not sight.was_primary:
        # A read right after the call may be older than the call.
        return None
    if sight.primary.get("id") == sight.previous_id:
        if sight.mine:
            return Next(State.ROLLING_BACK, f"ECS rolls back{quoted(sight)}")
        return Next(State.ROLLED_BACK, f"ECS rolled back{quoted(sight)} {now_runs(sight)}")
    return Next(State.FAILED, f"Another deployment replaced this one. {now_runs(sight)}")


def deletion_of(service: Facts) -> str:
    """Say that a service was deleted, empty for one that is there."""
    status = str(service.get("status") or "")
    return f"Somebody deleted the service: it is {status}." if status in DELETED else ""


def settled(sight: Sight) -> Next | None:
    """Judge a service of which ECS keeps no service deployments: COMPLETED, and nothing else left."""
    if sight.is_complete and len(deployments_of(sight.service)) == 1:
        return Next(State.SUCCEEDED, f"The rollout is complete; PRIMARY runs {short(sight.definition)}.")
    return None


def quoted(sight: Sight) -> str:
    """Return ECS's own reasons as quotations, the end of a sentence either way."""
    reasons = [
        str(sight.entry.get("statusReason") or ""),
        str(sight.mine.get("rolloutStateReason") or ""),
    ]
    said = list(dict.fromkeys(reason for reason in reasons if reason))
    return ": " + " ".join(f"“{reason}”" for reason in said) if said else "."


def now_runs(sight: Sight) -> str:
    primary = sight.primary
    return f"PRIMARY runs {short(str(primary.get('taskDefinition') or 'nothing'))}."


def short(arn: str) -> str:
    return arn.rsplit("/", 1)[-1]


def describe_progress(
    sight: Sight, *, drain_delay: int | None = None, now: datetime | None = None
) -> dict[str, Any]:
    """Return where the rollout stands, with the named reason that keeps it from ending."""
    mine = sight.mine
    since = mine.get("createdAt")
    scene = scene_of(sight.service, sight.entry, sight.deployment_id, since, drain_delay=drain_delay, now=now)
    stuck = why_stuck(scene)
    return {
        "status": sight.status,
        "rollout_state": mine.get("rolloutState", ""),
        "running": mine.get("runningCount", 0),
        "pending": mine.get("pendingCount", 0),
        "desired": mine.get("desiredCount", 0),
        "failed_tasks": mine.get("failedTasks", 0),
        "waiting_for": {"id": stuck.id, "sentence": stuck.sentence},
    }
