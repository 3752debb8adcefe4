"""The rollout strip: one cell is one task, outgoing revision left, incoming right. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from clusters.models import Service, Task
from clusters.status import Status

ONE_ROW_CELLS = 18
TWO_ROW_CELLS = 60
FAILED_CELLS = 10
PENDING_STATES = frozenset({"PROVISIONING", "PENDING", "ACTIVATING"})
DRAINING_STATES = frozenset({"DEACTIVATING", "STOPPING", "DEPROVISIONING"})
FAILURE_CODES = frozenset({"TaskFailedToStart", "EssentialContainerExited"})


class CellKind(StrEnum):
    """What a cell shows; the value is its classes in the stylesheet. The order is the order in a side."""

    HEALTHY = "run ok"
    RUNNING = "run"
    SICK = "sick"
    PENDING = "pend"
    DRAINING = "drain"
    FAILED = "fail"
    SLOT = "slot"
    UNKNOWN = "unk"


ORDER = {kind: place for place, kind in enumerate(CellKind)}
WORDS = {
    CellKind.HEALTHY: "running and healthy",
    CellKind.RUNNING: "running",
    CellKind.SICK: "unhealthy",
    CellKind.PENDING: "pending",
    CellKind.DRAINING: "draining",
    CellKind.FAILED: "failed",
    CellKind.SLOT: "not placed",
    CellKind.UNKNOWN: "not known",
}
# Fills of the proportional bar, by side.
OUTGOING_FILLS = {CellKind.HEALTHY: "out", CellKind.RUNNING: "out"}
INCOMING_FILLS = {CellKind.HEALTHY: "inc", CellKind.RUNNING: "inc"}
ALIVE = frozenset({CellKind.HEALTHY, CellKind.RUNNING, CellKind.SICK, CellKind.PENDING})


@dataclass(frozen=True, slots=True)
class Cell:
    """One task, or a place where one should be; `task_id` is empty where only ECS's counts are known."""

    kind: CellKind
    task_id: str = ""
    exit_code: int | None = None

    @property
    def css(self) -> str:
        return str(self.kind)

    @property
    def word(self) -> str:
        return WORDS[self.kind]


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of the proportional bar, in percent of its width."""

    fill: str
    x: str
    width: str


@dataclass(frozen=True, slots=True)
class Strip:
    """Both sides of a rollout; with one revision only one side has cells."""

    outgoing: tuple[Cell, ...]
    incoming: tuple[Cell, ...]
    outgoing_revision: str
    incoming_revision: str
    more_failed: int
    is_stale: bool

    @property
    def cells(self) -> tuple[Cell, ...]:
        return self.outgoing + self.incoming

    @property
    def form(self) -> str:
        """Return how the small strip is drawn: "one" row, "two" rows, or a "bar"."""
        count = len(self.cells)
        return "one" if count <= ONE_ROW_CELLS else "two" if count <= TWO_ROW_CELLS else "bar"

    @property
    def outgoing_words(self) -> str:
        return spoken_side(self.outgoing, 0 if self.incoming else self.more_failed)

    @property
    def incoming_words(self) -> str:
        return spoken_side(self.incoming, self.more_failed)

    @property
    def spoken(self) -> str:
        """Return the sum that a screen reader says instead of the picture."""
        if self.outgoing and self.incoming:
            text = f"Outgoing: {self.outgoing_words}. Incoming: {self.incoming_words}."
        elif self.cells:
            text = f"{self.incoming_words if self.incoming else self.outgoing_words}."
        else:
            text = "No tasks."
        return f"As last seen: {text}" if self.is_stale else text

    @property
    def segments(self) -> list[Segment]:
        """Return the proportional bar: the same order and fills, a cut between the sides."""
        parts = fills_of(self.outgoing, OUTGOING_FILLS)
        if self.outgoing and self.incoming:
            parts.append(("cut", max(1, len(self.cells)) / 150))
        parts += fills_of(self.incoming, INCOMING_FILLS)
        total = sum(size for _, size in parts) or 1
        segments, start = [], 0.0
        for fill, size in parts:
            width = 100 * size / total
            segments.append(Segment(fill, f"{start:.2f}%", f"{width:.2f}%"))
            start += width
        return segments


def fills_of(cells: Iterable[Cell], fills: Mapping[CellKind, str]) -> list[tuple[str, float]]:
    """Return the bar's fills and sizes for one side, neighbours of the same fill as one."""
    sizes: Counter[str] = Counter()
    for cell in cells:
        sizes[fills.get(cell.kind, cell.css)] += 1
    return [(fill, float(size)) for fill, size in sizes.items()]


def spoken_side(cells: Sequence[Cell], more_failed: int) -> str:
    """Say a side in counts and words, "9 running and healthy, 1 draining"."""
    counts = Counter(cell.kind for cell in cells)
    if more_failed:
        counts[CellKind.FAILED] += more_failed
    return ", ".join(f"{counts[kind]} {WORDS[kind]}" for kind in CellKind if counts[kind])


def kind_of(task: Task, has_health_checks: bool) -> CellKind | None:
    """Return what a task's cell shows, None for a task that ended in order."""
    if task.last_status == "STOPPED":
        return CellKind.FAILED if has_failed(task) else None
    if task.last_status in PENDING_STATES and task.desired_status != "STOPPED":
        return CellKind.PENDING
    if task.last_status in DRAINING_STATES or task.desired_status == "STOPPED":
        return CellKind.DRAINING
    if task.last_status != "RUNNING":
        return CellKind.UNKNOWN
    if task.health_status == "UNHEALTHY":
        return CellKind.SICK
    # ECS says UNKNOWN both before the first check and where no check is defined.
    return CellKind.RUNNING if task.health_status != "HEALTHY" and has_health_checks else CellKind.HEALTHY


def has_failed(task: Task) -> bool:
    """Whether a stopped task ended against the will of its service."""
    if task.stop_code in FAILURE_CODES:
        return True
    # A task that fails its health checks is stopped by the scheduler, like one that scaling removes.
    return task.stop_code == "ServiceSchedulerInitiated" and "health checks" in task.stopped_reason


def strip_of(service: Service, tasks: Sequence[Task], *, is_stale: bool = False) -> Strip:
    """Return the strip of a service from its deployments and its known tasks."""
    deployments: list[dict[str, Any]] = service.facts.get("deployments") or []
    new = incoming_deployment(deployments)
    old = [deployment for deployment in deployments if deployment is not new]
    new_id = new.get("id", "") if new else ""
    is_over = len(deployments) <= 1 and (new is None or new.get("rolloutState") in {"COMPLETED", None, ""})
    checks = any(task.health_status in {"HEALTHY", "UNHEALTHY"} for task in tasks)

    sides: dict[bool, list[Task]] = {True: [], False: []}
    for task in tasks:
        sides[is_over or task.started_by == new_id].append(task)
    incoming, hidden = side_cells(sides[True], [new] if new else [], checks, keep_failed=not is_over)
    outgoing, _ = side_cells(sides[False], old, checks, keep_failed=False)
    missing = service.desired_count - sum(cell.kind in ALIVE for cell in outgoing + incoming)
    incoming += [Cell(CellKind.SLOT)] * min(max(0, missing), service.desired_count)

    stale = is_stale or service.status == Status.UNKNOWN
    new_revision = revision_of(new.get("taskDefinition", "") if new else service.task_definition_arn)
    if is_over:
        return Strip(tuple(incoming), (), new_revision, "", hidden, stale)
    old_revision = revision_of(old[-1].get("taskDefinition", "")) if old else ""
    return Strip(tuple(outgoing), tuple(incoming), old_revision, new_revision, hidden, stale)


def incoming_deployment(deployments: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the deployment whose tasks come in: one that failed and is being backed out, else PRIMARY."""
    for deployment in deployments:
        if deployment.get("rolloutState") == "FAILED":
            return deployment
    primary = [deployment for deployment in deployments if deployment.get("status") == "PRIMARY"]
    return primary[0] if primary else None


def side_cells(
    tasks: Sequence[Task],
    deployments: Sequence[dict[str, Any]],
    has_health_checks: bool,
    *,
    keep_failed: bool,
) -> tuple[list[Cell], int]:
    """Return a side's cells in order, and how many failed tasks are not drawn."""
    ordered = sorted(tasks, key=lambda task: (task.created_at is None, task.created_at, task.task_id))
    kinds = [(kind, task) for task in ordered if (kind := kind_of(task, has_health_checks)) is not None]
    cells = [Cell(kind, task.task_id, task.exit_code) for kind, task in kinds if kind != CellKind.FAILED]
    cells += counted_cells(cells, deployments)
    failed = [Cell(kind, task.task_id, task.exit_code) for kind, task in kinds if kind == CellKind.FAILED]
    failed_count = max(len(failed), sum(deployment.get("failedTasks") or 0 for deployment in deployments))
    failed = failed[-FAILED_CELLS:] if keep_failed else []
    if keep_failed:
        failed += [Cell(CellKind.FAILED)] * (min(failed_count, FAILED_CELLS) - len(failed))
    cells.sort(key=lambda cell: ORDER[cell.kind])
    return cells + failed, failed_count - len(failed) if keep_failed else 0


def counted_cells(known: Sequence[Cell], deployments: Sequence[dict[str, Any]]) -> list[Cell]:
    """Return cells for tasks that ECS counts and whose details were not read yet."""
    running = sum(deployment.get("runningCount") or 0 for deployment in deployments)
    pending = sum(deployment.get("pendingCount") or 0 for deployment in deployments)
    running -= sum(cell.kind in {CellKind.HEALTHY, CellKind.RUNNING, CellKind.SICK} for cell in known)
    pending -= sum(cell.kind == CellKind.PENDING for cell in known)
    # A task read a moment later may have moved from one count to the other; it is one task.
    if running < 0:
        pending += running
    return [Cell(CellKind.RUNNING)] * max(0, running) + [Cell(CellKind.PENDING)] * max(0, pending)


def revision_of(task_definition_arn: str) -> str:
    """Return `:214` of a task definition ARN."""
    number = task_definition_arn.rsplit(":", 1)[-1]
    return f":{number}" if number.isdigit() else ""
