"""Changes: what a person asked for, what was approved, what was tried and how it ended."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from access.resources import Resource
from clusters.models import Service
from deployments.states import ACTIVE, State


class Kind(models.TextChoices):
    """A verb; each has one module in `deployments.verbs`."""

    DEPLOY = "deploy", "Deploy"
    RESTART = "restart", "Restart"
    SCALE = "scale", "Scale"
    ROLLBACK = "rollback", "Roll back"
    STOP_TASK = "stop_task", "Stop task"
    RUN_TASK = "run_task", "Run task"
    CONTINUE = "continue", "Continue deployment"


# Verbs beside a rollout: they act on tasks, or on a rollout of somebody's, and take no turn.
BESIDE = (Kind.STOP_TASK, Kind.RUN_TASK, Kind.CONTINUE)


class Via(models.TextChoices):
    """The door through which a change was asked for."""

    PAGE = "page", "Console"
    API = "api", "API"


class Change(models.Model):
    """One request to change one service, from asking to its outcome. Only `deployments.machine` assigns `state`."""

    ACCESS_PATHS: ClassVar = {
        "environment": "service__cluster__environment",
        "account_id": "service__cluster__account__account_id",
        "region": "service__cluster__region",
        "cluster": "service__cluster__name",
        "service": "service__name",
    }

    service = models.ForeignKey(Service, on_delete=models.PROTECT, related_name="changes")
    kind = models.CharField(max_length=16, choices=Kind.choices)
    title = models.CharField(max_length=200, help_text="One line: verb, service, version.")
    spec = models.JSONField(help_text="What was asked; plain values of variables are sealed.")
    spec_sha256 = models.CharField(max_length=64)
    base = models.JSONField(
        default=dict, help_text="What the fingerprint covers, readable, to say what moved."
    )
    base_fingerprint = models.CharField(max_length=64)
    plan = models.JSONField(default=dict, help_text="The plan that the requester saw.")
    state = models.CharField(max_length=20, choices=State.choices)
    version = models.PositiveIntegerField(
        default=0, help_text="Counts transitions; half of the compare-and-set."
    )
    outcome = models.TextField(blank=True, help_text="How it ended, in a sentence, ECS's words quoted.")
    requester = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="changes")
    reason = models.TextField(blank=True)
    ticket = models.CharField(max_length=64, blank=True)
    needs_approval = models.BooleanField(default=False)
    # What the policies ask for, as `deployments.policies.Requirement` writes it, and the hash that approvals bind to.
    requirement = models.JSONField(default=dict)
    policy_sha256 = models.CharField(max_length=64, default="")
    # Which door it came through, the token if a machine asked, and the key by which a repeated request is known.
    via = models.CharField(max_length=8, choices=Via.choices, default=Via.PAGE)
    token = models.ForeignKey(
        "access.ApiToken", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    idempotency_key = models.CharField(max_length=128, blank=True)
    request_sha256 = models.CharField(max_length=64, blank=True)
    # False while it waits its turn behind another change, or for its hour.
    holds_slot = models.BooleanField(default=True)
    scheduled_at = models.DateTimeField(null=True, blank=True)
    replaces = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="replaced_by"
    )
    # Where the verb stands, and the ids by which it recognises its own work.
    step = models.CharField(max_length=32, default="start")
    progress = models.JSONField(default=dict)
    rollback_requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)
    dispatched_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    next_wake_at = models.DateTimeField(null=True, blank=True)
    deadline_at = models.DateTimeField(null=True, blank=True)
    lease_holder = models.CharField(max_length=80, blank=True)
    lease_fence = models.PositiveBigIntegerField(default=0)
    lease_expires_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            # Two changes of one service at a time would each watch the other's deployment.
            models.UniqueConstraint(
                fields=["service"],
                condition=Q(state__in=sorted(ACTIVE), holds_slot=True) & ~Q(kind__in=sorted(BESIDE)),
                name="one_active_change_per_service",
            ),
            # A pipeline that asks again with its key gets the change it has, also when both requests come at once.
            models.UniqueConstraint(
                fields=["requester", "idempotency_key"],
                condition=~Q(idempotency_key=""),
                name="one_change_per_idempotency_key",
            ),
        ]
        indexes = [
            # The sweeper asks every two seconds for what is due.
            models.Index(fields=["next_wake_at"], name="change_due", condition=Q(next_wake_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"CR-{self.pk} {self.title}"

    def get_absolute_url(self) -> str:
        return reverse("change", args=[self.pk])

    @property
    def access_resource(self) -> Resource:
        return self.service.access_resource

    @property
    def is_active(self) -> bool:
        return self.state in ACTIVE

    @property
    def state_choice(self) -> State:
        return State(self.state)


class Transition(models.Model):
    """One move of a change: history, written in the same transaction as the move."""

    change = models.ForeignKey(Change, on_delete=models.CASCADE, related_name="transitions")
    from_state = models.CharField(max_length=20, blank=True)
    to_state = models.CharField(max_length=20, choices=State.choices)
    at = models.DateTimeField(default=timezone.now)
    actor = models.CharField(max_length=150, help_text="User name, or system.")
    note = models.TextField(blank=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.from_state} → {self.to_state}"


class Attempt(models.Model):
    """A call to AWS, committed before it is made and closed after it: an open one is observed, never repeated."""

    class Outcome(models.TextChoices):
        OPEN = "open", "Open"
        OK = "ok", "Answered"
        ERROR = "error", "Refused"
        UNKNOWN = "unknown", "Unknown"

    change = models.ForeignKey(Change, on_delete=models.CASCADE, related_name="attempts")
    step = models.CharField(max_length=32)
    number = models.PositiveIntegerField()
    action = models.CharField(max_length=80, help_text="ecs:UpdateService and the like.")
    request = models.JSONField(default=dict, help_text="Parameters as sent, values masked.")
    fence = models.PositiveBigIntegerField()
    intent_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=8, choices=Outcome.choices, default=Outcome.OPEN)
    response = models.JSONField(default=dict, help_text="The ids that matter from the answer.")
    request_id = models.CharField(max_length=80, blank=True)
    error_code = models.CharField(max_length=120, blank=True)
    error_message = models.TextField(blank=True)

    class Meta:
        ordering = ["pk"]
        constraints = [
            # The second writer of the same attempt has lost a race and must not call AWS.
            models.UniqueConstraint(
                fields=["change", "step", "number"], name="one_attempt_per_step_and_number"
            )
        ]

    def __str__(self) -> str:
        return f"{self.action} #{self.number} {self.outcome}"
