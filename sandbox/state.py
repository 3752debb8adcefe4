"""What the control plane remembers: clusters, task definitions, services with their rollouts, and tasks."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from sandbox.ports import Caller

Document = dict[str, Any]

MAX_EVENTS = 100
# A crash loop leaves some two hundred an hour.
MAX_DEPARTED = 5000

# Service deployments that have not come to an end.
IN_FLIGHT = frozenset(
    {"PENDING", "IN_PROGRESS", "STOP_REQUESTED", "ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS"}
)


@dataclass(slots=True)
class TaskDefinition:
    """A registered revision; `content` holds the members that were registered, in output form."""

    arn: str
    family: str
    revision: int
    content: Document
    registered_at: datetime
    registered_by: str
    tags: dict[str, str] = field(default_factory=dict)
    status: str = "ACTIVE"
    deregistered_at: datetime | None = None
    delete_requested_at: datetime | None = None

    @property
    def containers(self) -> list[Document]:
        definitions: list[Document] = self.content["containerDefinitions"]
        return definitions


@dataclass(slots=True)
class ServiceRevision:
    """An immutable copy of a service's configuration at the start of a deployment."""

    arn: str
    created_at: datetime
    task_definition: TaskDefinition
    config: Document
    digests: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class RevisionCount:
    """A service revision in a service deployment with the task counts that are shown beside it."""

    arn: str
    requested: int = 0
    running: int = 0
    pending: int = 0
    test_weight: float | None = None
    production_weight: float | None = None


@dataclass(slots=True)
class Hook:
    """A lifecycle hook that a service deployment has come to."""

    id: str
    kind: str
    target_arn: str
    status: str
    expires_at: datetime | None = None
    timeout_action: str = ""


@dataclass(slots=True)
class ServiceDeployment:
    """An entry of a service's deployment history."""

    arn: str
    created_at: datetime
    target: RevisionCount
    sources: list[RevisionCount]
    configuration: Document
    threshold: int
    breaker_status: str
    created_by: str = ""
    status: str = "PENDING"
    status_reason: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    stopped_at: datetime | None = None
    updated_at: datetime | None = None
    failures: int = 0
    rollback: Document | None = None
    triggered_alarms: list[str] = field(default_factory=list)
    # Where a deployment that goes by stages is; `stage` is what of it the API shows.
    position: int = 0
    stage: str = ""
    hooks: list[Hook] = field(default_factory=list)
    # Since when which share of production traffic, in percent, has been on the target.
    shifts: list[tuple[datetime, float]] = field(default_factory=list)

    @property
    def in_flight(self) -> bool:
        return self.status in IN_FLIGHT


@dataclass(slots=True)
class Deployment:
    """An entry of a service's `deployments`: one revision and the tasks started for it."""

    id: str
    revision: ServiceRevision
    created_at: datetime
    updated_at: datetime
    service_deployment: ServiceDeployment | None
    status: str = "PRIMARY"
    failed_tasks: int = 0
    # Failures since a task last proved itself, which the shown `failedTasks` follows unless it may not reset.
    consecutive_failures: int = 0
    rollout_state: str = "IN_PROGRESS"
    rollout_reason: str = ""
    tasks: dict[str, Task] = field(default_factory=dict)
    not_before: datetime | None = None
    impaired_said: bool = False


@dataclass(slots=True)
class ServiceEvent:
    id: str
    created_at: datetime
    message: str


class Presence(NamedTuple):
    """When a task ran, kept for the metrics after the task itself is forgotten.

    `growth` is when its memory began to grow and when it was full; `failed` says that it did not end on request.
    """

    started_at: datetime
    ended_at: datetime | None
    healthy: bool
    failed: bool
    growth: tuple[datetime, datetime] | None


@dataclass(slots=True)
class Service:
    """A service; `config` holds the members that a revision copies, `options` the ones that it does not."""

    name: str
    arn: str
    cluster: Cluster
    created_at: datetime
    created_by: str
    desired: int
    config: Document
    options: Document
    scheduling: str = "REPLICA"
    controller: str = "ECS"
    status: str = "ACTIVE"
    tags: dict[str, str] = field(default_factory=dict)
    deployments: list[Deployment] = field(default_factory=list)
    events: deque[ServiceEvent] = field(default_factory=lambda: deque(maxlen=MAX_EVENTS))
    history: list[ServiceDeployment] = field(default_factory=list)
    revisions: dict[str, ServiceRevision] = field(default_factory=dict)
    tasks: dict[str, Task] = field(default_factory=dict)
    departed: deque[Presence] = field(default_factory=lambda: deque(maxlen=MAX_DEPARTED))
    last_good: ServiceRevision | None = None
    current: ServiceDeployment | None = None
    is_steady: bool = False
    # Targets registered and deregistered since the scheduler last told of them, by the number of their group.
    fresh_targets: Counter[int] = field(default_factory=Counter)
    gone_targets: Counter[int] = field(default_factory=Counter)
    next_look: datetime | None = None
    deadlock_said_at: datetime | None = None
    protected_said_at: datetime | None = None
    capacity_said_at: datetime | None = None

    @property
    def primary(self) -> Deployment:
        return self.deployments[0]

    @property
    def target_groups(self) -> list[Document]:
        return [item for item in self.config.get("loadBalancers") or [] if item.get("targetGroupArn")]


@dataclass(slots=True)
class Container:
    """A container of a task."""

    arn: str
    name: str
    image: str
    essential: bool
    last_status: str = "PENDING"
    digest: str | None = None
    runtime_id: str | None = None
    exit_code: int | None = None
    reason: str = ""
    health: str = "UNKNOWN"


@dataclass(slots=True)
class Task:
    """A task; `life` changes when its start is called off, so that steps set before do nothing."""

    id: str
    arn: str
    cluster: Cluster
    definition: TaskDefinition
    group: str
    created_at: datetime
    config: Document
    containers: list[Container]
    started_by: str = ""
    overrides: Document = field(default_factory=dict)
    service: Service | None = None
    deployment: Deployment | None = None
    tags: dict[str, str] = field(default_factory=dict)
    instance: ContainerInstance | None = None
    last_status: str = "PROVISIONING"
    desired_status: str = "RUNNING"
    version: int = 1
    life: int = 0
    attachment_id: str = ""
    attachment_status: str = "PRECREATED"
    eni_id: str = ""
    subnet: str = ""
    zone: str = ""
    private_ip: str = ""
    mac: str = ""
    connectivity_at: datetime | None = None
    pull_started_at: datetime | None = None
    pull_stopped_at: datetime | None = None
    started_at: datetime | None = None
    stopping_at: datetime | None = None
    execution_stopped_at: datetime | None = None
    stopped_at: datetime | None = None
    stop_code: str = ""
    stopped_reason: str = ""
    health: str = "UNKNOWN"
    healthy: bool = False
    proven: bool = False
    registered: bool = False
    protected_until: datetime | None = None
    protected: bool = False
    growth: tuple[datetime, datetime] | None = None

    @property
    def presence(self) -> Presence | None:
        """When the task ran, None while it has not."""
        if self.started_at is None:
            return None
        asked = self.wanted or self.stop_code in ("ServiceSchedulerInitiated", "UserInitiated")
        failed = not asked or "health checks" in self.stopped_reason
        return Presence(self.started_at, self.stopping_at, self.healthy or self.proven, failed, self.growth)

    @property
    def wanted(self) -> bool:
        """Whether the task is meant to run and has not begun to stop."""
        return self.desired_status == "RUNNING"

    @property
    def is_running(self) -> bool:
        return self.last_status == "RUNNING"

    @property
    def is_pending(self) -> bool:
        return self.last_status in ("PROVISIONING", "PENDING", "ACTIVATING")


@dataclass(slots=True)
class ContainerInstance:
    """An EC2 instance in a cluster."""

    id: str
    arn: str
    ec2_instance_id: str
    registered_at: datetime
    cpu: int
    memory: int
    attributes: list[Document] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    version_info: Document = field(default_factory=dict)
    status: str = "ACTIVE"
    version: int = 1
    zone: str = ""
    # Whether the agent answers; nothing is placed where it does not.
    connected: bool = True


@dataclass(slots=True)
class CapacityProvider:
    """A capacity provider of an Auto Scaling group."""

    name: str
    arn: str
    group: Document
    tags: dict[str, str] = field(default_factory=dict)
    status: str = "ACTIVE"
    update_status: str = "CREATE_COMPLETE"


@dataclass(slots=True)
class Cluster:
    """A cluster; `tasks` keeps stopped tasks until an hour after they stopped."""

    name: str
    arn: str
    region: Region
    settings: list[Document] = field(default_factory=list)
    configuration: Document | None = None
    capacity_providers: list[str] = field(default_factory=list)
    default_strategy: list[Document] = field(default_factory=list)
    service_connect_defaults: Document | None = None
    tags: dict[str, str] = field(default_factory=dict)
    status: str = "ACTIVE"
    services: dict[str, Service] = field(default_factory=dict)
    tasks: dict[str, Task] = field(default_factory=dict)
    instances: dict[str, ContainerInstance] = field(default_factory=dict)


@dataclass(slots=True)
class Region:
    """Everything of one account in one region."""

    account_id: str
    name: str
    clusters: dict[str, Cluster] = field(default_factory=dict)
    families: dict[str, dict[int, TaskDefinition]] = field(default_factory=dict)
    # Revisions are never given twice, also after deletion.
    last_revision: dict[str, int] = field(default_factory=dict)
    tokens: dict[tuple[str, str], tuple[str, Document]] = field(default_factory=dict)
    account_settings: dict[tuple[str, str], str] = field(default_factory=dict)
    capacity_providers: dict[str, CapacityProvider] = field(default_factory=dict)
    addresses: int = 0

    @property
    def caller(self) -> Caller:
        """The caller under which the simulation itself touches the surroundings."""
        return Caller(self.account_id, self.name)
