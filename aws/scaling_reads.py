"""Reads of Application Auto Scaling: who else sets a service's desired count."""

from __future__ import annotations

from dataclasses import dataclass

from aws.calls import read
from aws.scope import Scope

DESIRED = "ecs:service:DesiredCount"


@dataclass(frozen=True, slots=True)
class Scaled:
    """The bounds within which a service is scaled, by which policies, and what is suspended."""

    least: int
    most: int
    policies: tuple[str, ...]
    suspended: tuple[str, ...]


def scaled(scope: Scope, cluster: str, service: str) -> Scaled | None:
    """Return how a service is scaled, None for one that nobody scales; one or two calls.

    IAM: application-autoscaling:DescribeScalableTargets, application-autoscaling:DescribeScalingPolicies.
    """
    resource = f"service/{cluster}/{service}"
    of_ecs = {"ServiceNamespace": "ecs", "ScalableDimension": DESIRED}
    answer = read(
        scope, "application-autoscaling", "describe_scalable_targets", ResourceIds=[resource], **of_ecs
    )
    targets = answer.get("ScalableTargets") or []
    if not targets:
        return None
    found = read(scope, "application-autoscaling", "describe_scaling_policies", ResourceId=resource, **of_ecs)
    target = targets[0]
    state = target.get("SuspendedState") or {}
    return Scaled(
        int(target.get("MinCapacity") or 0),
        int(target.get("MaxCapacity") or 0),
        tuple(str(item.get("PolicyName", "")) for item in found.get("ScalingPolicies") or []),
        tuple(sorted(name for name, is_off in state.items() if is_off)),
    )
