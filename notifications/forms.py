"""What a person says of a channel and of what it is told."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from notifications.kinds import ALL
from notifications.models import Channel, Subscription
from notifications.senders.address import judge
from notifications.senders.outcome import SendFailed

LEAST_SECRET = 16
URL_HELP = {
    Channel.Type.SLACK: "From the app's page Incoming Webhooks: https://hooks.slack.com/services/…",
    Channel.Type.TEAMS: "From the workflow “Send webhook alerts to a channel”",
    Channel.Type.WEBHOOK: "https only; each message is POSTed to it as JSON",
}


class ChannelForm(forms.Form):
    """A channel's name, address and secret; the last two are never shown again, so an edit may leave them empty."""

    name = forms.CharField(max_length=80, help_text="Such as #deploys")
    address = forms.CharField(max_length=2000)
    secret = forms.CharField(
        max_length=200,
        min_length=LEAST_SECRET,
        label="Signing secret",
        help_text=f"At least {LEAST_SECRET} random characters, which the receiver has as well",
    )

    def __init__(self, type_: str, channel: Channel | None, data: Any = None) -> None:
        super().__init__(data, initial={"name": channel.name} if channel else None)
        self.type, self.channel = type_, channel
        if type_ != Channel.Type.WEBHOOK:
            del self.fields["secret"]
        address = self.fields["address"]
        is_email = type_ == Channel.Type.EMAIL
        address.label = "Recipients" if is_email else "Webhook URL"
        address.help_text = "Addresses, comma-separated" if is_email else URL_HELP[Channel.Type(type_)]
        if channel is not None:
            for name in {"address", "secret"} & set(self.fields):
                self.fields[name].required = False
                self.fields[name].help_text = "Leave empty to keep the one that is there"

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"])
        others = Channel.objects.exclude(pk=self.channel.pk) if self.channel else Channel.objects.all()
        if others.filter(name=name).exists():
            raise ValidationError("Another channel has this name.")
        return name

    def clean_address(self) -> str:
        """Check the address as the sender will; the name is looked up, so a wrong one is found now."""
        address = str(self.cleaned_data["address"])
        if self.type == Channel.Type.EMAIL:
            return clean_recipients(address)
        if address:
            try:
                judge(address)
            except SendFailed as error:
                raise ValidationError(str(error)) from error
        return address

    def shown(self, name: str) -> str:
        """Return what a field shows: secrets are asked again, everything else keeps what was typed."""
        is_secret = name == "secret" or (name == "address" and self.type != Channel.Type.EMAIL)
        return "" if is_secret else str(self[name].value() or "")

    @property
    def rows(self) -> list[tuple[forms.BoundField, str, bool]]:
        """Return each field with what it shows and whether what is typed into it is hidden."""
        return [(field, self.shown(field.name), field.name == "secret") for field in self]


def clean_recipients(text: str) -> str:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    for part in parts:
        try:
            validate_email(part)
        except ValidationError:
            raise ValidationError(f"{part} is no e-mail address.") from None
    if parts and not settings.HAS_EMAIL:
        raise ValidationError("EMAIL_URL is not set, so the console has no mail server.")
    return ", ".join(parts)


class SubscriptionForm(forms.ModelForm):  # type: ignore[type-arg]
    """Which kinds of news a channel is told, and of which places."""

    kinds = forms.MultipleChoiceField(
        required=False,
        choices=[(kind.id, kind.label) for kind in ALL],
        widget=forms.CheckboxSelectMultiple,
        help_text="none ticked: every kind",
    )

    class Meta:
        model = Subscription
        fields = ["kinds", "environment", "account_id", "region", "cluster", "service"]

    @property
    def place_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.Meta.fields if name != "kinds"]

    @property
    def kind_rows(self) -> list[dict[str, Any]]:
        ticked = self["kinds"].value() or []
        return [{"kind": kind, "is_ticked": kind.id in ticked} for kind in ALL]
