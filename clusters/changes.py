"""What a read changed, and the nudges that follow from it."""

from __future__ import annotations

from dataclasses import dataclass, field

from live.bus import publish_on_commit

# Names in one entry of the bus.
MOST_NUDGES = 200


@dataclass(slots=True)
class Changes:
    """Primary keys of what changed; the parts of a service are kept apart because pages show them apart."""

    clusters: set[int] = field(default_factory=set)
    services: set[int] = field(default_factory=set)
    tasks_of: set[int] = field(default_factory=set)
    events_of: set[int] = field(default_factory=set)
    deployments_of: set[int] = field(default_factory=set)
    tasks: set[int] = field(default_factory=set)

    def __bool__(self) -> bool:
        return any(
            (
                self.clusters,
                self.services,
                self.tasks_of,
                self.events_of,
                self.deployments_of,
                self.tasks,
            )
        )

    def add(self, other: Changes) -> None:
        """Take over what another read changed."""
        self.clusters |= other.clusters
        self.services |= other.services
        self.tasks_of |= other.tasks_of
        self.events_of |= other.events_of
        self.deployments_of |= other.deployments_of
        self.tasks |= other.tasks

    @property
    def touched_services(self) -> set[int]:
        """Return the services whose status or row may look different now."""
        return self.services | self.tasks_of | self.events_of | self.deployments_of

    @property
    def topics(self) -> list[str]:
        """Return the names of what to nudge, the most general first."""
        fleet = ["fleet"] if self.clusters or self.services or self.tasks_of else []
        groups = (
            ("cluster", self.clusters),
            ("service", self.services),
            ("service-tasks", self.tasks_of),
            ("service-events", self.events_of),
            ("service-deployments", self.deployments_of),
            ("task", self.tasks),
        )
        return fleet + [f"{kind}:{pk}" for kind, pks in groups for pk in sorted(pks)]

    def publish(self) -> None:
        """Nudge the watchers once the transaction is committed."""
        topics = self.topics
        for start in range(0, len(topics), MOST_NUDGES):
            publish_on_commit(*topics[start : start + MOST_NUDGES])
