"""Inventory: what ECS said and when. Rows are marked gone, never deleted."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.urls import reverse
from django.utils import timezone

from access.resources import Resource
from clusters.status import Status


class Environment(models.TextChoices):
    """How much care a place needs; it decides confirmation and approval."""

    PRODUCTION = "production", "prod"
    STAGING = "staging", "staging"
    DEVELOPMENT = "development", "dev"


class Account(models.Model):
    """An AWS account that the console watches through two roles: one that reads, one that deploys."""

    ACCESS_PATHS: ClassVar = {"environment": "environment", "account_id": "account_id"}

    account_id = models.CharField(max_length=12, unique=True)
    name = models.CharField(max_length=64)
    environment = models.CharField(max_length=16, choices=Environment.choices)
    role_arn = models.CharField(
        max_length=200, blank=True, help_text="Role that reads; empty uses own credentials."
    )
    deploy_role_arn = models.CharField(max_length=200, blank=True, help_text="Role that changes services.")
    external_id = models.CharField(max_length=120, blank=True)
    regions = models.JSONField(default=list)
    is_active = models.BooleanField(default=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return f"{self.name} ({self.account_id})"

    @property
    def access_resource(self) -> Resource:
        return Resource(environment=self.environment, account_id=self.account_id)


class PollTarget(models.Model):
    """One account in one region: who polls it, how it went, and since when it fails."""

    ACCESS_PATHS: ClassVar = {
        "environment": "account__environment",
        "account_id": "account__account_id",
        "region": "region",
    }

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="targets")
    region = models.CharField(max_length=32)
    next_due_at = models.DateTimeField(default=timezone.now)
    next_full_at = models.DateTimeField(default=timezone.now)
    attempted_at = models.DateTimeField(null=True)
    succeeded_at = models.DateTimeField(null=True)
    failing_since = models.DateTimeField(null=True)
    failure_count = models.PositiveIntegerField(default=0)
    error_action = models.CharField(max_length=80, blank=True)
    error_code = models.CharField(max_length=120, blank=True)
    error_message = models.TextField(blank=True)
    error_request_id = models.CharField(max_length=80, blank=True)
    lease_holder = models.CharField(max_length=80, blank=True)
    lease_expires_at = models.DateTimeField(null=True)
    lease_fence = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [
            # One row is one lease: two would poll the same region twice.
            models.UniqueConstraint(fields=["account", "region"], name="one_target_per_account_region")
        ]

    def __str__(self) -> str:
        return f"{self.account.name} {self.region}"


class Observed(models.Model):
    """A thing that ECS describes: its facts, their hash, when it was seen and when it was no longer there."""

    arn = models.CharField(max_length=255, unique=True)
    facts = models.JSONField(
        default=dict, help_text="What ECS described, in ECS's own field names, values masked."
    )
    state_hash = models.CharField(max_length=64, blank=True)
    observed_at = models.DateTimeField(default=timezone.now)
    changed_at = models.DateTimeField(default=timezone.now)
    gone_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True


class Cluster(Observed):
    """An ECS cluster."""

    ACCESS_PATHS: ClassVar = {
        "environment": "environment",
        "account_id": "account__account_id",
        "region": "region",
        "cluster": "name",
    }

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="clusters")
    region = models.CharField(max_length=32)
    name = models.CharField(max_length=255)
    # Copied from the account, so that an administrator can set one cluster apart; never from AWS tags.
    environment = models.CharField(max_length=16, choices=Environment.choices)
    status = models.CharField(max_length=32)

    class Meta:
        ordering = ["account__name", "region", "name"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("cluster", args=[self.account.account_id, self.region, self.name])

    @property
    def access_resource(self) -> Resource:
        return Resource(self.environment, self.account.account_id, self.region, self.name)


class Service(Observed):
    """An ECS service with its latest counts, rollout and derived status."""

    ACCESS_PATHS: ClassVar = {
        "environment": "cluster__environment",
        "account_id": "cluster__account__account_id",
        "region": "cluster__region",
        "cluster": "cluster__name",
        "service": "name",
    }

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="services")
    name = models.CharField(max_length=255)
    ecs_status = models.CharField(max_length=16, help_text="ACTIVE, DRAINING or INACTIVE, verbatim.")
    scheduling_strategy = models.CharField(max_length=16, default="REPLICA")
    deployment_controller = models.CharField(max_length=16, default="ECS")
    launch_type = models.CharField(max_length=32, blank=True)
    task_definition_arn = models.CharField(max_length=255)
    desired_count = models.PositiveIntegerField(default=0)
    running_count = models.PositiveIntegerField(default=0)
    pending_count = models.PositiveIntegerField(default=0)
    rollout_state = models.CharField(
        max_length=32, blank=True, help_text="Of the PRIMARY deployment, verbatim."
    )
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.UNKNOWN)
    status_since = models.DateTimeField(default=timezone.now)
    happening = models.TextField(blank=True, help_text="One sentence: what is going on.")
    version = models.CharField(
        max_length=255, blank=True, help_text="Tag or short digest of the essential image."
    )
    images = models.JSONField(default=list, help_text="[{container, image}] of the PRIMARY task definition.")
    deployed_at = models.DateTimeField(null=True, blank=True)
    deployed_by = models.CharField(max_length=200, blank=True)
    # Pages ask for a service to be read often for a while; rollouts and mismatches do so by themselves.
    hot_until = models.DateTimeField(null=True, blank=True)
    described_at = models.DateTimeField(null=True, blank=True)
    short_since = models.DateTimeField(
        null=True, blank=True, help_text="Since when fewer tasks run than are desired."
    )
    # What was taken over already: events up to this one, and deployments as of this state of the rollout.
    newest_event_id = models.CharField(max_length=64, blank=True)
    rollout_key = models.CharField(max_length=32, blank=True)
    rollout_read = models.CharField(max_length=32, blank=True)
    # Whether all that ECS still knows of its deployments was taken over, and not only the newest page.
    is_history_read = models.BooleanField(default=False)
    # A failed rollout stays red until someone says that they have seen it, or the next one succeeds.
    acknowledged_deployment = models.CharField(max_length=255, blank=True)
    # The row of the fleet page, drawn once when the state changes: a thousand services are one join, not templates.
    row_html = models.TextField(blank=True)
    search_text = models.TextField(
        blank=True, help_text="Lower-case name, cluster, images and tags, for the filter."
    )

    class Meta:
        ordering = ["name"]
        indexes = [
            # The fleet page counts and filters by status.
            models.Index(fields=["status"], name="service_status"),
            # The poller asks for what is due.
            models.Index(fields=["hot_until"], name="service_hot"),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("service", args=self.url_args)

    @property
    def url_args(self) -> list[str]:
        cluster = self.cluster
        return [cluster.account.account_id, cluster.region, cluster.name, self.name]

    @property
    def access_resource(self) -> Resource:
        cluster = self.cluster
        return Resource(
            cluster.environment, cluster.account.account_id, cluster.region, cluster.name, self.name
        )

    @property
    def environment(self) -> str:
        return self.cluster.environment


class TaskDefinition(Observed):
    """A task definition revision; environment values are kept as fingerprints only."""

    ACCESS_PATHS: ClassVar = {
        "environment": "account__environment",
        "account_id": "account__account_id",
        "region": "region",
    }

    account = models.ForeignKey(Account, on_delete=models.CASCADE)
    region = models.CharField(max_length=32)
    family = models.CharField(max_length=255)
    revision = models.PositiveIntegerField()
    status = models.CharField(max_length=32)
    registered_at = models.DateTimeField(null=True)
    tags = models.JSONField(default=dict)

    class Meta:
        ordering = ["family", "-revision"]
        indexes = [models.Index(fields=["account", "region", "family"], name="task_definition_family")]

    def __str__(self) -> str:
        return f"{self.family}:{self.revision}"

    def get_absolute_url(self) -> str:
        return reverse(
            "task-definition", args=[self.account.account_id, self.region, self.family, self.revision]
        )

    @property
    def access_resource(self) -> Resource:
        return Resource(self.account.environment, self.account.account_id, self.region)


class Task(Observed):
    """An ECS task, kept after ECS forgets it an hour past its end."""

    ACCESS_PATHS: ClassVar = {
        "environment": "cluster__environment",
        "account_id": "cluster__account__account_id",
        "region": "cluster__region",
        "cluster": "cluster__name",
        "service": "service__name",
    }

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="tasks")
    service = models.ForeignKey(Service, on_delete=models.CASCADE, null=True, related_name="tasks")
    task_id = models.CharField(max_length=64)
    last_status = models.CharField(max_length=32)
    desired_status = models.CharField(max_length=32)
    health_status = models.CharField(max_length=16, default="UNKNOWN")
    task_definition_arn = models.CharField(max_length=255)
    started_by = models.CharField(
        max_length=255, blank=True, help_text="Id of the deployment that started it."
    )
    availability_zone = models.CharField(max_length=32, blank=True)
    stop_code = models.CharField(max_length=64, blank=True)
    stopped_reason = models.TextField(blank=True)
    exit_code = models.IntegerField(null=True, help_text="Of the essential container that ended first.")
    created_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    stopped_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at"]
        indexes = [
            # The service page shows current tasks first, then the stopped ones by time.
            models.Index(fields=["service", "last_status", "-created_at"], name="task_of_service"),
        ]

    def __str__(self) -> str:
        return self.task_id

    def get_absolute_url(self) -> str:
        cluster = self.cluster
        return reverse("task", args=[cluster.account.account_id, cluster.region, cluster.name, self.task_id])

    @property
    def access_resource(self) -> Resource:
        cluster = self.cluster
        service = self.service.name if self.service else ""
        return Resource(
            cluster.environment, cluster.account.account_id, cluster.region, cluster.name, service
        )


class ServiceEvent(models.Model):
    """A service event in ECS's words, kept beyond the newest hundred that ECS returns."""

    service = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="events")
    event_id = models.CharField(max_length=64)
    created_at = models.DateTimeField()
    message = models.TextField()

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            # The same hundred events come with every read; each is stored once.
            models.UniqueConstraint(fields=["service", "event_id"], name="event_once_per_service")
        ]

    def __str__(self) -> str:
        return self.message


class ServiceDeployment(Observed):
    """What ECS rolled out, whoever started it; kept beyond the 90 days of ECS."""

    ACCESS_PATHS: ClassVar = {
        "environment": "service__cluster__environment",
        "account_id": "service__cluster__account__account_id",
        "region": "service__cluster__region",
        "cluster": "service__cluster__name",
        "service": "service__name",
    }

    service = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="service_deployments")
    status = models.CharField(max_length=32, help_text="ECS's own, verbatim.")
    status_reason = models.TextField(blank=True)
    task_definition_arn = models.CharField(max_length=255, blank=True)
    target_revision_arn = models.CharField(max_length=255, blank=True)
    source_revision_arns = models.JSONField(default=list)
    images = models.JSONField(default=list, help_text="[{container, image, digest}] of the target revision.")
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    created_by = models.CharField(max_length=255, blank=True, help_text="Principal, where CloudTrail tells.")
    lifecycle_stage = models.CharField(max_length=48, blank=True)
    strategy = models.CharField(max_length=16, blank=True, help_text="ROLLING where ECS names none.")
    failed_count = models.PositiveIntegerField(
        null=True, help_text="Failed tasks as the circuit breaker counted; empty where it does not."
    )

    class Meta:
        ordering = ["-created_at"]
        indexes = [
            # Estimates and the history of a service ask for its newest.
            models.Index(fields=["service", "-created_at"], name="deployment_of_service")
        ]

    def __str__(self) -> str:
        return self.arn.rsplit("/", 1)[-1]

    @property
    def access_resource(self) -> Resource:
        return self.service.access_resource

    @property
    def facts_summary(self) -> dict[str, Any]:
        """Return the failed, running and requested task counts of the target revision."""
        target = self.facts.get("targetServiceRevision") or {}
        return {
            "requested": target.get("requestedTaskCount"),
            "running": target.get("runningTaskCount"),
            "pending": target.get("pendingTaskCount"),
        }


class RolloutSample(models.Model):
    """Task counts of a rollout at one moment, for the flight recorder of the service page."""

    service = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="rollout_samples")
    deployment_id = models.CharField(max_length=64, help_text="PRIMARY deployment at that moment.")
    at = models.DateTimeField()
    outgoing_running = models.PositiveIntegerField()
    incoming_running = models.PositiveIntegerField()
    incoming_pending = models.PositiveIntegerField()
    failed_tasks = models.PositiveIntegerField()
    desired = models.PositiveIntegerField()

    class Meta:
        ordering = ["at"]
        indexes = [models.Index(fields=["service", "deployment_id", "at"], name="sample_of_rollout")]

    def __str__(self) -> str:
        return f"{self.deployment_id} {self.at:%H:%M:%S}"
