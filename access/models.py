"""Role bindings: who holds which role where; and the tokens by which machines act for people."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import models
from django.db.models import Q
from django.utils import timezone

from access.decisions import DIMENSIONS, ROLE_LABELS, Binding
from access.places import Placed


class ApiToken(models.Model):
    """A key by which a machine acts for a person, with no more than a part of that person's rights.

    Only its hash is stored; `prefix` is what people and secret scanners know it by.
    """

    class Scope(models.TextChoices):
        READ = "read", "Read"
        OPERATE = "operate", "Operate"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=16, unique=True)
    sha256 = models.CharField(max_length=64, unique=True)
    scope = models.CharField(max_length=8, choices=Scope.choices)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.user}/{self.name}"

    def is_live_at(self, now: datetime) -> bool:
        """Whether it still opens anything: neither revoked nor expired, and its owner not disabled."""
        return self.revoked_at is None and now < self.expires_at and self.user.is_active


class RoleBinding(Placed):
    """One role for one user, group or token at one place, allowed or denied, for ever or until a date.

    A token's bindings narrow what it has of its owner; they never add to it.
    """

    class Effect(models.TextChoices):
        ALLOW = "allow", "Allow"
        DENY = "deny", "Deny"

    class Source(models.TextChoices):
        LOCAL = "local", "Granted here"
        IDP = "idp", "From the identity provider"

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="role_bindings",
    )
    group = models.ForeignKey(
        Group, null=True, blank=True, on_delete=models.CASCADE, related_name="role_bindings"
    )
    token = models.ForeignKey(
        ApiToken, null=True, blank=True, on_delete=models.CASCADE, related_name="role_bindings"
    )
    role = models.CharField(max_length=20, choices=list(ROLE_LABELS.items()))
    effect = models.CharField(max_length=5, choices=Effect.choices, default=Effect.ALLOW)
    not_after = models.DateTimeField(null=True, blank=True)
    source = models.CharField(max_length=5, choices=Source.choices, default=Source.LOCAL, editable=False)
    mapping = models.ForeignKey(
        "GroupMapping",
        null=True,
        blank=True,
        # What a group gave ends with the mapping, not at each person's next sign-in.
        on_delete=models.CASCADE,
        related_name="bindings",
        editable=False,
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            # A binding without a subject would bind nobody, one with two would be ambiguous in reports.
            models.CheckConstraint(
                condition=Q(user__isnull=False, group__isnull=True, token__isnull=True)
                | Q(user__isnull=True, group__isnull=False, token__isnull=True)
                | Q(user__isnull=True, group__isnull=True, token__isnull=False),
                name="binding_has_one_subject",
                violation_error_message="Choose a user, a group or a token.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.effect} {self.user or self.group or self.token} {self.get_role_display()} {self.where}"

    def as_binding(self) -> Binding:
        """Return the pure value that `decide` works on."""
        return Binding(
            id=self.pk,
            role=self.role,
            environment=self.environment,
            account_id=self.account_id,
            region=self.region,
            cluster=self.cluster,
            service=self.service,
            allows=self.effect == self.Effect.ALLOW,
            not_after=self.not_after,
        )


class GroupMapping(Placed):
    """What members of a group at the identity provider get here: one role at one place.

    Never edited: to change one, remove it and add another. The bindings that came of it go with it.
    """

    idp_group = models.CharField("group at the identity provider", max_length=255)
    role = models.CharField(max_length=20, choices=list(ROLE_LABELS.items()))
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["idp_group", "role", "pk"]
        constraints = [
            # Twice the same would give each person the same binding twice.
            models.UniqueConstraint(
                fields=["idp_group", "role", "environment", "account_id", "region", "cluster", "service"],
                name="group_mapping_is_said_once",
                violation_error_message="This group has this role there already.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.idp_group}: {self.get_role_display()} {self.where}"

    @property
    def facts(self) -> dict[str, str]:
        """Return role and place as entries of the ledger carry them."""
        return {"role": self.role, **{name: getattr(self, name) for name in DIMENSIONS}}


class BindingRequest(models.Model):
    """A change of access that waits for a second person; applied once, to exactly what was asked about."""

    class Kind(models.TextChoices):
        ADD = "add", "Grant"
        CHANGE = "change", "Change"
        REMOVE = "remove", "Remove"
        JOIN = "join", "Add to a group"
        LEAVE = "leave", "Take out of a group"
        ENABLE = "enable", "Enable"
        MAP = "map", "Map a group"

    class State(models.TextChoices):
        OPEN = "open", "Waits"
        APPLIED = "applied", "Applied"
        REFUSED = "refused", "Refused"
        WITHDRAWN = "withdrawn", "Withdrawn"

    kind = models.CharField(max_length=8, choices=Kind.choices)
    title = models.CharField(max_length=255)
    # What is asked, in the words of `access.wishes`; with it how things stood, which must still be so when it is applied.
    wish = models.JSONField()
    reason = models.TextField(blank=True)
    why = models.CharField(max_length=255, help_text="Why it needs a second person.")
    requester = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            # Whatever else goes wrong, nobody is their own second person.
            models.CheckConstraint(
                condition=~Q(state="applied") | ~Q(decided_by=models.F("requester")),
                name="binding_request_applied_by_another",
            )
        ]

    def __str__(self) -> str:
        return f"AR-{self.pk}"

    def is_open_at(self, now: datetime) -> bool:
        return self.state == self.State.OPEN and now < self.expires_at


class PersonSession(models.Model):
    """Whose a session is and where it came from: Django's own row does not say, so it could not be ended by person."""

    session_key = models.CharField(max_length=40, unique=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="console_sessions"
    )
    method = models.CharField(max_length=16, help_text="password, sso or first admin")
    ip = models.CharField(max_length=45, blank=True)
    user_agent = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    seen_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-seen_at", "-pk"]

    def __str__(self) -> str:
        return f"{self.user} since {self.created_at:%Y-%m-%d %H:%M}"

    @property
    def browser(self) -> str:
        """Return the browser and the system that the user agent names, for telling one's own sessions apart."""
        # The order counts: Edge says Chrome, and Chrome says Safari; Android says Linux.
        browser = first_named(self.user_agent, ("Firefox", "Edg", "Chrome", "Safari", "curl"))
        system = first_named(self.user_agent, ("Android", "iPhone", "iPad", "Windows", "Mac OS X", "Linux"))
        words = [{"Edg": "Edge"}.get(browser, browser), system and f"on {system}"]
        return " ".join(word for word in words if word) or "Unknown browser"


def first_named(text: str, names: tuple[str, ...]) -> str:
    return next((name for name in names if name in text), "")
