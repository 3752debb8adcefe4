"""Gathers one rollout from samples, tasks, events and the service deployment, for the flight recorder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from django.db.models import QuerySet
from django.utils import timezone

from clusters.estimates import Estimate, estimate
from clusters.models import RolloutSample, Service, ServiceDeployment, Task, TaskDefinition
from clusters.recorder import Failure, Moment, Recording, Rollout, draw
from clusters.rollout_subject import Subject
from clusters.service_view import Breaker
from clusters.strip import revision_of
from clusters.task_rows import TaskRow

# More points than this are finer than a pixel; a longer rollout is thinned, not cut.
SAMPLES_DRAWN = 400
# How many past rollouts are looked at for what is usual.
PAST_ROLLOUTS = 20
# ECS's clock and the poller's differ a little, and the last sample is taken after the end.
MARGIN = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Counts:
    """The counts of one moment, with the sides of the rollout as a whole."""

    at: datetime
    outgoing_running: int
    incoming_running: int
    desired: int


class RolloutReader:
    """Reads the rollout that a page is about, in three queries."""

    def __init__(
        self,
        service: Service,
        subject: Subject,
        past: Sequence[ServiceDeployment],
        tasks: Sequence[Task],
        failures: Sequence[TaskRow],
        breaker: Breaker,
    ) -> None:
        self.service = service
        self.subject = subject
        self.past = past
        self.own_tasks = [task for task in tasks if task.started_by == subject.incoming_id]
        self.failures = failures
        self.breaker = breaker
        self.desired = int(subject.primary.get("desiredCount") or service.desired_count)
        self.outgoing, self.incoming = revision_of(subject.outgoing_arn), revision_of(subject.incoming_arn)

    def draw(self, now: datetime, last_read_at: datetime | None = None) -> Recording | None:
        """Draw the rollout, as it was last seen when it can no longer be read; None when too little was seen."""
        started = self.subject.started_at
        if started is None or len(self.samples) < 2:
            return None
        configuration = self.service.facts.get("deploymentConfiguration") or {}
        rollout = Rollout(
            outgoing=self.outgoing,
            incoming=self.incoming,
            started_at=started,
            finished_at=self.subject.finished_at,
            desired=self.desired,
            minimum_percent=configuration.get("minimumHealthyPercent"),
            samples=self.samples,
            moments=self.moments(started),
            failures=[
                Failure(row.task.stopped_at or row.task.changed_at, row.short_id, row.task.exit_code)
                for row in self.failures
            ],
            usual=self.estimate.usual,
            outlook=self.outlook,
            last_read_at=last_read_at,
        )
        return draw(rollout, now)

    @cached_property
    def samples(self) -> list[Counts]:
        """Return the counts of the rollout, thinned where it was long."""
        rows = list(self.sample_rows().order_by("at"))
        step = len(rows) // SAMPLES_DRAWN + 1
        # The last one is what the page shows beside the plot, so thinning never drops it.
        kept = rows if step == 1 else [*rows[:-1:step], rows[-1]]
        return [self.counts_of(row) for row in kept]

    def sample_rows(self) -> QuerySet[RolloutSample]:
        until = (self.subject.finished_at or timezone.now()) + MARGIN
        since = (self.subject.started_at or until) - MARGIN
        rows = RolloutSample.objects.filter(service=self.service, at__gte=since, at__lte=until)
        # A rollback makes the old deployment PRIMARY again, so that one rollout has samples under two ids.
        return rows if self.subject.is_rollback else rows.filter(deployment_id=self.subject.primary_id)

    def counts_of(self, row: RolloutSample) -> Counts:
        """Return a sample with the rollout's own sides: while it is rolled back, PRIMARY is what goes out."""
        outgoing, incoming = row.outgoing_running, row.incoming_running
        if self.subject.is_rollback and row.deployment_id == self.subject.primary_id:
            outgoing, incoming = incoming, outgoing
        return Counts(row.at, outgoing, incoming, row.desired)

    def moments(self, started: datetime) -> list[Moment]:
        """Return the milestones in the order in which a rollout passes them."""
        running = [
            task.started_at
            for task in [*self.own_tasks, *(row.task for row in self.failures)]
            if task.started_at
        ]
        moments = [
            self.registered(),
            Moment("UpdateService accepted", started),
            Moment("First task running", min(running, default=None)),
        ]
        if self.service.facts.get("loadBalancers"):
            moments.append(Moment("First target registered", self.first_target(started)))
        return [*moments, Moment("50% running", self.halfway(started)), self.end()]

    def end(self) -> Moment:
        """Return how the rollout ends, or is usually over."""
        if self.subject.is_rollback:
            return Moment(f"Rolled back to {self.outgoing}", self.subject.finished_at)
        steady_at = self.steady_at
        note = f"usually {self.estimate.span} in total" if self.estimate.is_known and not steady_at else ""
        return Moment("Steady state", steady_at, note)

    def registered(self) -> Moment:
        """Return when and by whom the incoming task definition was registered."""
        definition = TaskDefinition.objects.filter(arn=self.subject.incoming_arn).first()
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
        """Return when the rollout reached steady state; one that failed never did."""
        return self.subject.finished_at if self.subject.primary.get("rolloutState") == "COMPLETED" else None

    @cached_property
    def estimate(self) -> Estimate:
        """Return how long the rollouts like this took that succeeded before it."""
        strategy = str((self.service.facts.get("deploymentConfiguration") or {}).get("strategy") or "")
        return estimate([row for row in self.past if row != self.subject.deployment], strategy)

    @property
    def outlook(self) -> str:
        """Say what the circuit breaker will do next, when there are failures for it to count."""
        left = self.breaker.left
        if self.subject.is_rollback or not self.breaker.is_on or left is None or not self.breaker.failures:
            return ""
        end = "rolls back" if self.breaker.rolls_back else "stops the rollout"
        if left == 0:
            return f"The circuit breaker {end}"
        return f"{left} more {'failure' if left == 1 else 'failures'} and the circuit breaker {end}"
