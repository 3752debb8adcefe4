"""A place as columns: where a binding, a policy or a freeze holds."""

from __future__ import annotations

from django.core.validators import RegexValidator
from django.db import models

from access.decisions import part_matches
from access.resources import ENVIRONMENTS, Resource

EVERYWHERE = "everywhere"


class Placed(models.Model):
    """Something that holds at a place; an empty part means any, `cluster` and `service` may be globs."""

    # Chosen, not typed: a denial or a freeze for a misspelt environment would hold nowhere.
    environment = models.CharField(
        max_length=16, blank=True, choices=[(name, name) for name in ENVIRONMENTS], help_text="empty: any"
    )
    account_id = models.CharField(
        max_length=12,
        blank=True,
        validators=[RegexValidator(r"^\d{12}$", "An account id has 12 digits.")],
        help_text="12 digits; empty: any",
    )
    region = models.CharField(max_length=32, blank=True, help_text="empty: any")
    cluster = models.CharField(
        max_length=255, blank=True, help_text="Name or glob such as prod-*; empty: any"
    )
    service = models.CharField(max_length=255, blank=True, help_text="Name or glob; empty: any")

    class Meta:
        abstract = True

    @property
    def access_resource(self) -> Resource:
        return Resource(self.environment, self.account_id, self.region, self.cluster, self.service)

    @property
    def place(self) -> str:
        """Return the place in words: "production/prod-*", or "everywhere"."""
        parts = (self.environment, self.account_id, self.region, self.cluster, self.service)
        return "/".join(part for part in parts if part) or EVERYWHERE

    @property
    def where(self) -> str:
        """Return the place as the end of a sentence: "in production/prod-*", or "everywhere"."""
        return self.place if self.place == EVERYWHERE else f"in {self.place}"

    def holds_at(self, resource: Resource) -> bool:
        """Whether a resource lies within the place."""
        names = ("environment", "account_id", "region", "cluster", "service")
        return all(part_matches(getattr(self, name), getattr(resource, name)) for name in names)
