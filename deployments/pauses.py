"""Service deployments that a PAUSE hook holds: at which stage, since when, until when, and what stands on each side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from clusters.models import Service, ServiceDeployment
from clusters.service_view import primary_of
from clusters.spans import parse_time, spell

Facts = Mapping[str, Any]
AWAITING = "AWAITING_ACTION"
CONTINUE, ROLLBACK = "CONTINUE", "ROLLBACK"
ACTIONS = (CONTINUE, ROLLBACK)
# ECS's own, where a hook names no time.
DEFAULT_TIMEOUT = timedelta(minutes=1440)
# A stage that only hooks know is shown as the one before it, which before later steps of traffic is the shift itself;
# what every deployment passes before that.
SHIFTING = "PRODUCTION_TRAFFIC_SHIFT"
HIDDEN = dict.fromkeys(("POST_TEST_TRAFFIC_SHIFT", SHIFTING), "PRE_PRODUCTION_TRAFFIC_SHIFT")
BEFORE = ("PRE_SCALE_UP", "POST_SCALE_UP")
STAGED = ("BLUE_GREEN", "LINEAR", "CANARY")


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a deployment: a service revision with its share of the traffic and its tasks."""

    revision_arn: str
    weight: float | None
    running: int

    @property
    def percent(self) -> str:
        return "" if self.weight is None else f"{self.weight:g}%"


@dataclass(frozen=True, slots=True)
class Pause:
    """A deployment that waits for a person."""

    arn: str
    hook_id: str
    stage: str
    since: datetime | None
    expires_at: datetime | None
    # What ECS does when nobody answers: ROLLBACK or CONTINUE.
    timeout_action: str
    strategy: str
    outgoing: Side
    incoming: Side

    @property
    def share(self) -> str:
        """Return where the traffic stands: "at 10% of traffic", empty where ECS shows no weights."""
        weight = self.incoming.weight
        return f"at {weight:g}% of traffic" if weight is not None else ""

    @property
    def title(self) -> str:
        where = self.share or f"at {self.stage}"
        return f"Paused {where}: continue or roll back"

    @property
    def going_on(self) -> str:
        """Say what ECS does when it is told to continue."""
        if self.stage != SHIFTING:
            return f"ECS goes on with the stage after {self.stage}."
        if self.strategy == "CANARY" and self.outgoing.percent:
            return f"ECS moves the other {self.outgoing.percent} of the traffic too."
        return "ECS moves the next share of the traffic."

    def expiry(self, now: datetime) -> str:
        """Say what ECS does by itself, and when."""
        if self.expires_at is None:
            return ""
        does = "continues" if self.timeout_action == CONTINUE else "rolls back"
        if self.expires_at <= now:
            return f"{does} by itself now"
        return f"{does} by itself in {spell(self.expires_at - now)}"

    def is_over(self, now: datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= now


def waiting_hook(entry: Facts) -> Facts:
    """Return the PAUSE hook that waits for a person, an empty one when none does."""
    if entry.get("status") not in (None, "IN_PROGRESS"):
        return {}
    hooks = entry.get("lifecycleHookDetails") or []
    return next((hook for hook in hooks if hook.get("status") == AWAITING), {})


def hook_of(entry: Facts, hook_id: str) -> Facts:
    hooks = entry.get("lifecycleHookDetails") or []
    return next((hook for hook in hooks if hook.get("hookId") == hook_id), {})


def pause_in(entry: Facts) -> Pause | None:
    """Return the pause of a service deployment as ECS describes it, None when it waits for nobody."""
    hook = waiting_hook(entry)
    if not hook:
        return None
    stage, expires = str(entry.get("lifecycleStage") or ""), moment(hook.get("expiresAt"))
    sources = entry.get("sourceServiceRevisions") or []
    # Beside what serves, a revision that was superseded may still have tasks; it has no traffic.
    serving: Facts = max(sources, key=weight_of, default={})
    return Pause(
        arn=str(entry.get("serviceDeploymentArn", "")),
        hook_id=str(hook.get("hookId", "")),
        stage=stage,
        since=expires - timeout_of(entry, stage) if expires else None,
        expires_at=expires,
        timeout_action=str(hook.get("timeoutAction") or ROLLBACK),
        strategy=str((entry.get("deploymentConfiguration") or {}).get("strategy") or ""),
        outgoing=side_of(serving),
        incoming=side_of(entry.get("targetServiceRevision") or {}),
    )


def timeout_of(entry: Facts, stage: str) -> timedelta:
    """Return how long the hook of a stage waits, by the deployment's own configuration."""
    hooks = (entry.get("deploymentConfiguration") or {}).get("lifecycleHooks") or []
    pausing = [hook for hook in hooks if hook.get("targetType") == "PAUSE"]
    here, behind = hooks_at(pausing, stage), hooks_at(pausing, HIDDEN.get(stage, ""))
    if here and behind and answered(entry) > sum(len(hooks_at(pausing, one)) for one in BEFORE):
        here = behind
    for hook in here or behind:
        minutes = (hook.get("timeoutConfiguration") or {}).get("timeoutInMinutes")
        return timedelta(minutes=int(minutes)) if minutes is not None else DEFAULT_TIMEOUT
    return DEFAULT_TIMEOUT


def hooks_at(hooks: Iterable[Facts], stage: str) -> list[Facts]:
    return [hook for hook in hooks if stage in (hook.get("lifecycleStages") or [])]


def answered(entry: Facts) -> int:
    """Return how many pauses of a deployment are over."""
    hooks = entry.get("lifecycleHookDetails") or []
    return sum(hook.get("targetType") == "PAUSE" and hook.get("status") != AWAITING for hook in hooks)


def side_of(revision: Facts) -> Side:
    weight = revision.get("requestedProductionTrafficWeight")
    return Side(
        revision_arn=str(revision.get("arn", "")),
        weight=None if weight is None else float(weight),
        running=int(revision.get("runningTaskCount") or 0),
    )


def weight_of(revision: Facts) -> float:
    return float(revision.get("requestedProductionTrafficWeight") or 0)


def moment(value: Any) -> datetime | None:
    return value if isinstance(value, datetime) else parse_time(value) if value else None


def pause_of(service: Service) -> Pause | None:
    """Return the pause of a service as the inventory knows it, None when nothing waits."""
    if primary_of(service.facts).get("rolloutState") != "IN_PROGRESS":
        return None
    rows = service.service_deployments.filter(status="IN_PROGRESS").order_by("-created_at")
    return next(filter(None, (pause_in(row.facts) for row in rows[:3])), None)


def paused(deployments: Iterable[ServiceDeployment]) -> list[tuple[ServiceDeployment, Pause]]:
    """Return those of deployments that wait for a person, the next to expire first."""
    found = [(row, pause) for row in deployments if (pause := pause_in(row.facts)) is not None]
    return sorted(
        found, key=lambda item: item[1].expires_at.timestamp() if item[1].expires_at else float("inf")
    )
