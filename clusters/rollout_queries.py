"""Gathers one rollout from samples, tasks, events and the service deployment, for the flight recorder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from statistics import median
from typing import Any

from clusters.models import RolloutSample, Service, ServiceDeployment, Task, TaskDefinition
from clusters.recorder import Failure, Moment, Recording, Rollout, draw
from clusters.service_view import Breaker, revision_names
from clusters.spans import parse_time, spell
from clusters.task_rows import TaskRow

# More points than this are finer than a pixel; a longer rollout is thinned, not cut.
SAMPLES_DRAWN = 400
# How many past rollouts tell what is usual.
PAST_ROLLOUTS = 10


class RolloutReader:
    """Reads the latest rollout of a service in three queries."""

    def __init__(
        self,
        service: Service,
        primary: Mapping[str, Any],
        deployment: ServiceDeployment | None,
        past: Sequence[ServiceDeployment],
        tasks: Sequence[Task],
        failures: Sequence[TaskRow],
        breaker: Breaker,
    ) -> None:
        self.service = service
        self.primary = primary
        self.deployment = deployment
        self.past = past
        self.own_tasks = [task for task in tasks if task.started_by == primary.get("id")]
        self.failures = failures
        self.breaker = breaker
        self.desired = int(primary.get("desiredCount") or service.desired_count)
        self.outgoing, self.incoming = revision_names(service.facts)

    def draw(self, now: datetime, last_read_at: datetime | None = None) -> Recording | None:
        """Draw the rollout, as it was last seen when it can no longer be read; None when too little of it was seen."""
        started = parse_time(self.primary.get("createdAt"))
        if started is None or len(self.samples) < 2:
            return None
        configuration = self.service.facts.get("deploymentConfiguration") or {}
        rollout = Rollout(
            outgoing=self.outgoing,
            incoming=self.incoming,
            started_at=started,
            finished_at=self.finished_at,
            desired=self.desired,
            minimum_percent=configuration.get("minimumHealthyPercent"),
            samples=self.samples,
            moments=self.moments(started),
            failures=[
                Failure(row.task.stopped_at or row.task.changed_at, row.short_id, row.task.exit_code)
                for row in self.failures
            ],
            usual=self.usual,
            outlook=self.outlook,
            last_read_at=last_read_at,
        )
        return draw(rollout, now)

    @cached_property
    def samples(self) -> list[RolloutSample]:
        rows = RolloutSample.objects.filter(service=self.service, deployment_id=self.primary.get("id") or "")
        samples = list(rows.order_by("at"))
        step = len(samples) // SAMPLES_DRAWN + 1
        # The last one is what the page shows beside the plot, so thinning never drops it.
        return samples if step == 1 else [*samples[:-1:step], samples[-1]]

    @property
    def finished_at(self) -> datetime | None:
        """Return when ECS ended the rollout, None while it runs."""
        if self.deployment and self.deployment.finished_at:
            return self.deployment.finished_at
        if self.primary.get("rolloutState") in ("COMPLETED", "FAILED"):
            return parse_time(self.primary.get("updatedAt")) or self.samples[-1].at
        return None

    def moments(self, started: datetime) -> list[Moment]:
        """Return the milestones in the order in which a rollout passes them."""
        running = [
            task.started_at
            for task in [*self.own_tasks, *(row.task for row in self.failures)]
            if task.started_at
        ]
        note = f"usually {spell(self.usual)} in total" if self.usual and not self.steady_at else ""
        moments = [
            self.registered(),
            Moment("UpdateService accepted", started),
            Moment("First task running", min(running, default=None)),
        ]
        if self.service.facts.get("loadBalancers"):
            moments.append(Moment("First target registered", self.first_target(started)))
        return [
            *moments,
            Moment("50% running", self.halfway(started)),
            Moment("Steady state", self.steady_at, note),
        ]

    def registered(self) -> Moment:
        """Return when and by whom the incoming task definition was registered."""
        definition = TaskDefinition.objects.filter(arn=self.primary.get("taskDefinition") or "").first()
        by = str(definition.facts.get("registeredBy") or "").rpartition("/")[2] if definition else ""
        at = definition.registered_at if definition else None
        return Moment(f"Task definition {self.incoming} registered", at, f"by {by}" if by else "")

    def halfway(self, started: datetime) -> datetime | None:
        half = (self.desired + 1) // 2
        reached = (s.at for s in self.samples if half and s.at >= started and s.incoming_running >= half)
        return next(reached, None)

    def first_target(self, started: datetime) -> datetime | None:
        events = self.service.events.filter(created_at__gte=started, message__contains=" registered ")
        return events.order_by("created_at").values_list("created_at", flat=True).first()

    @property
    def steady_at(self) -> datetime | None:
        """Return when the rollout reached steady state; one that was rolled back never did."""
        if self.primary.get("rolloutState") != "COMPLETED":
            return None
        if self.deployment and self.deployment.status == "SUCCESSFUL":
            return self.deployment.finished_at
        return parse_time(self.primary.get("updatedAt"))

    @cached_property
    def usual(self) -> timedelta | None:
        """Return the median length of the successful rollouts before this one."""
        lengths = [
            (row.finished_at - (row.started_at or row.created_at)).total_seconds()
            for row in self.past
            if row.finished_at and row.status == "SUCCESSFUL" and row != self.deployment
        ]
        return timedelta(seconds=median(lengths)) if lengths else None

    @property
    def outlook(self) -> str:
        """Say what the circuit breaker will do next, when there are failures for it to count."""
        left = self.breaker.left
        if not self.breaker.is_on or left is None or not self.breaker.failures:
            return ""
        end = "rolls back" if self.breaker.rolls_back else "stops the rollout"
        if left == 0:
            return f"The circuit breaker {end}"
        return f"{left} more {'failure' if left == 1 else 'failures'} and the circuit breaker {end}"
