"""What a report is about: whole days in UTC, and a place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from access.decisions import part_matches
from access.resources import Resource


@dataclass(frozen=True, slots=True)
class Scope:
    """Days from `start` to `end`, both of them in it, and a place of which empty parts mean any; globs are allowed."""

    start: date
    end: date
    environment: str = ""
    account_id: str = ""
    region: str = ""
    cluster: str = ""
    service: str = ""

    @property
    def since(self) -> datetime:
        return datetime.combine(self.start, time(), UTC)

    @property
    def until(self) -> datetime:
        """Return the first moment after it."""
        return datetime.combine(self.end + timedelta(days=1), time(), UTC)

    def is_in(self, moment: datetime) -> bool:
        return self.since <= moment < self.until

    def has(self, place: Any) -> bool:
        """Whether a place lies in it; `place` is anything with the parts of a `Resource`."""
        return all(part_matches(getattr(self, part), getattr(place, part)) for part in PARTS)

    def as_json(self) -> dict[str, str]:
        """Return the filter as its address spells it, empty parts left out."""
        places = {part: getattr(self, part) for part in PARTS if getattr(self, part)}
        return {"from": self.start.isoformat(), "to": self.end.isoformat(), **places}


PARTS = tuple(field.name for field in fields(Resource))


def place_of(entry: Any) -> Resource:
    """Return the place that an entry names."""
    return Resource(**{part: getattr(entry, part) for part in PARTS})


def place_cells(place: Resource) -> Mapping[str, str]:
    return asdict(place)
