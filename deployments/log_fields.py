"""The log configuration of a container in the composer: its driver, the driver's options and those read from secrets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict

from aws import shapes
from clusters.masking import MARK
from deployments.composer_fields import (
    KEEP,
    REMOVE,
    SET,
    NewRow,
    Secret,
    read_new,
    read_secret,
    shown_or_sealed,
    sorted_by_name,
)
from deployments.definition_spec import REGISTER
from deployments.merging import CONTAINERS
from deployments.sealing import open_sealed

Document = dict[str, Any]
MEMBER = "logConfiguration"
NEEDS_DRIVER = "Options need a log driver: choose one, or leave the options as they are."
STANDS_FOR = "This stands for a value that the console does not show: type the value."


@dataclass(slots=True)
class Option:
    """An option of the driver, as masking shows it, and what is to become of it."""

    name: str
    field_name: str
    current: str
    do: str = KEEP
    typed: str = ""
    sealed: str = ""
    typed_length: int | None = None
    error: str = ""

    @property
    def is_hidden(self) -> bool:
        return MARK.search(self.current) is not None

    @property
    def is_changed(self) -> bool:
        return self.do == REMOVE or (self.do == SET and self.typed != self.current)


@dataclass(slots=True)
class Logs:
    """The log configuration: driver, options, and what is added to them."""

    current: str
    driver: str
    options: list[Option]
    secrets: list[Secret]
    new_options: list[NewRow] = field(default_factory=list)
    new_secrets: list[NewRow] = field(default_factory=list)
    error: str = ""

    @property
    def choices(self) -> list[str]:
        known = shapes.choices_of(REGISTER, CONTAINERS, "", MEMBER, "logDriver")
        return sorted({*known, *filter(None, (self.current, self.driver))})

    @property
    def rows(self) -> list[Option | Secret | NewRow]:
        return [*self.options, *self.secrets, *self.new_options, *self.new_secrets]

    @property
    def is_touched(self) -> bool:
        """Whether anything in it is to be looked at."""
        added = self.new_options or self.new_secrets
        return bool(self.error or self.is_changed or added or any(row.error for row in self.rows))

    @property
    def is_changed(self) -> bool:
        return self.asked != {}

    @property
    def asked(self) -> Document | None:
        """Return the merge document of what changes, empty for nothing; None takes the configuration away."""
        if not self.driver:
            return None if self.current else {}
        asked: Document = {} if self.driver == self.current else {"logDriver": self.driver}
        options: Document = {
            item.name: value_of(item) if self.becomes(item) == SET else None
            for item in self.options
            if not item.error and (item.is_changed or self.becomes(item) == REMOVE)
        }
        options |= {row.name: value_of(row) for row in self.new_options if not row.error}
        if options:
            asked["options"] = options
        kept = [{"name": item.name, "valueFrom": item.current} for item in self.secrets]
        wanted = [
            {"name": item.name, "valueFrom": item.typed if self.becomes(item) == SET else item.current}
            for item in self.secrets
            if self.becomes(item) != REMOVE
        ]
        wanted += [{"name": row.name, "valueFrom": row.typed} for row in self.new_secrets if not row.error]
        return asked if wanted == kept else {**asked, "secretOptions": wanted}

    def becomes(self, item: Option | Secret) -> str:
        """Return what becomes of an option; another driver does not know those that are named after this one."""
        if item.error:
            return KEEP
        is_left = self.driver != self.current and item.name.startswith(f"{self.current}-")
        return REMOVE if item.do == KEEP and is_left else item.do

    @property
    def changes(self) -> list[str]:
        """Say what is changed: "log driver", "2 log options"."""
        asked = self.asked
        if asked is None:
            return ["log configuration"]
        before = {item.name: item.current for item in self.secrets}
        after = {item["name"]: item["valueFrom"] for item in asked.get("secretOptions", [])}
        changed = [name for name in {**before, **after} if before.get(name) != after.get(name)]
        count = len(asked.get("options", {})) + (len(changed) if "secretOptions" in asked else 0)
        words = ["log driver"] if "logDriver" in asked else []
        return words + ([f"{count} log option{'' if count == 1 else 's'}"] if count else [])


def value_of(item: Option | NewRow) -> Any:
    """Return a value as a spec has it: sealed where it is a secret."""
    return {"sealed": item.sealed} if item.sealed else item.typed


def read_logs(owner: str, container: Mapping[str, Any], data: QueryDict) -> Logs:
    """Read the fields of a container's log configuration, against a masked definition."""
    present = container.get(MEMBER) or {}
    current = str(present.get("logDriver", ""))
    logs = Logs(
        current=current,
        driver=data.get(f"log-driver.{owner}", current).strip(),
        options=[
            read_option(owner, name, value, data)
            for name, value in sorted((present.get("options") or {}).items())
        ],
        secrets=[
            read_secret(owner, item, data, "logsecret")
            for item in sorted_by_name(present.get("secretOptions"))
        ],
    )
    known = {item.name for item in logs.options} | {item.name for item in logs.secrets}
    logs.new_options = read_new("log", owner, known, data)
    known |= {row.name for row in logs.new_options}
    logs.new_secrets = read_new("logsecret", owner, known, data)
    refuse_masks([*logs.options, *logs.new_options])
    given = [item for item in logs.rows if isinstance(item, NewRow) or item.do == SET]
    if given and not logs.driver:
        logs.error = NEEDS_DRIVER
    return logs


def read_option(owner: str, name: str, current: str, data: QueryDict) -> Option:
    """Read what is to become of an option; a value typed over a kept one means to set it."""
    option = Option(name, f"{owner}.{name}", str(current))
    do = data.get(f"log-do.{owner}.{name}", KEEP)
    option.do = do if do in (SET, REMOVE) else KEEP
    typed, kept = data.get(f"log.{owner}.{name}", ""), data.get(f"log-sealed.{owner}.{name}", "")
    option.typed, option.sealed = shown_or_sealed(name, typed, kept)
    option.typed_length = len(open_sealed(option.sealed)) if option.sealed else None
    if option.do == KEEP and (option.typed or option.sealed):
        option.do = SET
    if option.do == SET and not (option.typed or option.sealed):
        option.error = "Give a value, or remove the option."
    return option


def refuse_masks(items: Iterable[Option | NewRow]) -> None:
    """Put an error at values that are the console's own marks: AWS would take them for values."""
    for item in items:
        if MARK.search(item.typed) and not item.error:
            item.error = STANDS_FOR
