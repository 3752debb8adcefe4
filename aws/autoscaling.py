"""Reads of Application Auto Scaling of ECS services: the bounds, and everything that moves a count within them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aws.calls import read
from aws.scope import Scope

DIMENSION = "ecs:service:DesiredCount"
TARGET_TRACKING = "TargetTrackingScaling"
# Both must be off for policies to leave a count alone; schedules have a switch of their own.
DYNAMIC = ("DynamicScalingInSuspended", "DynamicScalingOutSuspended")
SCHEDULED = "ScheduledScalingSuspended"
SWITCHES = (*DYNAMIC, SCHEDULED)
ACTIVITIES = 5


@dataclass(frozen=True, slots=True)
class Policy:
    """A scaling policy; `metric` and `target` only where it tracks a target."""

    name: str
    kind: str
    metric: str = ""
    target: float | None = None

    @property
    def tracks(self) -> bool:
        return self.kind == TARGET_TRACKING

    @property
    def words(self) -> str:
        if self.tracks and self.target is not None:
            return f"{self.name} keeps {self.metric or 'its metric'} at {self.target:g}"
        return f"{self.name} moves it by alarms"


@dataclass(frozen=True, slots=True)
class ScheduledAction:
    """An action that sets the bounds at its times, in AWS's own words for them."""

    name: str
    schedule: str
    zone: str
    least: int | None
    most: int | None

    @property
    def words(self) -> str:
        bounds = f"{self.least if self.least is not None else 'its minimum'} to " + (
            f"{self.most}" if self.most is not None else "its maximum"
        )
        zone = f" {self.zone}" if self.zone else ""
        return f"{self.name} sets {bounds} on {self.schedule}{zone}"


@dataclass(frozen=True, slots=True)
class Activity:
    """Something that Application Auto Scaling did, in its own words."""

    at: datetime
    description: str
    cause: str
    status: str


@dataclass(frozen=True, slots=True)
class Autoscaling:
    """How a service is scaled."""

    least: int
    most: int
    suspended: tuple[str, ...] = ()
    policies: tuple[Policy, ...] = ()
    actions: tuple[ScheduledAction, ...] = ()
    activities: tuple[Activity, ...] = ()

    @property
    def is_suspended(self) -> bool:
        return set(SWITCHES) <= set(self.suspended)

    @property
    def moves_by_itself(self) -> bool:
        """Whether policies may change the count."""
        return bool(self.policies) and not set(DYNAMIC) <= set(self.suspended)


def resource_id(cluster: str, service: str) -> str:
    return f"service/{cluster}/{service}"


def bounds(scope: Scope, cluster: str, service: str) -> Autoscaling | None:
    """Return the bounds of a service and what is suspended, None for one that nobody scales; one call.

    IAM: application-autoscaling:DescribeScalableTargets.
    """
    named = {"ServiceNamespace": "ecs", "ScalableDimension": DIMENSION}
    answer = read(
        scope,
        "application-autoscaling",
        "describe_scalable_targets",
        ResourceIds=[resource_id(cluster, service)],
        **named,
    )
    target = next(iter(answer.get("ScalableTargets") or []), None)
    if target is None:
        return None
    state = target.get("SuspendedState") or {}
    suspended = tuple(name for name in SWITCHES if state.get(name))
    return Autoscaling(int(target.get("MinCapacity") or 0), int(target.get("MaxCapacity") or 0), suspended)


def describe(scope: Scope, cluster: str, service: str) -> Autoscaling | None:
    """Return the bounds with policies, scheduled actions and the newest activities; four calls.

    IAM: application-autoscaling:DescribeScalableTargets, DescribeScalingPolicies, DescribeScheduledActions,
    DescribeScalingActivities.
    """
    found = bounds(scope, cluster, service)
    if found is None:
        return None
    named = {
        "ServiceNamespace": "ecs",
        "ScalableDimension": DIMENSION,
        "ResourceId": resource_id(cluster, service),
    }
    policies = read(scope, "application-autoscaling", "describe_scaling_policies", **named)
    actions = read(scope, "application-autoscaling", "describe_scheduled_actions", **named)
    done = read(
        scope, "application-autoscaling", "describe_scaling_activities", MaxResults=ACTIVITIES, **named
    )
    return Autoscaling(
        found.least,
        found.most,
        found.suspended,
        tuple(policy_of(item) for item in policies.get("ScalingPolicies") or []),
        tuple(action_of(item) for item in actions.get("ScheduledActions") or []),
        tuple(activity_of(item) for item in (done.get("ScalingActivities") or [])[:ACTIVITIES]),
    )


def policy_of(item: dict[str, Any]) -> Policy:
    tracking = item.get("TargetTrackingScalingPolicyConfiguration") or {}
    predefined = tracking.get("PredefinedMetricSpecification") or {}
    custom = tracking.get("CustomizedMetricSpecification") or {}
    target = tracking.get("TargetValue")
    return Policy(
        str(item.get("PolicyName") or ""),
        str(item.get("PolicyType") or ""),
        str(predefined.get("PredefinedMetricType") or custom.get("MetricName") or ""),
        None if target is None else float(target),
    )


def action_of(item: dict[str, Any]) -> ScheduledAction:
    limits = item.get("ScalableTargetAction") or {}
    return ScheduledAction(
        str(item.get("ScheduledActionName") or ""),
        str(item.get("Schedule") or ""),
        str(item.get("Timezone") or ""),
        limits.get("MinCapacity"),
        limits.get("MaxCapacity"),
    )


def activity_of(item: dict[str, Any]) -> Activity:
    return Activity(
        item["StartTime"],
        str(item.get("Description") or ""),
        str(item.get("Cause") or ""),
        str(item.get("StatusCode") or ""),
    )
