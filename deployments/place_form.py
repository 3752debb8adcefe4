"""The fields of a place, as forms of policies and freezes have them."""

from __future__ import annotations

from django import forms

from access.resources import ENVIRONMENTS

PLACE = ("environment", "account_id", "region", "cluster", "service")


class PlaceForm(forms.Form):
    """The fields of a place; an empty one means any."""

    environment = forms.ChoiceField(
        required=False, choices=[("", "any"), *((name, name) for name in ENVIRONMENTS)]
    )
    account_id = forms.RegexField(
        r"^\d{12}$",
        required=False,
        label="Account",
        help_text="12 digits; empty: any",
        error_messages={"invalid": "An account id has 12 digits."},
    )
    region = forms.CharField(required=False, max_length=32, help_text="Empty: any")
    cluster = forms.CharField(
        required=False, max_length=255, help_text="Name or glob such as prod-*; empty: any"
    )
    service = forms.CharField(required=False, max_length=255, help_text="Name or glob; empty: any")

    @property
    def place_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in PLACE]

    def take_errors(self, errors: dict[str, str]) -> None:
        """Put the errors of an action at their fields."""
        for name, sentence in errors.items():
            self.add_error(name if name in self.fields else None, sentence)
