"""The ledger: append-only entries in one hash chain."""

from __future__ import annotations

from django.db import models


class AuditEntry(models.Model):
    """One entry. `canonical` holds the exact bytes that were hashed; the columns repeat them for searching."""

    seq = models.PositiveBigIntegerField(primary_key=True)
    at = models.DateTimeField()
    actor = models.CharField(max_length=150)
    actor_id = models.CharField(
        max_length=64, blank=True, help_text="Stable id of the person, empty for the system."
    )
    action = models.CharField(max_length=64)
    outcome = models.CharField(max_length=16)
    target = models.CharField(max_length=255, blank=True)
    environment = models.CharField(max_length=16, blank=True)
    account_id = models.CharField(max_length=12, blank=True)
    region = models.CharField(max_length=32, blank=True)
    cluster = models.CharField(max_length=255, blank=True)
    service = models.CharField(max_length=255, blank=True)
    reason = models.TextField(blank=True)
    data = models.JSONField(default=dict)
    ip = models.CharField(max_length=45, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    canonical = models.BinaryField()
    prev_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)

    class Meta:
        ordering = ["-seq"]
        verbose_name_plural = "audit entries"
        indexes = [
            # The audit page filters by each of these, newest first.
            models.Index(fields=["actor", "-seq"], name="audit_actor"),
            models.Index(fields=["action", "-seq"], name="audit_action"),
            models.Index(fields=["target", "-seq"], name="audit_target"),
        ]

    def __str__(self) -> str:
        return f"{self.seq} {self.action} by {self.actor}"


class AuditChain(models.Model):
    """The head of the chain: one row, locked by each writer, so that two entries never share a predecessor."""

    next_seq = models.PositiveBigIntegerField(default=1)
    head_hash = models.CharField(max_length=64)

    def __str__(self) -> str:
        return f"next {self.next_seq}"
