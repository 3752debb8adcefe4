"""What bounds the count of a service, who else sets it, and in which order bounds and count are moved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aws import autoscaling
from aws.autoscaling import DIMENSION, SWITCHES, Autoscaling
from aws.errors import AwsError
from clusters.models import Service
from clusters.queries import scope_of

if TYPE_CHECKING:
    from deployments.running import Run

Document = dict[str, Any]
UPDATE, WIDEN, NARROW = "update", "widen", "narrow"


@dataclass(frozen=True, slots=True)
class ScaleFacts:
    """The counts now, and the bounds that ECS keeps while tasks are replaced."""

    desired: int
    running: int
    pending: int
    minimum_percent: int | None
    maximum_percent: int | None


def scale_facts(service: Service) -> ScaleFacts:
    """Return the counts and percentages of a service."""
    configuration = service.facts.get("deploymentConfiguration") or {}
    return ScaleFacts(
        service.desired_count,
        service.running_count,
        service.pending_count,
        configuration.get("minimumHealthyPercent"),
        configuration.get("maximumPercent"),
    )


def autoscaling_of(service: Service) -> tuple[Autoscaling | None, str]:
    """Return who else scales a service, and why that is not known; four calls to AWS."""
    try:
        return autoscaling.describe(scope_of(service), service.cluster.name, service.name), ""
    except AwsError as error:
        return None, f"{error} {error.hint}"


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds and whether scaling is suspended, as they are or are to be."""

    least: int
    most: int
    is_suspended: bool

    @property
    def text(self) -> str:
        return f"{self.least} to {self.most}{', suspended' if self.is_suspended else ''}"


def limits_of(found: Autoscaling | None) -> Limits | None:
    return Limits(found.least, found.most, found.is_suspended) if found else None


def limits_from(seen: Any) -> Limits | None:
    """Return the limits that a spec says were seen when it was asked."""
    return Limits(int(seen[0]), int(seen[1]), bool(seen[2])) if seen else None


def bounds_moved(run: Run) -> str:
    """Say that the bounds are not those that the plan was made upon, empty when they are or none were known.

    DescribeServices does not tell them, so they are asked for: one call to AWS for a change that saw some.
    IAM: application-autoscaling:DescribeScalableTargets.
    """
    seen = limits_from(run.change.spec.get("seen"))
    if seen is None:
        return ""
    found = limits_of(run.gateway.autoscaling())
    if found == seen:
        return ""
    now = found.text if found else "none"
    return f"The autoscaler's bounds were {seen.text} when this was asked and are {now} now."


def wanted_limits(seen: Limits, spec: Mapping[str, Any]) -> Limits:
    """Return the limits that are to stand in the end."""
    return Limits(
        spec.get("min_capacity", seen.least),
        spec.get("max_capacity", seen.most),
        spec.get("suspend", seen.is_suspended),
    )


def ordered_moves(
    desired: int, seen: Limits | None, spec: Mapping[str, Any]
) -> list[tuple[str, Limits | None]]:
    """Return the moves in the order in which nothing flaps: widen or suspend, set the count, narrow or resume.

    A count outside the bounds would be undone at once, and so would be the old count inside new, narrower ones.
    """
    moves: list[tuple[str, Limits | None]] = []
    now = seen
    if seen is not None:
        wanted = wanted_limits(seen, spec)
        wide = Limits(
            min(seen.least, wanted.least),
            max(seen.most, wanted.most),
            seen.is_suspended or wanted.is_suspended,
        )
        # Where the count stays, one call brings the bounds to where they are to be.
        first = wanted if desired == spec["desired_count"] else wide
        if first != seen:
            moves.append((WIDEN, first))
            now = first
    if desired != spec["desired_count"]:
        moves.append((UPDATE, None))
    if seen is not None and now != (wanted := wanted_limits(seen, spec)):
        moves.append((NARROW, wanted))
    return moves


def register_params(cluster: str, service: str, limits: Limits, before: Limits) -> Document:
    """Return RegisterScalableTarget's parameters; suspension is named only when it changes."""
    params: Document = {
        "ServiceNamespace": "ecs",
        "ResourceId": autoscaling.resource_id(cluster, service),
        "ScalableDimension": DIMENSION,
        "MinCapacity": limits.least,
        "MaxCapacity": limits.most,
    }
    if limits.is_suspended != before.is_suspended:
        params["SuspendedState"] = dict.fromkeys(SWITCHES, limits.is_suspended)
    return params


def who_undoes(found: Autoscaling, wanted: int, limits: Limits) -> list[str]:
    """Say in sentences what would change a count again under the limits that are to stand."""
    if limits.is_suspended:
        return []
    said = []
    if wanted < limits.least:
        said.append(f"The minimum is {limits.least}: Application Auto Scaling raises {wanted} to it at once.")
    if wanted > limits.most:
        said.append(f"The maximum is {limits.most}: Application Auto Scaling lowers {wanted} to it at once.")
    if found.moves_by_itself:
        said += [
            f"{policy.words}, and changes the count when the load asks for it." for policy in found.policies
        ]
    if autoscaling.SCHEDULED not in found.suspended:
        said += [f"{action.words}." for action in found.actions]
    return said
