"""Tasks as the tables and the task page show them: state, cause and place of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from clusters.definition_view import Image, cpu_words, mebibytes, split_image
from clusters.models import Task
from clusters.spans import parse_time, spell
from clusters.strip import DRAINING_STATES, PENDING_STATES, has_failed, revision_of

# It says that a container ended and not why; the container's own reason says why.
ESSENTIAL_EXITED = "Essential container in task exited"


@dataclass(frozen=True, slots=True)
class Container:
    """A container of a task, as DescribeTasks tells."""

    name: str
    image: Image
    status: str
    exit_code: int | None
    reason: str
    health: str
    ports: list[str]
    addresses: list[str]
    runtime_id: str

    @property
    def has_failed(self) -> bool:
        return bool(self.exit_code) or (
            self.status == "STOPPED" and self.exit_code is None and bool(self.reason)
        )


@dataclass(frozen=True, slots=True)
class TaskRow:
    """One line of a task table."""

    task: Task
    cell: str
    tone: str
    word: str
    note: str
    is_incoming: bool
    rank: int

    @property
    def short_id(self) -> str:
        return self.task.task_id[:8]

    @property
    def revision(self) -> str:
        return revision_of(self.task.task_definition_arn)

    @property
    def zone(self) -> str:
        """Return the part of the zone that tells it from its neighbours: `1a` of us-east-1a."""
        return self.task.availability_zone.rpartition("-")[2]

    @property
    def is_failed(self) -> bool:
        return self.tone == "failed"

    @property
    def reason(self) -> str:
        """Return why it stopped in AWS's words, with the container's own reason, which often says more."""
        own = [
            c.reason
            for c in containers_of(self.task.facts)
            if c.reason and c.reason not in self.task.stopped_reason
        ]
        return "; ".join(filter(None, [self.task.stopped_reason, *own]))

    @property
    def cause(self) -> str:
        """Return the shortest of AWS's sentences that tells the cause: the container's, where ECS's own is general."""
        if self.task.stopped_reason == ESSENTIAL_EXITED:
            own = [c.reason for c in containers_of(self.task.facts) if c.reason]
            return "; ".join(own) or self.task.stopped_reason
        return self.reason

    @property
    def codes(self) -> list[tuple[str, int]]:
        """Return the exit code of each container that has one."""
        return [(c.name, c.exit_code) for c in containers_of(self.task.facts) if c.exit_code is not None]


def family_and_revision(arn: str) -> tuple[str, int] | None:
    """Return the family and revision that an ARN names, None for what is no task definition ARN."""
    family, _, revision = arn.rpartition("/")[2].partition(":")
    return (family, int(revision)) if family and revision.isdigit() else None


def is_failure(task: Task) -> bool:
    """Whether a task ended badly; one that runs on its own and ends with 0 has done its work."""
    if task.last_status != "STOPPED" or not has_failed(task):
        return False
    return task.service_id is not None or task.exit_code != 0


def row_of(task: Task, primary_id: str, now: datetime) -> TaskRow:
    """Return how a task is shown; `primary_id` tells the incoming side from the outgoing one."""
    cell, tone, word, note, rank = state_of(task, now)
    incoming = bool(primary_id) and task.started_by == primary_id
    return TaskRow(task, cell, tone, word, note, incoming, rank)


def state_of(task: Task, now: datetime) -> tuple[str, str, str, str, int]:
    """Return cell class, tone, word, note and rank; the worst has the lowest rank."""
    if is_failure(task):
        code = "" if task.exit_code is None else f"exit {task.exit_code}"
        return "fail", "failed", title(task.last_status), code or task.stop_code, 0
    if task.last_status in PENDING_STATES:
        return "pend", "deploying", title(task.last_status), pending_note(task, now), 2
    if task.last_status in DRAINING_STATES or (
        task.desired_status == "STOPPED" and task.last_status != "STOPPED"
    ):
        return (
            "drain",
            "zero",
            title(task.last_status),
            "to be stopped" if task.last_status == "RUNNING" else "",
            5,
        )
    if task.last_status == "STOPPED":
        return "slot", "zero", "Stopped", "", 6
    if task.health_status == "UNHEALTHY":
        return "sick", "degraded", title(task.last_status), "unhealthy", 1
    if task.last_status == "RUNNING":
        fresh = task.started_at is not None and now - task.started_at < timedelta(hours=1)
        note = f"for {spell(now - task.started_at)}" if fresh and task.started_at else ""
        return ("run ok" if task.health_status == "HEALTHY" else "run"), "steady", "Running", note, 4
    return "unk", "unknown", title(task.last_status) or "Unknown", "", 3


def pending_note(task: Task, now: datetime) -> str:
    """Say what a task that has not started waits for."""
    facts = task.facts
    if facts.get("pullStartedAt") and not facts.get("pullStoppedAt"):
        return "pulling images"
    return f"for {spell(now - task.created_at)}" if task.created_at else ""


def title(status: str) -> str:
    return status.capitalize()


def worst_first(rows: Iterable[TaskRow]) -> list[TaskRow]:
    """Order rows: problems first, the newest first among equals."""
    return sorted(rows, key=lambda row: (row.rank, not row.is_incoming, -stamp(row.task.created_at)))


def stamp(at: datetime | None) -> float:
    return at.timestamp() if at else 0.0


def containers_of(facts: Mapping[str, Any]) -> list[Container]:
    """Return the containers of a task; ECS leaves out what it does not know yet."""
    return [read_container(item) for item in facts.get("containers") or []]


def read_container(item: Mapping[str, Any]) -> Container:
    image = split_image(str(item.get("image") or ""))
    digest = str(item.get("imageDigest") or image.digest)
    bindings = item.get("networkBindings") or []
    return Container(
        name=str(item.get("name", "")),
        image=Image(image.reference, image.repository, image.tag, digest),
        status=str(item.get("lastStatus", "")),
        exit_code=item.get("exitCode"),
        reason=str(item.get("reason") or ""),
        health=str(item.get("healthStatus") or "UNKNOWN"),
        ports=[
            f"{b.get('hostPort', '?')} to {b.get('containerPort', '?')}/{b.get('protocol', 'tcp')}"
            for b in bindings
        ],
        addresses=[
            str(i["privateIpv4Address"])
            for i in item.get("networkInterfaces") or []
            if "privateIpv4Address" in i
        ],
        runtime_id=str(item.get("runtimeId") or ""),
    )


@dataclass(frozen=True, slots=True)
class Step:
    """A moment in the life of a task, and how long after the one before it came."""

    title: str
    at: datetime
    after: str


STEPS = (
    ("createdAt", "Created"),
    ("pullStartedAt", "Image pull started"),
    ("pullStoppedAt", "Image pull ended"),
    ("connectivityAt", "Network connected"),
    ("startedAt", "Running"),
    ("stoppingAt", "Stopping"),
    ("executionStoppedAt", "Containers ended"),
    ("stoppedAt", "Stopped"),
)


def life_of(facts: Mapping[str, Any]) -> list[Step]:
    """Return the moments that ECS recorded, in time order; any of them may be missing."""
    known = [(at, label) for key, label in STEPS if (at := parse_time(facts.get(key)))]
    steps: list[Step] = []
    previous: datetime | None = None
    for at, label in sorted(known, key=lambda pair: pair[0]):
        steps.append(Step(label, at, f"+{spell(at - previous)}" if previous else ""))
        previous = at
    return steps


def network_of(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return where a task is on the network: the details of its elastic network interface."""
    labels = {
        "networkInterfaceId": "Network interface",
        "privateIPv4Address": "Private address",
        "privateDnsName": "Private DNS name",
        "subnetId": "Subnet",
        "macAddress": "MAC address",
    }
    pairs: list[tuple[str, str]] = []
    for attachment in facts.get("attachments") or []:
        if attachment.get("type") != "ElasticNetworkInterface":
            continue
        details = {item.get("name"): item.get("value") for item in attachment.get("details") or []}
        pairs += [(label, str(details[key])) for key, label in labels.items() if details.get(key)]
    return pairs


def facts_of(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what else ECS says about a task, in its words."""
    protected = "yes" if facts.get("protectionEnabled") or facts.get("taskProtection") else ""
    platform = " ".join(filter(None, [facts.get("platformFamily"), facts.get("platformVersion")]))
    pairs = [
        ("Launch type", facts.get("launchType")),
        ("Capacity provider", facts.get("capacityProviderName")),
        ("Platform", platform),
        ("Task CPU", cpu_words(facts.get("cpu"))),
        ("Task memory", mebibytes(facts.get("memory"))),
        ("Container instance", str(facts.get("containerInstanceArn") or "").rpartition("/")[2]),
        ("Group", facts.get("group")),
        ("Started by", facts.get("startedBy")),
        ("Connectivity", facts.get("connectivity")),
        ("Scale-in protection", protected),
        ("ECS Exec", "on" if facts.get("enableExecuteCommand") else "off"),
    ]
    return [(name, str(value)) for name, value in pairs if value]


def tags_of(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    return sorted((str(tag.get("key", "")), str(tag.get("value", ""))) for tag in facts.get("tags") or [])
