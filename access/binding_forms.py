"""Forms and filters of the pages of access."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC
from typing import Any

import django_filters
from django import forms
from django.contrib.auth.models import Group, User
from django.core.validators import RegexValidator
from django.db.models import Q, QuerySet
from django.utils import timezone

from access.decisions import ROLE_LABELS
from access.models import ApiToken, RoleBinding
from access.records import facts_of, id_of
from access.resources import ENVIRONMENTS

ENVIRONMENT_CHOICES = [(name, name.capitalize()) for name in ENVIRONMENTS]
GLOB_HELP = "name or glob; empty: any"
# Fields beside what is chosen of the binding.
NO_VALUES = frozenset({"reason", "subject", "seen"})
STATES = [("now", "In force"), ("ended", "Ended")]


class BindingForm(forms.Form):
    """Role, effect, place and end of a binding."""

    role = forms.ChoiceField(choices=[("", "choose"), *ROLE_LABELS.items()])
    effect = forms.ChoiceField(choices=RoleBinding.Effect.choices, initial=RoleBinding.Effect.ALLOW)
    environment = forms.ChoiceField(required=False, choices=[("", "any"), *((n, n) for n in ENVIRONMENTS)])
    account_id = forms.CharField(
        required=False,
        label="Account",
        help_text="12 digits; empty: any",
        validators=[RegexValidator(r"^\d{12}$", "An account id has 12 digits.")],
    )
    region = forms.CharField(required=False, max_length=32, help_text="empty: any")
    cluster = forms.CharField(required=False, max_length=255, help_text=GLOB_HELP)
    service = forms.CharField(required=False, max_length=255, help_text=GLOB_HELP)
    not_after = forms.DateTimeField(
        required=False, label="Until, UTC", widget=forms.DateTimeInput(attrs={"type": "datetime-local"})
    )
    reason = forms.CharField(required=False, max_length=500, help_text="for the ledger and the second person")
    # Stands for the binding as the form showed it, so that no edit is written over one that nobody saw.
    seen = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput)

    def clean_not_after(self) -> Any:
        until = self.cleaned_data["not_after"]
        if until is not None and until <= timezone.now():
            raise forms.ValidationError("That is over already; to end a binding now, remove it.")
        return until

    @property
    def values(self) -> dict[str, Any]:
        """Return what was chosen of the binding."""
        return {name: value for name, value in self.cleaned_data.items() if name not in NO_VALUES}


class NewBindingForm(BindingForm):
    """The same for somebody."""

    subject = forms.ChoiceField(
        label="Who", error_messages={"required": "Choose a person, a group or a token."}
    )
    field_order = ["subject"]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        field: Any = self.fields["subject"]
        field.choices = [("", "choose"), *subjects()]


def subjects() -> list[tuple[str, list[tuple[str, str]]]]:
    """Return everybody to whom a role can be given, by kind."""
    now = timezone.now()
    people = User.objects.filter(is_active=True).order_by("username")
    tokens = ApiToken.objects.filter(revoked_at=None, expires_at__gt=now).select_related("user")
    kinds: list[tuple[str, Any]] = [
        ("People", people),
        ("Groups", Group.objects.order_by("name")),
        ("Tokens", tokens),
    ]
    found = [(label, [(id_of(one), str(one)) for one in rows]) for label, rows in kinds]
    return [(label, choices) for label, choices in found if choices]


def initial_of(binding: RoleBinding) -> dict[str, Any]:
    """Return a binding as its form shows it."""
    names = ("role", "effect", "environment", "account_id", "region", "cluster", "service")
    until = binding.not_after
    shown = until.astimezone(UTC).strftime("%Y-%m-%dT%H:%M") if until else ""
    return {**{name: getattr(binding, name) for name in names}, "not_after": shown, "seen": seen_of(binding)}


def seen_of(binding: RoleBinding) -> str:
    """Return what stands for a binding as it is."""
    return hashlib.sha256(json.dumps(facts_of(binding), sort_keys=True).encode()).hexdigest()


class BindingFilter(django_filters.FilterSet):  # type: ignore[misc]
    """Who, which role, where, from where, and whether it holds now."""

    q = django_filters.CharFilter(method="search", label="Who or where")
    role = django_filters.ChoiceFilter(
        choices=list(ROLE_LABELS.items()), empty_label="Any role", label="Role"
    )
    environment = django_filters.ChoiceFilter(
        choices=ENVIRONMENT_CHOICES, empty_label="Any environment", label="Environment"
    )
    source = django_filters.ChoiceFilter(
        choices=RoleBinding.Source.choices, empty_label="Any source", label="Source"
    )
    state = django_filters.ChoiceFilter(
        choices=STATES, method="by_state", empty_label="In force or ended", label="State"
    )

    class Meta:
        model = RoleBinding
        fields = ["q", "role", "environment", "source", "state"]

    def by_state(self, rows: QuerySet[RoleBinding], name: str, value: str) -> QuerySet[RoleBinding]:
        ended = Q(not_after__lte=timezone.now())
        return rows.filter(ended) if value == "ended" else rows.exclude(ended)

    def search(self, rows: QuerySet[RoleBinding], name: str, value: str) -> QuerySet[RoleBinding]:
        """Search names of people, groups and tokens, and places."""
        columns = ("user__username", "group__name", "token__name", "account_id", "cluster", "service")
        found = Q()
        for column in columns:
            found |= Q(**{f"{column}__icontains": value})
        return rows.filter(found)
