"""The world: every account's ECS, moved by one clock and one seed."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox import dumping, history, lifecycle, model, rollout
from sandbox.announce import Listener
from sandbox.clock import Clock
from sandbox.history import PastDeployment
from sandbox.names import Identifiers, parse_arn
from sandbox.operations import Context, handler_of
from sandbox.ports import ApiError, Caller, Surroundings
from sandbox.state import Region, Task
from sandbox.troubles import Troubles

STOP_CODES = (
    "TaskFailedToStart",
    "EssentialContainerExited",
    "UserInitiated",
    "ServiceSchedulerInitiated",
    "SpotInterruption",
    "TerminationNotice",
    "InfrastructureHealth",
)
# AWS's own default for a target group's deregistration delay.
DEREGISTRATION_DELAY = 300.0


class World:
    """ECS of all accounts and regions; the same seed and the same calls give the same world.

    `log_interval` is the mean number of world seconds between the request lines of a task; None writes none, so
    that quiet fleets cost nothing. `deregistration_delays` overrides the default by target group ARN.
    """

    def __init__(
        self,
        surroundings: Surroundings,
        *,
        seed: int = 7,
        start: datetime | None = None,
        log_interval: float | None = 20.0,
        deregistration_delay: float = DEREGISTRATION_DELAY,
    ) -> None:
        self.lock = threading.RLock()
        self.surroundings = surroundings
        self.clock = Clock(start or datetime.now(UTC))
        self.rng = random.Random(seed)
        self.ids = Identifiers(self.rng)
        self.log_interval = log_interval
        self.deregistration_delay = deregistration_delay
        self.deregistration_delays: dict[str, float] = {}
        self.capacity_shortage: set[tuple[str, str]] = set()
        self.troubles = Troubles()
        # ARNs of Lambda functions that answer as failed when a deployment's lifecycle hook calls them.
        self.failing_hooks: set[str] = set()
        # Called with every change that ECS would announce to EventBridge.
        self.listeners: list[Listener] = []
        # Says which of the named alarms of an account's region are in ALARM; what is around ECS puts its own here.
        self.alarms_in_alarm: Callable[[str, str, Iterable[str]], set[str]] = lambda *_: set()
        self.regions: dict[tuple[str, str], Region] = {}

    @property
    def now(self) -> datetime:
        """World time."""
        return self.clock.now

    def region(self, account_id: str, name: str) -> Region:
        """Return what an account has in a region, made on first use."""
        key = (account_id, name)
        if key not in self.regions:
            self.regions[key] = Region(account_id, name)
        return self.regions[key]

    def call(self, caller: Caller, operation: str, params: dict[str, Any]) -> dict[str, Any]:
        """Run one ECS operation and return its output members; raises ApiError as AWS answers errors."""
        checked = model.read_input(operation, params)
        handler = handler_of(operation)
        with self.lock:
            context = Context(self, caller, self.region(caller.account_id, caller.region))
            output: dict[str, Any] = model.without_nulls(handler(context, checked))
            return output

    def advance(self, seconds: float) -> None:
        """Move world time on, running every event that falls due, in order."""
        self.advance_to(self.now + timedelta(seconds=seconds))

    def advance_to(self, at: datetime) -> None:
        """Move world time on to a moment; one in the past changes nothing."""
        with self.lock:
            self.clock.advance_to(at)

    def find_task(self, task_arn: str) -> Task | None:
        """Return a task by its ARN in whichever account and region it is."""
        arn = parse_arn(task_arn)
        if arn is None or arn.kind != "task" or len(arn.path) != 2:
            return None
        region = self.regions.get((arn.account_id, arn.region))
        cluster = region.clusters.get(arn.path[0]) if region else None
        return cluster.tasks.get(arn.path[1]) if cluster else None

    def stop_task(self, task_arn: str, *, stop_code: str, reason: str) -> None:
        """Stop a task for a cause outside the API: a Spot interruption, a lost host."""
        if stop_code not in STOP_CODES:
            raise ApiError("InvalidParameterException", f"{stop_code} is not one of {', '.join(STOP_CODES)}.")
        with self.lock:
            task = self.find_task(task_arn)
            if task is None:
                raise ApiError("InvalidParameterException", "The referenced task was not found.")
            lifecycle.stop(self, task, code=stop_code, reason=reason)

    def raise_alarm(self, account_id: str, region: str, alarm: str) -> None:
        """Let a CloudWatch alarm go off: deployments that it watches fail, and roll back if they are to."""
        with self.lock:
            for cluster in self.region(account_id, region).clusters.values():
                for service in cluster.services.values():
                    rollout.raise_alarm(self, service, alarm)

    def settle(
        self, caller: Caller, cluster: str, service: str, *, running_since: datetime | None = None
    ) -> None:
        """Bring a newly created service straight to its steady state, its tasks RUNNING since a moment."""
        with self.lock:
            region = self.region(caller.account_id, caller.region)
            history.settle(self, region, cluster, service, running_since or self.now)

    def import_history(
        self, caller: Caller, cluster: str, service: str, deployments: Sequence[PastDeployment]
    ) -> None:
        """Give a service finished deployments that lie before its present one, without simulating them."""
        with self.lock:
            region = self.region(caller.account_id, caller.region)
            history.import_history(self, region, cluster, service, deployments)

    def backdate_service(self, caller: Caller, cluster: str, service: str, *, created_at: datetime) -> None:
        """Give a service an earlier moment of creation."""
        with self.lock:
            region = self.region(caller.account_id, caller.region)
            history.service_of(region, cluster, service).created_at = created_at

    def dump(self) -> dict[str, Any]:
        """Describe the whole world as plain data."""
        with self.lock:
            return dumping.dump(self)
