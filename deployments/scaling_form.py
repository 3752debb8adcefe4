"""The fields of the page that scales: a count, and the autoscaler's bounds where they are to move with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clusters.models import Service

COUNT_ERROR = "The desired count is a whole number from 0."
SUSPENDING = {"yes": True, "no": False}


class ScaleForm:
    """What was typed, what it asks for, and what is wrong with it."""

    def __init__(self, fields: Mapping[str, str], service: Service) -> None:
        self.typed = fields.get("desired_count", "").strip()
        self.min_capacity = fields.get("min_capacity", "").strip()
        self.max_capacity = fields.get("max_capacity", "").strip()
        self.suspend = fields.get("suspend", "") if fields.get("suspend", "") in SUSPENDING else ""
        self.service = service
        self.errors = self.find_errors()

    def find_errors(self) -> dict[str, str]:
        errors = {}
        if self.typed and not is_count(self.typed):
            errors["desired_count"] = COUNT_ERROR
        for name in ("min_capacity", "max_capacity"):
            if (text := getattr(self, name)) and not is_count(text):
                errors[name] = "A bound is a whole number from 0."
        return errors

    @property
    def count(self) -> int:
        return int(self.typed) if is_count(self.typed) else self.service.desired_count

    @property
    def is_count_new(self) -> bool:
        return self.count != self.service.desired_count

    @property
    def is_new(self) -> bool:
        """Whether anything is asked for that could differ from what is."""
        return self.is_count_new or bool(self.min_capacity or self.max_capacity or self.suspend)

    @property
    def spec(self) -> dict[str, Any] | None:
        """Return what is asked for, None while it cannot be meant."""
        if not self.typed or self.errors:
            return None
        spec: dict[str, Any] = {"desired_count": self.count}
        for name in ("min_capacity", "max_capacity"):
            if text := getattr(self, name):
                spec[name] = int(text)
        return spec | ({"suspend": SUSPENDING[self.suspend]} if self.suspend else {})


def is_count(text: str) -> bool:
    return text.isdecimal() and len(text) < 6
