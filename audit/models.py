"""The ledger: append-only entries in one hash chain."""

from __future__ import annotations

from datetime import UTC, datetime

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
            # Reports and the page's counts read a period.
            models.Index(fields=["at"], name="audit_at"),
        ]

    def __str__(self) -> str:
        return f"{self.seq} {self.action} by {self.actor}"


class AuditChain(models.Model):
    """The head of the chain: one row, locked by each writer, so that two entries never share a predecessor."""

    next_seq = models.PositiveBigIntegerField(default=1)
    head_hash = models.CharField(max_length=64)

    def __str__(self) -> str:
        return f"next {self.next_seq}"


class LedgerKey(models.Model):
    """A public key that has signed checkpoints; `canonical` is what the key before it has signed with `signature`."""

    key_id = models.CharField(max_length=16, primary_key=True)
    public_key = models.CharField(max_length=64, unique=True)
    added_at = models.DateTimeField()
    canonical = models.BinaryField()
    signature = models.CharField(max_length=128, help_text="By itself for the first key.")

    class Meta:
        ordering = ["added_at"]

    def __str__(self) -> str:
        return self.key_id


class Checkpoint(models.Model):
    """A signed statement of where the chain stood; `canonical` holds the exact bytes that were signed."""

    number = models.PositiveBigIntegerField(primary_key=True)
    seq = models.PositiveBigIntegerField(help_text="The last entry that it covers.")
    head_hash = models.CharField(max_length=64)
    at = models.DateTimeField()
    key = models.ForeignKey(LedgerKey, on_delete=models.PROTECT, related_name="checkpoints")
    canonical = models.BinaryField()
    signature = models.CharField(max_length=128)

    class Meta:
        ordering = ["-number"]
        # An export walks the checkpoints beside the entries.
        indexes = [models.Index(fields=["seq", "number"], name="audit_checkpoint_seq")]

    def __str__(self) -> str:
        return f"checkpoint {self.number} through entry {self.seq}"


class Duty(models.Model):
    """Something that is done for the ledger again and again, and how it goes: signing, copying, verifying.

    No evidence: it may be rewritten at any time, and is what the ledger page shows.
    """

    name = models.CharField(max_length=16, primary_key=True)
    detail = models.JSONField(default=dict)
    asked_at = models.DateTimeField(null=True)
    done_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)
    failure_count = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True)
    next_at = models.DateTimeField(default=datetime(2000, 1, 1, tzinfo=UTC))

    class Meta:
        verbose_name_plural = "duties"

    def __str__(self) -> str:
        return self.name
