"""The status vocabulary of a service: what people see, in the order in which the first match wins."""

from __future__ import annotations

from django.db import models


class Status(models.TextChoices):
    """A service's status, derived from ECS facts by `clusters.health`."""

    UNKNOWN = "unknown", "Unknown"
    FAILED = "failed", "Failed"
    DEGRADED = "degraded", "Degraded"
    DEPLOYING = "deploying", "Deploying"
    ZERO = "zero", "Scaled to zero"
    STEADY = "steady", "Steady"

    @property
    def glyph(self) -> str:
        """Return the id of its shape in the sprite."""
        return "s-stale" if self is Status.UNKNOWN else f"s-{self.value}"

    @property
    def css(self) -> str:
        """Return the class that carries its colour."""
        return "stale" if self is Status.UNKNOWN else str(self.value)


# Worst first; what a person must look at comes before what runs by itself.
ATTENTION = (Status.FAILED, Status.DEGRADED)
SEVERITY = {
    Status.FAILED: 0,
    Status.DEGRADED: 1,
    Status.UNKNOWN: 2,
    Status.DEPLOYING: 3,
    Status.ZERO: 4,
    Status.STEADY: 5,
}
