"""What is kept of service deployments for ever: their revisions, the states they passed, and who began them."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone

from access.resources import Resource
from clusters.models.inventory import Observed, Service, ServiceDeployment


class ServiceRevision(Observed):
    """What a service was set to at one deployment: task definition, platform, network, capacity, images by digest.

    ECS never changes a revision, so it is read once. One that ECS had forgotten before it was read has no facts and is
    gone.
    """

    ACCESS_PATHS: ClassVar = ServiceDeployment.ACCESS_PATHS

    service = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="revisions")
    task_definition_arn = models.CharField(max_length=255, blank=True)
    created_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.arn.rsplit("/", 1)[-1]

    @property
    def access_resource(self) -> Resource:
        return self.service.access_resource


class DeploymentMoment(models.Model):
    """A status and lifecycle stage that a service deployment was seen to enter."""

    deployment = models.ForeignKey(ServiceDeployment, on_delete=models.CASCADE, related_name="moments")
    at = models.DateTimeField(help_text="ECS's own time of it where it gives one, else when it was seen.")
    status = models.CharField(max_length=32)
    lifecycle_stage = models.CharField(max_length=48, blank=True)
    reason = models.TextField(blank=True)
    failed_count = models.PositiveIntegerField(null=True, help_text="As the circuit breaker counts.")

    class Meta:
        ordering = ["at", "pk"]
        constraints = [
            # Two polls that overlap may both see the move; it is one.
            models.UniqueConstraint(
                fields=["deployment", "status", "lifecycle_stage"], name="moment_once_per_deployment"
            )
        ]

    def __str__(self) -> str:
        return f"{self.status} {self.lifecycle_stage}".strip()


class DeploymentIdentity(models.Model):
    """Who began a service deployment outside the console, as CloudTrail tells, or why that is not known."""

    class State(models.TextChoices):
        WAITING = "waiting", "CloudTrail shows no call yet; it may be 15 minutes late"
        FOUND = "found", "Named by CloudTrail"
        NONE = "none", "CloudTrail shows no call that began it"
        AMBIGUOUS = "ambiguous", "Several calls may have begun it"
        DENIED = "denied", "CloudTrail may not be read"

    deployment = models.OneToOneField(ServiceDeployment, on_delete=models.CASCADE, related_name="identity")
    state = models.CharField(max_length=12, choices=State.choices, default=State.WAITING)
    note = models.TextField(blank=True, help_text="Why it is not known, in a sentence.")
    asked_count = models.PositiveIntegerField(default=0)
    next_ask_at = models.DateTimeField(null=True, default=timezone.now)
    event_id = models.CharField(max_length=64, blank=True)
    event_name = models.CharField(max_length=64, blank=True)
    event_at = models.DateTimeField(null=True)
    principal_arn = models.CharField(max_length=300, blank=True)
    source_identity = models.CharField(max_length=64, blank=True)
    ip_address = models.CharField(max_length=120, blank=True, help_text="Or the AWS service that called.")
    user_agent = models.CharField(max_length=300, blank=True)
    access_key_id = models.CharField(max_length=64, blank=True)

    class Meta:
        verbose_name_plural = "deployment identities"
        indexes = [
            # The job asks for what is due, once a minute.
            models.Index(fields=["next_ask_at"], name="identity_due")
        ]

    def __str__(self) -> str:
        return self.principal_arn or self.get_state_display()
