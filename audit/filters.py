"""Filters of the audit page; all of them live in the address."""

from __future__ import annotations

from functools import reduce
from operator import or_

import django_filters
from django.db.models import Q, QuerySet

from audit.models import AuditEntry
from ecsconsole.errors import ConsoleError

OUTCOMES = [("ok", "Recorded"), ("refused", "Refused"), ("failed", "Failed")]
ENVIRONMENTS = [("production", "Production"), ("staging", "Staging"), ("development", "Development")]
# What belongs together: label, and how the actions of a kind begin.
KINDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "changes": ("Changes", ("change.", "failure.")),
    "rollouts": ("Deployments seen", ("deployments.observed", "deployments.ended")),
    "outside": ("Outside the console", ("deployments.attributed",)),
    "overrides": ("Overrides", ("change.overridden", "change.glass_broken", "override.")),
    "rules": ("Policies and freezes", ("policy.", "freeze.")),
    "access": (
        "Access and people",
        (
            "access.",
            "binding.",
            "rolebinding.",
            "user.",
            "group.",
            "group_mapping.",
            "person.",
            "token.",
            "admin.",
        ),
    ),
    "sign-ins": ("Sign-ins", ("sign_in.", "sessions.", "factor.")),
    "reads": ("Sensitive reads", ("logs.download", "environment.", "audit.exported", "deployments.exported")),
    "accounts": ("AWS accounts", ("account.",)),
    "ledger": ("The ledger itself", ("audit.",)),
}


class FilterUnusable(ConsoleError):
    """What is handed out about something else than what was asked would be mistaken for it."""

    status = 400
    title = "This filter cannot be used"


def require_usable(found: django_filters.FilterSet) -> None:
    """Raise `FilterUnusable` where a filter could not be read, and would therefore hold nothing back."""
    if not found.is_valid():
        said = " ".join(f"{name}: {errors[0]}" for name, errors in found.errors.items())
        raise FilterUnusable(said, advice="Correct the filter on the page, then export.")


def of_kind(kind: str) -> Q:
    """Return the condition that an entry is of a kind."""
    return reduce(or_, (Q(action__startswith=start) for start in KINDS[kind][1]))


class AuditFilter(django_filters.FilterSet):  # type: ignore[misc]
    """Who, what, where, when and how it ended."""

    q = django_filters.CharFilter(method="search", label="Text")
    actor = django_filters.CharFilter(lookup_expr="iexact", label="Person")
    kind = django_filters.ChoiceFilter(
        choices=[(name, label) for name, (label, _) in KINDS.items()],
        method="by_kind",
        empty_label="Any kind",
        label="Kind",
    )
    action = django_filters.CharFilter(lookup_expr="startswith", label="Action")
    outcome = django_filters.ChoiceFilter(choices=OUTCOMES, empty_label="Any outcome", label="Outcome")
    environment = django_filters.ChoiceFilter(
        choices=ENVIRONMENTS, empty_label="Any environment", label="Environment"
    )
    since = django_filters.DateFilter(field_name="at", lookup_expr="date__gte", label="From")
    until = django_filters.DateFilter(field_name="at", lookup_expr="date__lte", label="To")

    class Meta:
        model = AuditEntry
        fields = ["q", "actor", "kind", "action", "outcome", "environment", "since", "until"]

    def by_kind(self, queryset: QuerySet[AuditEntry], name: str, value: str) -> QuerySet[AuditEntry]:
        return queryset.filter(of_kind(value))

    def search(self, queryset: QuerySet[AuditEntry], name: str, value: str) -> QuerySet[AuditEntry]:
        """Search the texts that a person would remember."""
        return queryset.filter(
            Q(target__icontains=value)
            | Q(reason__icontains=value)
            | Q(service__icontains=value)
            | Q(cluster__icontains=value)
            | Q(request_id=value)
        )
