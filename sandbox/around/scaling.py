"""Application Auto Scaling of ECS services: what is registered, and the engine that acts on it."""

from __future__ import annotations

import math
import random
import uuid
from collections import defaultdict, deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sandbox.around.alarms import Alarm, Place
from sandbox.around.registry import Document
from sandbox.around.schedules import Schedule
from sandbox.names import partition
from sandbox.ports import ApiError, Caller
from sandbox.state import Service

if TYPE_CHECKING:
    from sandbox.around.hub import Around

DIMENSION = "ecs:service:DesiredCount"
COOLDOWN = 300
ACTIVITIES = 5_000
ROLE = "AWSServiceRoleForApplicationAutoScaling_ECSService"
# Scale-in alarms of target tracking sit a tenth below the target and take a quarter of an hour.
LOW_SHARE, HIGH_PERIODS, LOW_PERIODS = 0.9, 3, 15


@dataclass(slots=True)
class Policy:
    """A scaling policy with the alarms that belong to it."""

    name: str
    arn: str
    kind: str
    config: Document
    created_at: datetime
    alarms: list[str] = field(default_factory=list)
    scaled_out_at: datetime | None = None
    scaled_in_at: datetime | None = None


@dataclass(slots=True)
class ScheduledAction:
    name: str
    arn: str
    config: Document
    schedule: Schedule
    created_at: datetime
    acted_at: datetime


@dataclass(slots=True)
class Activity:
    """One change of a desired count or of the limits."""

    id: str
    resource: str
    description: str
    cause: str
    started_at: datetime
    desired: int
    status: str = "InProgress"
    message: str = ""
    ended_at: datetime | None = None


@dataclass(slots=True)
class ScalableTarget:
    """A service that may be scaled, with its policies and scheduled actions by name."""

    resource: str
    arn: str
    minimum: int
    maximum: int
    role: str
    created_at: datetime
    suspended: dict[str, bool] = field(default_factory=dict)
    policies: dict[str, Policy] = field(default_factory=dict)
    actions: dict[str, ScheduledAction] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, str]:
        """Cluster and service."""
        _, cluster, service = self.resource.split("/")
        return cluster, service


class Scaling:
    """The scalable targets of one world."""

    def __init__(self, around: Around, seed: int) -> None:
        self._around = around
        self._rng = random.Random(f"scaling {seed}")
        self._targets: dict[Place, dict[str, ScalableTarget]] = defaultdict(dict)
        self._activities: dict[Place, deque[Activity]] = defaultdict(lambda: deque(maxlen=ACTIVITIES))

    def __len__(self) -> int:
        return sum(len(targets) for targets in self._targets.values())

    @property
    def now(self) -> datetime:
        return self._around.world.now

    def of(self, place: Place) -> dict[str, ScalableTarget]:
        """Return a region's scalable targets by resource id."""
        return self._targets[place]

    def activities(self, place: Place) -> deque[Activity]:
        """Return a region's activities, newest first."""
        return self._activities[place]

    def remember(self, place: Place, past: list[Activity]) -> None:
        """Add activities that lie before all others; oldest first."""
        self._activities[place].extend(reversed(past))

    def new_id(self) -> str:
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))

    def service_of(self, place: Place, target: ScalableTarget) -> Service | None:
        """Return the service behind a target, None once it is gone."""
        cluster_name, name = target.names
        cluster = self._around.world.region(*place).clusters.get(cluster_name)
        service = cluster.services.get(name) if cluster else None
        return service if service and service.status == "ACTIVE" else None

    def tick(self) -> None:
        """Follow up activities, keep the limits, and act on schedules; once a minute."""
        for place, targets in list(self._targets.items()):
            for target in list(targets.values()):
                service = self.service_of(place, target)
                if service:
                    self._follow_up(place, target, service)
                    self._schedules(place, target)
                    self._keep_limits(place, target, service)

    def on_alarm(self, place: Place, alarm: Alarm, before: str) -> None:
        """Carry out the policies that an alarm in ALARM names among its actions."""
        if alarm.state != "ALARM":
            return
        for action in alarm.actions():
            for target in self._targets[place].values():
                policy = next((item for item in target.policies.values() if item.arn == action), None)
                service = self.service_of(place, target) if policy else None
                if policy and service:
                    self._fire(place, target, service, policy, alarm)

    def _fire(
        self, place: Place, target: ScalableTarget, service: Service, policy: Policy, alarm: Alarm
    ) -> None:
        if alarm.latest is None:
            return
        if policy.kind == "TargetTrackingScaling":
            desired = self._tracked(place, target, service, policy, alarm)
        else:
            desired = _stepped(policy, alarm, service.desired)
        bounded = min(target.maximum, max(target.minimum, desired))
        if bounded == service.desired or self._held_back(target, service, policy, bounded):
            return
        if bounded > service.desired:
            policy.scaled_out_at = self.now
        else:
            policy.scaled_in_at = self.now
        cause = f"monitor alarm {alarm.name} in state ALARM triggered policy {policy.name}"
        self._set(place, target, service, bounded, cause)

    def _tracked(
        self, place: Place, target: ScalableTarget, service: Service, policy: Policy, alarm: Alarm
    ) -> int:
        """Return the count that brings a metric back to its target; all policies must agree to fewer."""
        desired = _needed(policy, alarm, service.desired)
        if desired >= service.desired:
            return desired
        alarms = self._around.alarms.of(place)
        for other in target.policies.values():
            if other is policy or other.kind != "TargetTrackingScaling" or other.config.get("DisableScaleIn"):
                continue
            low = alarms.get(other.alarms[-1])
            if low is None or low.state != "ALARM":
                return service.desired
            desired = max(desired, _needed(other, low, service.desired))
        return desired

    def _held_back(self, target: ScalableTarget, service: Service, policy: Policy, desired: int) -> bool:
        """Whether suspension, a cooldown or a deployment forbids a change now."""
        growing = desired > service.desired
        if target.suspended.get("DynamicScalingOutSuspended" if growing else "DynamicScalingInSuspended"):
            return True
        # While a deployment runs, ECS services are scaled out only.
        if not growing and service.current is not None and service.current.in_flight:
            return True
        member = "ScaleOutCooldown" if growing else "ScaleInCooldown"
        name = member if policy.kind == "TargetTrackingScaling" else "Cooldown"
        given = policy.config.get(name)
        cooldown = timedelta(seconds=COOLDOWN if given is None else int(given))
        # Having grown lately forbids to shrink too.
        moments = [policy.scaled_out_at] if growing else [policy.scaled_out_at, policy.scaled_in_at]
        return any(moment is not None and self.now - moment < cooldown for moment in moments)

    def _keep_limits(self, place: Place, target: ScalableTarget, service: Service) -> None:
        if service.desired < target.minimum:
            self._set(place, target, service, target.minimum, f"minimum capacity was set to {target.minimum}")
        elif service.desired > target.maximum:
            self._set(place, target, service, target.maximum, f"maximum capacity was set to {target.maximum}")

    def _schedules(self, place: Place, target: ScalableTarget) -> None:
        if target.suspended.get("ScheduledScalingSuspended"):
            return
        for action in list(target.actions.values()):
            start, end = action.config.get("StartTime"), action.config.get("EndTime")
            if (start and self.now < start) or (end and self.now >= end):
                continue
            if not action.schedule.is_due(action.acted_at, self.now):
                continue
            action.acted_at = self.now
            limits = action.config["ScalableTargetAction"]
            target.minimum = int(limits.get("MinCapacity", target.minimum))
            target.maximum = max(int(limits.get("MaxCapacity", target.maximum)), target.minimum)
            text = f"Setting min capacity to {target.minimum} and max capacity to {target.maximum}"
            activity = self._note(place, target, text, f"scheduled action name {action.name} was triggered")
            activity.status, activity.ended_at = "Successful", self.now
            activity.message = (
                f"Successfully set min capacity to {target.minimum} and max capacity to {target.maximum}"
            )
            if action.schedule.once:
                del target.actions[action.name]

    def _set(self, place: Place, target: ScalableTarget, service: Service, desired: int, cause: str) -> None:
        """Set a service's desired count as the autoscaling service role."""
        text = f"Setting desired count to {desired}."
        activity = self._note(place, target, text, cause, desired)
        activity.message = (
            f"Successfully set desired count to {desired}. Waiting for change to be fulfilled by ecs."
        )
        cluster, name = target.names
        try:
            self._around.act(
                scaling_caller(*place),
                "UpdateService",
                {"cluster": cluster, "service": name, "desiredCount": desired},
            )
        except ApiError as error:
            activity.status, activity.ended_at = "Failed", self.now
            activity.message = f"Failed to set desired count to {desired}. Reason: {error.message}"

    def _note(
        self, place: Place, target: ScalableTarget, text: str, cause: str, desired: int = -1
    ) -> Activity:
        activity = Activity(self.new_id(), target.resource, text, cause, self.now, desired)
        self._activities[place].appendleft(activity)
        return activity

    def _follow_up(self, place: Place, target: ScalableTarget, service: Service) -> None:
        running = sum(task.is_running for task in service.tasks.values())
        waiting = [
            item
            for item in self._activities[place]
            if item.resource == target.resource and item.status == "InProgress"
        ]
        for number, item in enumerate(waiting):
            if number or service.desired != item.desired:
                item.status, item.ended_at = "Overridden", self.now
                item.message = f"Successfully set desired count to {item.desired}. Change was overridden."
            elif running == item.desired:
                item.status, item.ended_at = "Successful", self.now
                item.message = (
                    f"Successfully set desired count to {item.desired}. Change successfully fulfilled by ecs."
                )


def scaling_caller(account_id: str, region: str) -> Caller:
    """Return the identity under which Application Auto Scaling changes services."""
    session = "AutoScaling-UpdateDesiredCapacity"
    arn = f"arn:{partition(region)}:sts::{account_id}:assumed-role/{ROLE}/{session}"
    return Caller(account_id, region, arn, session_name=session)


def _needed(policy: Policy, alarm: Alarm, desired: int) -> int:
    target = float(policy.config["TargetValue"])
    return math.ceil(desired * (alarm.latest or 0.0) / target - 1e-9)


def _stepped(policy: Policy, alarm: Alarm, desired: int) -> int:
    """Return the count that the step for the distance from the threshold asks for."""
    config = policy.config
    distance = (alarm.latest or 0.0) - float(alarm.config["Threshold"])
    for step in config.get("StepAdjustments") or []:
        low = step.get("MetricIntervalLowerBound")
        high = step.get("MetricIntervalUpperBound")
        if (low is not None and distance < low) or (high is not None and distance >= high):
            continue
        amount = int(step["ScalingAdjustment"])
        if config.get("AdjustmentType") == "ExactCapacity":
            return amount
        if config.get("AdjustmentType") == "PercentChangeInCapacity":
            exact = desired * amount / 100
            least = int(config.get("MinAdjustmentMagnitude") or 1)
            change = max(least, math.floor(abs(exact))) if exact else 0
            return desired + (change if exact > 0 else -change)
        return desired + amount
    return desired
