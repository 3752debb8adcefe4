"""Who must agree to a change, and who did."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from access.places import Placed
from deployments.models.changes import Change


class ApprovalPolicy(Placed):
    """What changes of some kinds need at a place. An edit is a new version; the old one stays to be read."""

    name = models.CharField(max_length=80)
    version = models.PositiveIntegerField(default=1)
    # Subjects of `deployments.policies.SUBJECTS`: kinds, and scale_to_zero; empty means every kind but a rollback.
    subjects = models.JSONField(default=list, blank=True)
    approvals = models.PositiveSmallIntegerField(
        default=1, help_text="How many people other than the requester."
    )
    # "role:release_manager" or "group:sre"; empty: anybody who may approve there.
    eligible = models.JSONField(default=list, blank=True)
    must_include = models.JSONField(default=list, blank=True, help_text="At least one approver from each.")
    expiry_hours = models.PositiveIntegerField(default=24)
    wait_minutes = models.PositiveIntegerField(
        default=0, help_text="Between the request and the earliest start."
    )
    ticket_pattern = models.CharField(
        max_length=200, blank=True, help_text="Regular expression for the whole ticket."
    )
    needs_reason = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    superseded_at = models.DateTimeField(null=True, blank=True)
    is_retired = models.BooleanField(default=False)

    class Meta:
        ordering = ["name", "-version"]
        verbose_name_plural = "approval policies"
        constraints = [
            models.UniqueConstraint(fields=["name", "version"], name="one_policy_per_name_and_version"),
            # Two current versions would both be asked for, and nobody could tell which one was meant.
            models.UniqueConstraint(
                fields=["name"], condition=Q(superseded_at=None), name="one_current_version_per_policy"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} v{self.version}"


class Approval(models.Model):
    """A decision on exactly one spec against exactly one base under exactly these policies; used once."""

    class Decision(models.TextChoices):
        APPROVE = "approve", "Approved"
        REJECT = "reject", "Rejected"

    change = models.ForeignKey(Change, on_delete=models.CASCADE, related_name="approvals")
    spec_sha256 = models.CharField(max_length=64)
    base_fingerprint = models.CharField(max_length=64)
    policy_sha256 = models.CharField(max_length=64, default="")
    approver = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="approvals")
    decision = models.CharField(max_length=8, choices=Decision.choices)
    comment = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    consumed_at = models.DateTimeField(null=True)
    voided_at = models.DateTimeField(null=True)
    void_reason = models.TextField(blank=True, help_text="What moved, in a sentence.")

    class Meta:
        ordering = ["pk"]
        constraints = [
            # One standing voice per person and change; a voided one may be given again on what moved.
            models.UniqueConstraint(
                fields=["change", "approver"],
                condition=Q(voided_at=None),
                name="one_decision_per_approver",
            )
        ]

    def __str__(self) -> str:
        return f"{self.approver} {self.decision} CR-{self.change_id}"


class ReviewComment(models.Model):
    """A word on a change under review; one that asks for a change sends the request back to its requester."""

    change = models.ForeignKey(Change, on_delete=models.CASCADE, related_name="comments")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    text = models.TextField()
    asks_for_change = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.author} on CR-{self.change_id}"
