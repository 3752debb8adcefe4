"""Channels, what they subscribe to, and the outbox: one message per piece of news, one delivery per channel."""

from __future__ import annotations

import hashlib
import uuid
from datetime import datetime, timedelta
from typing import ClassVar

from django.db import models
from django.utils import timezone

from access.places import Placed
from notifications.kinds import Kind, kind_of

LONGEST_KEY = 255


def stored_key(key: str) -> str:
    """Return a key as it is kept: names of clusters and services may make one longer than its column."""
    return key if len(key) <= LONGEST_KEY else f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"


class Channel(models.Model):
    """A way to tell people elsewhere. Its address and its signing secret are sealed and never shown again."""

    class Type(models.TextChoices):
        SLACK = "slack", "Slack"
        TEAMS = "teams", "Microsoft Teams"
        WEBHOOK = "webhook", "Webhook"
        EMAIL = "email", "E-mail"

    name = models.CharField(
        max_length=80,
        unique=True,
        error_messages={"unique": "Another channel has this name."},
        help_text="Such as #deploys",
    )
    type = models.CharField(max_length=8, choices=Type.choices)
    sealed_address = models.TextField(help_text="Webhook URL, or recipients, sealed.")
    sealed_secret = models.TextField(blank=True, help_text="What signs a webhook's messages, sealed.")
    # Host of the URL, or recipients: says which channel it is without opening anything.
    shown_address = models.CharField(max_length=500)
    is_enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now)
    succeeded_at = models.DateTimeField(null=True, blank=True)
    failed_at = models.DateTimeField(
        null=True, blank=True, help_text="When the present run of failures began."
    )
    failure_count = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Subscription(Placed):
    """What a channel is told: news of some kinds, at some place."""

    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="subscriptions")
    # Ids of `notifications.kinds`; empty means every kind.
    kinds = models.JSONField(default=list, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.channel}: {', '.join(self.labels) or 'everything'} in {self.place}"

    @property
    def labels(self) -> list[str]:
        return [kind_of(name).label for name in self.kinds]


class Message(Placed):
    """One piece of news, as it was when it happened; written only if some channel is to be told."""

    message_id = models.UUIDField(default=uuid.uuid4, unique=True)
    kind = models.CharField(max_length=32)
    actor = models.CharField(max_length=150)
    title = models.CharField(max_length=255)
    text = models.TextField(blank=True)
    path = models.CharField(max_length=500, help_text="The page to look at, without the host.")
    data = models.JSONField(default=dict)
    # What may be told once only names itself here, such as a deployment outside the console.
    key = models.CharField(max_length=LONGEST_KEY, null=True, unique=True)
    created_at = models.DateTimeField(default=timezone.now, db_index=True)  # old ones are pruned by it

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.kind}: {self.title}"

    @property
    def look(self) -> Kind:
        return kind_of(self.kind)


# Further ahead than the longest wait after a try lies only what was written by a clock that was ahead.
FARTHEST = timedelta(hours=4)


def is_due(now: datetime) -> models.Q:
    """Return the condition that a delivery is to be looked at now."""
    return models.Q(next_at__lte=now) | models.Q(next_at__gt=now + FARTHEST)


class Delivery(models.Model):
    """One message on its way to one channel. Only `notifications.delivering` moves it."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        SENDING = "sending", "Sending"
        SENT = "sent", "Sent"
        DEAD = "dead", "Dead letter"
        DROPPED = "dropped", "Dropped"

    # Shape and colour beside each state.
    LOOKS: ClassVar = {
        "waiting": "deploying",
        "sending": "deploying",
        "sent": "steady",
        "dead": "failed",
        "dropped": "zero",
    }

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="deliveries")
    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="deliveries")
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    # Counts claims: half of the compare-and-set, and it goes on counting when somebody sends again.
    attempt_count = models.PositiveIntegerField(default=0)
    # Tries since the last time a person asked; the back-off goes by it.
    try_count = models.PositiveIntegerField(default=0)
    next_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    error = models.TextField(blank=True)

    class Meta:
        ordering = ["-pk"]
        verbose_name_plural = "deliveries"
        constraints = [
            # A channel with two subscriptions that match is told once.
            models.UniqueConstraint(fields=["message", "channel"], name="one_delivery_per_channel")
        ]
        indexes = [
            # The sweeper asks every few seconds for what is due.
            models.Index(fields=["next_at"], name="delivery_due", condition=models.Q(next_at__isnull=False)),
            # The page lists dead letters.
            models.Index(fields=["state", "-id"], name="delivery_state"),
        ]

    def __str__(self) -> str:
        return f"{self.message} to {self.channel}: {self.state}"

    @property
    def status(self) -> str:
        """Return the status whose shape and colour stand for the state."""
        return self.LOOKS[self.state]
