"""When changes may begin, and who went past that."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from access.places import Placed
from deployments.models.changes import Change


class Freeze(Placed):
    """A window in which no change begins (deny), or outside of which none does (allow); once, or again and again.

    Times are wall-clock times of `zone`: a window from 22:00 to 06:00 ends at 06:00 on the night the clocks change.
    """

    class Effect(models.TextChoices):
        DENY = "deny", "No change begins in it"
        ALLOW = "allow", "Changes begin only in it"

    name = models.CharField(max_length=80)
    effect = models.CharField(max_length=5, choices=Effect.choices, default=Effect.DENY)
    starts_at = models.DateTimeField(help_text="Start of the window, or of the first of a series.")
    duration_minutes = models.PositiveIntegerField()
    zone = models.CharField(max_length=64, default="UTC", help_text="IANA name, such as Europe/Berlin.")
    # RFC 5545: FREQ=WEEKLY;BYDAY=FR
    rule = models.CharField(max_length=255, blank=True, help_text="RFC 5545 rule; empty: once.")
    is_rollback_exempt = models.BooleanField(default=True)
    reason = models.TextField(blank=True)
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    ended_at = models.DateTimeField(null=True, blank=True, help_text="When somebody took it away.")

    class Meta:
        ordering = ["starts_at"]
        constraints = [
            models.CheckConstraint(condition=Q(duration_minutes__gt=0), name="freeze_lasts"),
        ]

    def __str__(self) -> str:
        return self.name


class Override(models.Model):
    """One change that begins in spite of freezes or policies: named, reasoned, limited, and reviewed afterwards."""

    class Kind(models.TextChoices):
        OVERRIDE = "override", "Override"
        BREAK_GLASS = "break_glass", "Break-glass"

    ACCESS_PATHS: ClassVar = {name: f"change__{path}" for name, path in Change.ACCESS_PATHS.items()}

    change = models.OneToOneField(Change, on_delete=models.CASCADE, related_name="override")
    kind = models.CharField(max_length=12, choices=Kind.choices)
    # [{"kind": "freeze" | "policy", "id": 3, "name": "Quarter close", "version": 2}]
    rules = models.JSONField(default=list)
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="overrides")
    reason = models.TextField()
    ticket = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(help_text="The change must have begun by then.")
    review_due_at = models.DateTimeField()
    reviewed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    reviewed_at = models.DateTimeField(null=True, blank=True)
    review = models.TextField(blank=True)
    was_justified = models.BooleanField(null=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            # Nobody reviews what they did themselves.
            models.CheckConstraint(
                condition=Q(reviewed_by=None) | ~Q(reviewed_by=models.F("person")),
                name="override_reviewed_by_another",
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of CR-{self.change_id} by {self.person}"

    @property
    def names(self) -> str:
        """Return the names of what was overridden."""
        return ", ".join(str(rule["name"]) for rule in self.rules)
