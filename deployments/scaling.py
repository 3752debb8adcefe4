"""What bounds the count of a service, and what a count would mean."""

from __future__ import annotations

from dataclasses import dataclass

from clusters.models import Service


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
