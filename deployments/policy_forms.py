"""The form of an approval policy."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib.auth.models import Group

from access.decisions import ROLE_LABELS
from deployments.actions.governing import FIELDS
from deployments.models import ApprovalPolicy
from deployments.place_form import PlaceForm
from deployments.policies import GROUP, ROLE, SUBJECTS, describe_who


class PolicyForm(PlaceForm):
    """What a policy asks for, and where."""

    name = forms.CharField(max_length=80, help_text="Says what it is for; it stays through all versions")
    subjects = forms.MultipleChoiceField(
        required=False,
        choices=list(SUBJECTS.items()),
        label="Asked for by",
        help_text="None chosen: every kind but a rollback",
    )
    approvals = forms.IntegerField(
        initial=1, label="Approvals", help_text="People other than the requester, 0 to 5"
    )
    eligible = forms.MultipleChoiceField(
        required=False, label="From", help_text="None chosen: anybody who may approve there"
    )
    must_include = forms.MultipleChoiceField(
        required=False, label="At least one each from", help_text="Beside what is asked for above"
    )
    expiry_hours = forms.IntegerField(
        initial=24, label="An approval holds", help_text="Hours, 1 to 336; unused it is void after that"
    )
    wait_minutes = forms.IntegerField(
        initial=0, label="Wait", help_text="Minutes from the request to the earliest start"
    )
    ticket_pattern = forms.CharField(
        required=False,
        max_length=200,
        label="Ticket",
        help_text="Regular expression for the whole ticket, such as OPS-\\d+; empty: none asked for",
    )
    needs_reason = forms.BooleanField(required=False, initial=True, label="A reason is needed")

    def __init__(self, data: Any = None, policy: ApprovalPolicy | None = None) -> None:
        initial = {name: getattr(policy, name) for name in FIELDS} if policy else None
        super().__init__(data, initial=initial)
        kept = [*policy.eligible, *policy.must_include] if policy else []
        people = [f"{ROLE}{role}" for role in ROLE_LABELS]
        people += [f"{GROUP}{name}" for name in Group.objects.order_by("name").values_list("name", flat=True)]
        choices = [(who, describe_who(who).capitalize()) for who in dict.fromkeys([*people, *kept])]
        for name in ("eligible", "must_include"):
            cast("forms.MultipleChoiceField", self.fields[name]).choices = choices
        if policy:
            # A policy is known by its name; under another one it would be another policy.
            del self.fields["name"]
