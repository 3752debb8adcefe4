"""What goes in and what comes out, as the OpenAPI document says it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from ninja import Field, Schema
from pydantic import AwareDatetime, BeforeValidator, ConfigDict

from api.paging import MOST
from deployments.filters import DeploymentStatus

Text = Annotated[str, Field(max_length=4000)]
EnvironmentName = Literal["production", "staging", "development"]
StatusName = Literal["unknown", "failed", "degraded", "deploying", "zero", "steady"]
KindName = Literal["deploy", "restart", "scale", "rollback", "stop_task", "run_task", "continue"]
StateName = Literal[
    "active",
    "awaiting_approval",
    "queued",
    "running",
    "rolling_back",
    "needs_attention",
    "succeeded",
    "failed",
    "rolled_back",
    "rejected",
    "cancelled",
    "expired",
    "stale",
]
# `?status=` is how programs write a filter that they do not use.
EMPTY_IS_NONE = BeforeValidator(lambda value: None if value == "" else value)


class Asked(Schema):
    """What a request may hold; a name that nobody knows is refused rather than left out."""

    model_config = ConfigDict(extra="forbid")


class Paged(Asked):
    limit: int = Field(100, ge=1, le=MOST, description="Items on a page.")
    cursor: str = Field("", description="`next` of the page before.")


class ServiceFilters(Paged):
    environment: Annotated[EnvironmentName | None, EMPTY_IS_NONE] = None
    account: str = Field("", description="Account id.")
    region: str = ""
    cluster: str = Field("", description="Exact name.")
    name: str = Field("", description="Exact name of the service.")
    status: Annotated[StatusName | None, EMPTY_IS_NONE] = None
    q: str = Field("", description="Words anywhere in name, cluster, images and tags.")


class TaskFilters(Paged):
    service: str = Field("", description="ARN of the service.")
    cluster: str = ""
    status: str = Field("", description="`lastStatus`, such as RUNNING or STOPPED.")


class DeploymentFilters(Paged):
    service: str = Field("", description="ARN of the service.")
    status: Annotated[DeploymentStatus | None, EMPTY_IS_NONE] = Field(None, description="ECS's own.")


class ChangeFilters(Paged):
    service: str = Field("", description="ARN of the service.")
    state: Annotated[StateName | None, EMPTY_IS_NONE] = Field(
        None, description="A state, or `active` for those that have not ended."
    )
    kind: Annotated[KindName | None, EMPTY_IS_NONE] = None
    environment: Annotated[EnvironmentName | None, EMPTY_IS_NONE] = None
    requester: str = Field("", description="User name.")
    q: str = ""


class ContainerOut(Schema):
    name: str
    image: str


class ServiceOut(Schema):
    arn: str
    name: str
    cluster: str
    account: str
    region: str
    environment: str
    status: StatusName
    happening: str = Field(description="What is going on, in a sentence.")
    desired_count: int
    running_count: int
    pending_count: int
    task_definition: str
    rollout_state: str = Field(description="Of the PRIMARY deployment, in ECS's words.")
    containers: list[ContainerOut]
    read_at: datetime | None = Field(description="When ECS was last read.")
    url: str = Field(description="The page of the service.")


class ServicePage(Schema):
    items: list[ServiceOut]
    next: str | None


class TaskOut(Schema):
    arn: str
    service: str | None
    cluster: str
    last_status: str
    desired_status: str
    health_status: str
    task_definition: str
    availability_zone: str
    started_by: str
    stop_code: str
    stopped_reason: str
    exit_code: int | None
    created_at: datetime | None
    started_at: datetime | None
    stopped_at: datetime | None
    url: str


class TaskPage(Schema):
    items: list[TaskOut]
    next: str | None


class RanImage(Schema):
    container: str
    image: str
    digest: str


class DeploymentOut(Schema):
    arn: str
    service: str
    status: str
    status_reason: str
    task_definition: str
    images: list[RanImage]
    change: int | None = Field(
        description="The change that began it; null when it began outside the console."
    )
    created_by: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class DeploymentPage(Schema):
    items: list[DeploymentOut]
    next: str | None


class Wish(Asked):
    """What is to be done to which service."""

    service: str = Field(description="ARN of the service.")
    kind: KindName
    images: dict[str, str] = Field(
        default_factory=dict,
        description="deploy: image by container; a tag or digest alone is one of the present repository.",
    )
    desired_count: int | None = Field(None, description="scale: how many tasks.")
    service_deployment: str = Field(
        "",
        description="rollback: ARN of the one to return to; without it what is in flight, else the last success.",
    )
    task: str = Field("", description="stop_task: id or ARN.")
    spec: dict[str, Any] = Field(
        default_factory=dict,
        description="Anything further of the spec, such as `containers.app.environment`; plain values of variables "
        "are sealed at once and never shown again.",
    )
    if_busy: Literal["refuse", "queue", "supersede"] = Field(
        "refuse", description="What becomes of it while another change has the service."
    )
    scheduled_at: AwareDatetime | None = Field(None, description="When it is to begin, with its time zone.")


class ChangeIn(Wish):
    reason: Text = ""
    ticket: str = Field("", max_length=64)
    confirm: str = Field("", description="The name of the service, typed; production asks for it.")
    plan: str = Field(
        "", description="Id of the plan that was looked at; the change is refused if things moved since."
    )


class CallOut(Schema):
    action: str
    params: dict[str, Any]
    note: str


class CheckOut(Schema):
    id: str
    title: str
    level: Literal["ok", "warn", "refuse"]
    text: str


class BranchOut(Schema):
    id: str
    title: str
    level: Literal["ok", "warn", "refuse"] = Field(description="That of its worst check.")
    checks: list[CheckOut]


class PlanOut(Schema):
    id: str
    expires_at: datetime
    kind: str
    title: str
    service: str
    refused: bool = Field(
        description="Whether a check refuses it; asking for the change would be refused too."
    )
    needs_approval: bool
    approval_reason: str
    confirmation: Literal["click", "dialog", "typed"]
    calls: list[CallOut] = Field(description="The calls to AWS in their order, values of variables masked.")
    cli: list[str] = Field(description="The same as commands of the AWS CLI.")
    diff: list[dict[str, Any]]
    churn: dict[str, Any]
    checks: list[CheckOut]
    preflight: list[BranchOut] = Field(description="The same checks, grouped by what they are about.")


class Diagnosis(Schema):
    rule: str = Field(description="Stable id of the reason.")
    text: str = Field(description="The reason in a sentence, ECS's words quoted.")


class RolloutOut(Schema):
    status: str = Field(description="Of the service deployment, in ECS's words.")
    rollout_state: str
    desired: int
    running: int
    pending: int
    failed_tasks: int


class ChangeOut(Schema):
    id: int
    number: str
    kind: str
    title: str
    service: str
    environment: str
    state: str
    is_final: bool
    version: int = Field(description="Counts changes of the state; see `after`.")
    outcome: str = Field(description="How it ended, in a sentence; empty until then.")
    diagnosis: Diagnosis | None = Field(
        description="What it waits for or why it ended so; null when all is said."
    )
    service_deployment: str | None = Field(description="ARN, once ECS shows it.")
    rollout: RolloutOut | None
    needs_approval: bool
    requested_by: str
    via: str
    reason: str
    ticket: str
    created_at: datetime
    scheduled_at: datetime | None = Field(description="When it was asked to begin; null for at once.")
    dispatched_at: datetime | None
    finished_at: datetime | None
    url: str = Field(description="The page of the change.")


class ChangePage(Schema):
    items: list[ChangeOut]
    next: str | None


class Because(Asked):
    reason: Text = ""


class FreezeRef(Schema):
    id: int
    name: str
    version: int


class ErrorBody(Schema):
    code: str = Field(description="Stable name for programs.")
    title: str
    message: str
    advice: str
    permission: str | None = Field(None, description="403: which permission is missing.")
    fields: dict[str, str] | None = Field(None, description="422: a sentence for each field.")
    change: int | None = Field(None, description="409: the change that stands in the way.")
    freezes: list[FreezeRef] | None = Field(None, description="409: the freezes that hold the change up.")
    opens_at: datetime | None = Field(
        None, description="409: when nothing holds it any more; null: not by itself."
    )
    override_url: str | None = Field(None, description="409: where a person may ask to go past the freezes.")
    details: dict[str, str] | None = None


class Error(Schema):
    error: ErrorBody
