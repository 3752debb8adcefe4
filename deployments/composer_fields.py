"""The fields of containers in the composer: what is, what was typed, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict

from clusters.masking import SECRET_NAME, mask_named
from deployments.errors import ChangeRefused
from deployments.sealing import open_sealed, seal
from ecsconsole.numbers import is_number

KEEP, SET, REMOVE = "keep", "set", "remove"
# ECS refuses a limit below this.
LEAST_MEMORY = 4


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


def sorted_by_name(items: Any) -> list[Mapping[str, Any]]:
    return sorted(items or [], key=lambda item: str(item.get("name", "")))


def read_number(
    field_name: str,
    key: str,
    source: str,
    label: str,
    unit: str,
    current: Mapping[str, Any],
    data: QueryDict,
) -> Number:
    """Read a number; an empty field leaves it as it is."""
    value = current.get(source)
    number = Number(key, field_name, label, unit, int(value) if value not in (None, "") else None, "")
    number.typed = data.get(field_name, shown(number.current)).replace(",", "").strip()
    if number.is_changed and not is_number(number.typed):
        number.error = f"{label} is a whole number of {unit}."
    elif number.is_changed and key.startswith("memory") and int(number.typed) < LEAST_MEMORY:
        number.error = f"{label} is at least {LEAST_MEMORY} MiB."
    return number


def read_variable(owner: str, item: Mapping[str, Any], data: QueryDict) -> Variable:
    """Read what is to become of a variable; a value typed over a kept one means to set it."""
    name = str(item.get("name", ""))
    variable = Variable(name, f"{owner}.{name}", item.get("length"))
    variable.do = data.get(f"env-do.{owner}.{name}", KEEP)
    typed = data.get(f"env.{owner}.{name}", "")
    variable.sealed = reseal(typed, data.get(f"env-sealed.{owner}.{name}", ""))
    if variable.do == KEEP and typed:
        variable.do = SET
    if variable.do == SET and not variable.sealed:
        # Setting a variable to nothing is possible in ECS; it must be meant, so it is said in the plan.
        variable.sealed = seal("")["sealed"]
    if variable.do == SET:
        variable.typed_length = len(open_sealed(variable.sealed))
    return variable


def reseal(typed: str, sealed: str) -> str:
    """Return the typed value sealed, else the one that came back sealed; a forged one counts as none."""
    if typed:
        return str(seal(typed)["sealed"])
    try:
        open_sealed(sealed)
    except ChangeRefused:
        return ""
    return sealed


def read_secret(owner: str, item: Mapping[str, Any], data: QueryDict, kind: str = "secret") -> Secret:
    name, current = str(item.get("name", "")), str(item.get("valueFrom", ""))
    secret = Secret(name, f"{owner}.{name}", current)
    secret.do = data.get(f"{kind}-do.{owner}.{name}", KEEP)
    secret.typed = data.get(f"{kind}.{owner}.{name}", "").strip()
    if secret.do == KEEP and secret.typed and secret.typed != current:
        secret.do = SET
    if secret.do == SET and not secret.typed:
        secret.error = "Name the secret or parameter to read it from."
    return secret


def read_new(kind: str, owner: str, known: set[str], data: QueryDict) -> list[NewRow]:
    """Read the rows of one kind to add to a container; rows without a name and value are left out."""
    names = data.getlist(f"{kind}-name.{owner}")
    values = data.getlist(f"{kind}-value.{owner}")
    sealed = data.getlist(f"{kind}-kept.{owner}")
    known = set(known)
    rows = []
    for index, name in enumerate(names):
        typed = values[index] if index < len(values) else ""
        kept = sealed[index] if index < len(sealed) else ""
        if name.strip() or typed.strip() or kept:
            rows.append(read_new_row(kind, name.strip(), typed, kept, known))
            known.add(name.strip())
    return rows


def read_new_row(kind: str, name: str, typed: str, kept: str, known: set[str]) -> NewRow:
    row = NewRow(name=name)
    if kind == "env":
        row.sealed = reseal(typed, kept) or seal("")["sealed"]
        row.typed_length = len(open_sealed(row.sealed))
    elif kind == "log":
        row.typed, row.sealed = shown_or_sealed(name, typed, kept)
        row.typed_length = len(open_sealed(row.sealed)) if row.sealed else None
    else:
        row.typed = typed.strip()
    if not name:
        row.error = "A name is missing."
    elif "=" in name or any(character.isspace() for character in name):
        row.error = "A name has no spaces and no equals sign."
    elif name in known:
        row.error = f"{name} exists already: change it in its row."
    elif not (row.typed or row.sealed):
        row.error = "Give a value." if kind == "log" else "Name the secret or parameter to read it from."
    return row


def shown_or_sealed(name: str, typed: str, kept: str) -> tuple[str, str]:
    """Return a typed value as the page may hold it: as it is, or sealed where its name or form says that it is a secret."""
    sealed = "" if typed.strip() else reseal("", kept)
    plain = open_sealed(sealed) if sealed else typed.strip()
    return (plain, "") if mask_named(name, plain) == plain or not plain else ("", str(seal(plain)["sealed"]))
