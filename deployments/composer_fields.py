"""The fields of containers in the composer: what is, what was typed, and what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass

from clusters.masking import SECRET_NAME

KEEP, SET, REMOVE = "keep", "set", "remove"


@dataclass(slots=True)
class Number:
    """A number field: what is, what was typed."""

    key: str
    name: str
    label: str
    unit: str
    current: int | None
    typed: str
    error: str = ""

    @property
    def is_changed(self) -> bool:
        return bool(self.typed) and self.typed != shown(self.current)


@dataclass(slots=True)
class Variable:
    """An environment variable: its masked current value and what is to become of it."""

    name: str
    field_name: str
    length: int | None
    do: str = KEEP
    sealed: str = ""
    typed_length: int | None = None
    error: str = ""

    @property
    def looks_secret(self) -> bool:
        return SECRET_NAME.search(self.name) is not None

    @property
    def is_changed(self) -> bool:
        return self.do != KEEP


@dataclass(slots=True)
class Secret:
    """A reference to a secret; the reference is no secret itself."""

    name: str
    field_name: str
    current: str
    do: str = KEEP
    typed: str = ""
    error: str = ""

    @property
    def is_changed(self) -> bool:
        return self.do != KEEP


@dataclass(slots=True)
class NewRow:
    """A variable or secret to add; the value of a variable comes back sealed, never in clear."""

    name: str = ""
    sealed: str = ""
    typed: str = ""
    typed_length: int | None = None
    error: str = ""


def shown(value: int | None) -> str:
    return "" if value is None else str(value)
