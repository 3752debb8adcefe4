"""What is being followed: one row for each log group and stream prefix, however many people look."""

from __future__ import annotations

import hashlib

from django.db import models
from django.utils import timezone

from clusters.models import Account


class LogTail(models.Model):
    """A followed log group: until when, how far it was read, and what went wrong. Its lines are in Redis."""

    key = models.CharField(max_length=20, unique=True)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="log_tails")
    region = models.CharField(max_length=32)
    group = models.CharField(max_length=512)
    stream_prefix = models.CharField(max_length=512, blank=True)
    watched_until = models.DateTimeField(default=timezone.now)
    cursor_ms = models.BigIntegerField(default=0, help_text="Time of the newest event that was read.")
    next_due_at = models.DateTimeField(default=timezone.now)
    read_at = models.DateTimeField(null=True, help_text="Last read that worked.")
    failure_count = models.PositiveIntegerField(default=0)
    failing_since = models.DateTimeField(null=True)
    error_action = models.CharField(max_length=80, blank=True)
    error_code = models.CharField(max_length=120, blank=True)
    error_message = models.TextField(blank=True)
    error_request_id = models.CharField(max_length=80, blank=True)
    error_hint = models.TextField(blank=True)

    class Meta:
        indexes = [
            # Asked every second: which of the watched ones are due.
            models.Index(fields=["watched_until", "next_due_at"], name="log_tail_due"),
        ]

    def __str__(self) -> str:
        return f"{self.group} {self.stream_prefix}".rstrip()

    @property
    def topic(self) -> str:
        """Return the name of its nudge."""
        return f"logs:{self.key}"


def tail_key(account_id: str, region: str, group: str, stream_prefix: str) -> str:
    """Return the short name of a tail, the same wherever the same lines are meant."""
    identity = "\0".join([account_id, region, group, stream_prefix])
    return hashlib.sha256(identity.encode()).hexdigest()[:20]
