"""Filters of the pages of changes and of deployments; all of them live in the address."""

from __future__ import annotations

from typing import Any, Literal, get_args

import django_filters
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.fields.json import KeyTextTransform

from clusters.models import Environment, ServiceDeployment
from deployments.models import Change, Kind
from deployments.states import ACTIVE, State
from ecsconsole.numbers import is_number

INSIDE, OUTSIDE = "console", "outside"
ACTIVE_CHOICE = ("active", "Active")
ORIGINS = [(INSIDE, "By the console"), (OUTSIDE, "Outside the console")]
# The statuses of DescribeServiceDeployments, in the order of a life.
DeploymentStatus = Literal[
    "PENDING",
    "IN_PROGRESS",
    "SUCCESSFUL",
    "STOP_REQUESTED",
    "STOPPED",
    "ROLLBACK_REQUESTED",
    "ROLLBACK_IN_PROGRESS",
    "ROLLBACK_SUCCESSFUL",
    "ROLLBACK_FAILED",
]


class ChangeFilter(django_filters.FilterSet):  # type: ignore[misc]
    """State, kind, place, person and text."""

    q = django_filters.CharFilter(method="search", label="Text")
    state = django_filters.ChoiceFilter(
        choices=[ACTIVE_CHOICE, *State.choices], method="by_state", empty_label="Any state", label="State"
    )
    kind = django_filters.ChoiceFilter(choices=Kind.choices, empty_label="Any kind", label="Kind")
    environment = django_filters.ChoiceFilter(
        field_name="service__cluster__environment",
        choices=Environment.choices,
        empty_label="Any environment",
        label="Environment",
    )
    requester = django_filters.CharFilter(
        field_name="requester__username", lookup_expr="iexact", label="Person"
    )

    class Meta:
        model = Change
        fields = ["q", "state", "kind", "environment", "requester"]

    def by_state(self, queryset: QuerySet[Change], name: str, value: str) -> QuerySet[Change]:
        return (
            queryset.filter(state__in=sorted(ACTIVE)) if value == "active" else queryset.filter(state=value)
        )

    def search(self, queryset: QuerySet[Change], name: str, value: str) -> QuerySet[Change]:
        """Search what a person would remember; CR-12 and 12 find the change of that number."""
        number = value.strip().upper().removeprefix("CR-")
        matches = (
            Q(title__icontains=value)
            | Q(service__name__icontains=value)
            | Q(service__cluster__name__icontains=value)
            | Q(ticket__iexact=value)
            | Q(reason__icontains=value)
        )
        return queryset.filter(matches | Q(pk=int(number)) if is_number(number) else matches)


class HistoryFilter(django_filters.FilterSet):  # type: ignore[misc]
    """Where, what, how it ended, who started it and when."""

    q = django_filters.CharFilter(field_name="service__name", lookup_expr="icontains", label="Service")
    environment = django_filters.ChoiceFilter(
        field_name="service__cluster__environment",
        choices=Environment.choices,
        empty_label="Any environment",
        label="Environment",
    )
    account = django_filters.CharFilter(field_name="service__cluster__account__account_id", label="Account")
    cluster = django_filters.CharFilter(
        field_name="service__cluster__name", lookup_expr="iexact", label="Cluster"
    )
    status = django_filters.ChoiceFilter(
        choices=[(status, status) for status in get_args(DeploymentStatus)],
        empty_label="Any status",
        label="Status",
    )
    origin = django_filters.ChoiceFilter(
        choices=ORIGINS, method="by_origin", empty_label="Any origin", label="Origin"
    )
    who = django_filters.CharFilter(method="by_person", label="Person or principal")
    since = django_filters.DateFilter(field_name="created_at", lookup_expr="date__gte", label="From")
    until = django_filters.DateFilter(field_name="created_at", lookup_expr="date__lte", label="To")

    class Meta:
        model = ServiceDeployment
        fields = ["q", "environment", "account", "cluster", "status", "origin", "who", "since", "until"]

    def by_origin(
        self, queryset: QuerySet[ServiceDeployment], name: str, value: str
    ) -> QuerySet[ServiceDeployment]:
        known = Exists(changes_of_deployment(OuterRef("arn"), OuterRef("service_id")))
        return queryset.filter(known if value == INSIDE else ~known)

    def by_person(
        self, queryset: QuerySet[ServiceDeployment], name: str, value: str
    ) -> QuerySet[ServiceDeployment]:
        """Search who began it: the requester of its change, or what CloudTrail tells of the caller."""
        text = value.strip()
        asked = changes_of_deployment(OuterRef("arn"), OuterRef("service_id"))
        return queryset.filter(
            Q(created_by__icontains=text)
            | Q(identity__principal_arn__icontains=text)
            | Q(identity__source_identity__icontains=text)
            | Exists(asked.filter(requester__username__icontains=text))
        )


def changes_of_deployment(arn: Any, service_id: Any) -> QuerySet[Change]:
    """Return the changes that are about one service deployment."""
    text = KeyTextTransform("service_deployment_arn", "progress")
    return Change.objects.filter(service_id=service_id).annotate(about=text).filter(about=arn)
