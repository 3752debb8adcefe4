"""Filters of the audit page; all of them live in the address."""

from __future__ import annotations

import django_filters
from django import forms
from django.db.models import Q, QuerySet

from audit.models import AuditEntry

OUTCOMES = [("ok", "Recorded"), ("refused", "Refused"), ("failed", "Failed")]


class AuditFilter(django_filters.FilterSet):  # type: ignore[misc]
    """Who, what, where, when and how it ended."""

    q = django_filters.CharFilter(method="search", label="Text")
    actor = django_filters.CharFilter(lookup_expr="iexact", label="Person")
    action = django_filters.CharFilter(lookup_expr="startswith", label="Action")
    outcome = django_filters.ChoiceFilter(
        choices=OUTCOMES,
        empty_label="Any outcome",
        label="Outcome",
        widget=forms.Select(attrs={"class": "input small"}),
    )
    environment = django_filters.CharFilter(label="Environment")
    since = django_filters.DateFilter(field_name="at", lookup_expr="date__gte", label="From")
    until = django_filters.DateFilter(field_name="at", lookup_expr="date__lte", label="To")

    class Meta:
        model = AuditEntry
        fields = ["q", "actor", "action", "outcome", "environment", "since", "until"]

    def search(self, queryset: QuerySet[AuditEntry], name: str, value: str) -> QuerySet[AuditEntry]:
        """Search the texts that a person would remember."""
        return queryset.filter(
            Q(target__icontains=value)
            | Q(reason__icontains=value)
            | Q(service__icontains=value)
            | Q(cluster__icontains=value)
        )
