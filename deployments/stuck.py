"""Why a rollout does not end: named from what ECS says, never guessed from the clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from clusters.service_view import deployments_of, primary_of
from deployments.pauses import STAGED, pause_in, side_of

Facts = Mapping[str, Any]
# Only now does a deployment with two full sets of tasks stop the old ones.
LAST_STAGE = "CLEAN_UP"
DRAINING = "has begun draining connections on"
# How ECS and Fargate say that there is no room, whatever the definition asks for.
NO_ROOM = (
    "Capacity is unavailable at this time",
    "You've reached the limit on the number of tasks",
    "You’ve reached the limit on the number of tasks",
    "InsufficientFreeAddressesInSubnet",
    "Reason: RESOURCE:",
    "no container instance met all of its requirements",
    "No Container Instances were found in your cluster",
)


@dataclass(frozen=True, slots=True)
class Scene:
    """The service, our deployment of it, its service deployment, and the events since it began, newest first."""

    service: Facts
    mine: Facts
    entry: Facts
    events: tuple[str, ...]
    # When ECS last said that it drains, and for how long the target groups let targets drain.
    drains_since: datetime | None = None
    drain_delay: int | None = None
    now: datetime | None = None

    def said(self, text: str) -> str:
        """Return the newest event that contains a text, else an empty one."""
        return next((event for event in self.events if text in event), "")


@dataclass(frozen=True, slots=True)
class Stuck:
    """A reason by its id, and as a sentence that quotes ECS where ECS said it."""

    id: str
    sentence: str


def scene_of(
    service: Facts,
    entry: Facts | None,
    deployment_id: str,
    since: datetime | None,
    *,
    drain_delay: int | None = None,
    now: datetime | None = None,
) -> Scene:
    mine = next((item for item in deployments_of(service) if item.get("id") == deployment_id), {})
    return Scene(
        service,
        mine or primary_of(service),
        entry or {},
        tuple(events_since(service, since)),
        drains_since(service, since),
        drain_delay,
        now,
    )


def drains_since(service: Facts, since: datetime | None) -> datetime | None:
    """Return when ECS last began to drain tasks of this rollout, from its newest event that says so."""
    for event in service.get("events") or []:
        at = event.get("createdAt")
        if DRAINING in str(event.get("message", "")) and isinstance(at, datetime):
            return at if since is None or at >= since else None
    return None


def events_since(service: Facts, since: datetime | None) -> Iterable[str]:
    for event in service.get("events") or []:
        at = event.get("createdAt")
        if since is None or (isinstance(at, datetime) and at >= since):
            yield str(event.get("message", ""))


def paused(scene: Scene) -> str:
    pause = pause_in(scene.entry)
    if pause is None:
        return ""
    does = "continue" if pause.timeout_action == "CONTINUE" else "roll back"
    until = (
        f" Without an answer ECS will {does} at {pause.expires_at:%d %b %H:%M} UTC."
        if pause.expires_at
        else ""
    )
    where = f" ({pause.incoming.percent} of traffic on the new revision)" if pause.incoming.percent else ""
    return f"A PAUSE hook holds the deployment at {pause.stage}{where} until someone continues it.{until}"


def deadlock(scene: Scene) -> str:
    event = scene.said("because of the service deployment configuration")
    return f"The bounds leave ECS no task that it may stop or start: “{event}”" if event else ""


def alarms(scene: Scene) -> str:
    found = scene.entry.get("alarms") or {}
    names = ", ".join(found.get("triggeredAlarmNames") or [])
    if not names and found.get("status") != "TRIGGERED":
        return ""
    return f"An alarm of the deployment went off: {names or 'ECS does not say which'}."


def needs_places(scene: Scene) -> bool:
    """Whether a new task is still to be placed: once all are, what ECS said of places before is over."""
    placed = int(scene.mine.get("runningCount") or 0) + int(scene.mine.get("pendingCount") or 0)
    return placed < int(scene.mine.get("desiredCount") or 0)


def capacity(scene: Scene) -> str:
    event = next((text for words in NO_ROOM if (text := scene.said(words))), "")
    return f"There is no capacity for a task: “{event}”" if event and needs_places(scene) else ""


def placement(scene: Scene) -> str:
    event = scene.said("was unable to place a task")
    return f"ECS finds no place for a task: “{event}”" if event and needs_places(scene) else ""


def cannot_start(scene: Scene) -> str:
    event = scene.said("unable to consistently start tasks")
    failed = int(scene.mine.get("failedTasks") or 0)
    if event:
        return f"Tasks keep failing and ECS starts them ever more slowly: “{event}”"
    return f"{failed} tasks of the new deployment have failed in a row." if failed >= 2 else ""


def health(scene: Scene) -> str:
    for text in ("is unhealthy in (target-group", "health checks", "due to an unhealthy status"):
        if event := scene.said(text):
            return f"New tasks fail their health checks: “{event}”"
    return ""


def protected(scene: Scene) -> str:
    event = scene.said("under protection")
    return f"Protected tasks keep the old deployment alive: “{event}”" if event else ""


def drain(scene: Scene) -> str:
    if keeps_both(scene):
        return ""
    wanted = int(scene.mine.get("desiredCount") or 0)
    if int(scene.mine.get("runningCount") or 0) < wanted:
        return ""
    others = [item for item in deployments_of(scene.service) if item.get("id") != scene.mine.get("id")]
    left = sum(int(item.get("runningCount") or 0) for item in others)
    does = "still drain their connections" if scene.drains_since else "have yet to stop"
    return f"All new tasks run; {left} old ones {does}.{drain_left(scene)}" if left else ""


def drain_left(scene: Scene) -> str:
    """Say how long draining still takes, by the target group's delay and ECS's own event."""
    if scene.drain_delay is None:
        return ""
    delay = f" The deregistration delay is {scene.drain_delay} s"
    if scene.drains_since is None or scene.now is None:
        return f"{delay}."
    gone = (scene.now - scene.drains_since).total_seconds()
    seconds = round(scene.drain_delay - gone)
    return f"{delay}; about {seconds} s are left." if seconds > 0 else f"{delay}, and is over."


def keeps_both(scene: Scene) -> bool:
    """Whether old tasks run on because the strategy has it so: as the way back, until the last stage."""
    strategy = (scene.entry.get("deploymentConfiguration") or {}).get("strategy")
    return strategy in STAGED and scene.entry.get("lifecycleStage") not in (None, "", LAST_STAGE)


def shifting(scene: Scene) -> str:
    """Name the stage of a blue/green, linear or canary deployment, with how far its traffic has moved."""
    if not keeps_both(scene):
        return ""
    percent = side_of(scene.entry.get("targetServiceRevision") or {}).percent
    where = f" with {percent} of traffic on the new revision" if percent else ""
    stage = scene.entry.get("lifecycleStage")
    return f"The deployment is at {stage}{where}; the old tasks stay as the way back until {LAST_STAGE}."


def baking(scene: Scene) -> str:
    is_baking = scene.entry.get("lifecycleStage") == "BAKE_TIME"
    return "The new revision takes all traffic and bakes." if is_baking else ""


def starting(scene: Scene) -> str:
    pending = int(scene.mine.get("pendingCount") or 0)
    return f"{pending} new tasks are PENDING and have not reached RUNNING." if pending else ""


# The first that matches wins: what a person can act upon comes before what passes by itself.
RULES: tuple[tuple[str, Callable[[Scene], str]], ...] = (
    ("paused_hook", paused),
    ("min_max_deadlock", deadlock),
    ("alarms", alarms),
    ("capacity", capacity),
    ("placement", placement),
    ("cannot_start_tasks", cannot_start),
    ("health_checks", health),
    ("protected_tasks", protected),
    ("drain", drain),
    ("bake_time", baking),
    ("starting", starting),
    ("stage", shifting),
)
UNKNOWN = Stuck("unknown", "ECS gives no reason: it still says that the deployment is in progress.")


def why_stuck(scene: Scene) -> Stuck:
    """Return the first rule that matches the scene, `UNKNOWN` when none does."""
    for name, rule in RULES:
        if sentence := rule(scene):
            return Stuck(name, sentence)
    return UNKNOWN
