"""What holds a change up at a place: the freezes there, and when the way is free again."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from access.resources import Resource
from clusters.spans import spell
from deployments.models import Freeze, Kind
from deployments.windows import ALLOW, Schedule, holding, opens_at


@dataclass(frozen=True, slots=True)
class Hold:
    """The freezes that hold a change up at a moment, and when it may begin."""

    freezes: tuple[Freeze, ...]
    at: datetime
    opens_at: datetime | None

    @property
    def names(self) -> str:
        return ", ".join(freeze.name for freeze in self.freezes)

    @property
    def sentence(self) -> str:
        """Say what holds it up and when it opens: "Quarter close holds changes in production; opens in 3 h 12 min"."""
        verb = "hold" if len(self.freezes) > 1 else "holds"
        if all(freeze.effect == ALLOW for freeze in self.freezes):
            verb = "let nothing begin now and hold" if len(self.freezes) > 1 else "is closed and holds"
        until = (
            f"opens in {spell(self.opens_at - self.at)}" if self.opens_at else "it does not open by itself"
        )
        return f"{self.names} {verb} changes here; {until}."


def schedule_of(freeze: Freeze) -> Schedule:
    return Schedule(
        freeze.starts_at, timedelta(minutes=freeze.duration_minutes), freeze.zone, freeze.rule, freeze.effect
    )


def freezes_at(resource: Resource) -> list[Freeze]:
    """Return the freezes that concern a place, open or not."""
    return [freeze for freeze in Freeze.objects.filter(ended_at=None) if freeze.holds_at(resource)]


def is_way_back(kind: str, spec: Mapping[str, Any]) -> bool:
    """Whether a change only returns to what ran before."""
    return kind == Kind.ROLLBACK or (kind == Kind.CONTINUE and spec.get("action") == "ROLLBACK")


def hold_on(
    kind: str,
    spec: Mapping[str, Any],
    resource: Resource,
    now: datetime,
    *,
    without: Collection[int] = (),
    freezes: Iterable[Freeze] | None = None,
) -> Hold | None:
    """Return what holds a change up, None when it may begin; `without` are the ids of overridden freezes."""
    found = freezes_at(resource) if freezes is None else list(freezes)
    back = is_way_back(kind, spec)
    counted = [
        freeze for freeze in found if freeze.pk not in without and not (back and freeze.is_rollback_exempt)
    ]
    schedules = [schedule_of(freeze) for freeze in counted]
    held = holding(schedules, now)
    if not held:
        return None
    return Hold(tuple(counted[number] for number in held), now, opens_at(schedules, now))
