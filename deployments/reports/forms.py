"""The filter of the reports' pages; all of it lives in the address."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django import forms

from clusters.models import Environment
from deployments.reports.scope import Scope

# A quarter, which is what auditors sample.
USUAL_DAYS = 90
MOST_DAYS = 3 * 366


class ScopeForm(forms.Form):
    """Days and a place. Both days belong to the period; without them it is the last quarter."""

    since = forms.DateField(required=False, label="From")
    until = forms.DateField(required=False, label="To")
    environment = forms.ChoiceField(
        choices=[("", "Any environment"), *Environment.choices], required=False, label="Environment"
    )
    account_id = forms.RegexField(r"^\d{12}$", required=False, label="Account")
    region = forms.CharField(required=False, max_length=32, label="Region")
    cluster = forms.CharField(required=False, max_length=255, label="Cluster")
    service = forms.CharField(required=False, max_length=255, label="Service")

    def __init__(self, data: Any, today: date) -> None:
        super().__init__(data)
        self.today = today

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        end = cleaned.get("until") or self.today
        start = cleaned.get("since") or end - timedelta(days=USUAL_DAYS - 1)
        if start > end:
            raise forms.ValidationError("The period ends before it begins.")
        if (end - start).days > MOST_DAYS:
            raise forms.ValidationError("A report covers three years at most.")
        return {**cleaned, "since": start, "until": end}

    @property
    def problems(self) -> str:
        """Return what is wrong with it, in one line."""
        return " ".join(
            f"{self.fields[name].label}: {errors[0]}" if name in self.fields else str(errors[0])
            for name, errors in self.errors.items()
        )

    @property
    def scope(self) -> Scope:
        """Return the scope; of what is not valid, the default."""
        found = dict(self.cleaned_data) if self.is_valid() else {}
        end = found.pop("until", self.today)
        start = found.pop("since", end - timedelta(days=USUAL_DAYS - 1))
        return Scope(start, end, **found)
