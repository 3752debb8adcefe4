"""What the composer of a deploy holds: the current definition, what was typed, and the spec that follows from both."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict
from django.utils.text import Truncator

from deployments import image_reference
from deployments.arguments import Arguments, read_arguments
from deployments.asking import Asking
from deployments.composer_fields import (
    KEEP,
    REMOVE,
    SET,
    NewRow,
    Number,
    Secret,
    Variable,
    read_new,
    read_number,
    read_secret,
    read_variable,
    sorted_by_name,
)
from deployments.definition_text import Edited, read_definition
from deployments.image_reference import NotAReferenceError, Reference
from deployments.log_fields import Logs, read_logs
from deployments.sealing import open_sealed, seal
from deployments.service_form import ServiceForm, read_service

# Fields of a container: spec key, name in the definition, label, unit.
NUMBERS = (
    ("cpu", "cpu", "CPU", "units"),
    ("memory", "memory", "Memory limit", "MiB"),
    ("memory_reservation", "memoryReservation", "Memory reservation", "MiB"),
)
SHORT_LINE = 90


@dataclass(slots=True)
class Container:
    """One container of the form."""

    name: str
    is_essential: bool
    ports: list[int]
    current: Reference
    numbers: list[Number]
    variables: list[Variable]
    secrets: list[Secret]
    arguments: list[Arguments]
    logs: Logs
    picked: str = ""
    typed_image: str = ""
    image: str = ""
    image_error: str = ""
    new_variables: list[NewRow] = field(default_factory=list)
    new_secrets: list[NewRow] = field(default_factory=list)
    spec: dict[str, Any] = field(default_factory=dict)

    @property
    def changes(self) -> str:
        """Say what is changed: "image, memory, 1 variable changed"."""
        words = ["image"] if "image" in self.spec else []
        words += [label.lower() for key, _, label, _ in NUMBERS if key in self.spec]
        words += [item.label.lower() for item in self.arguments if item.key in self.spec]
        words += counted(len(self.spec.get("environment", {})), "variable")
        words += counted(len(self.spec.get("secrets", {})), "secret")
        words += self.logs.changes
        return f"{', '.join(words)} changed" if words else ""

    @property
    def changed_rows(self) -> list[Variable | Secret]:
        rows: list[Variable | Secret] = [*self.variables, *self.secrets]
        return [row for row in rows if row.is_changed or row.error]

    @property
    def command_line(self) -> str:
        """Return what is set now in one short line: the entry point, then the command."""
        words = [word for item in self.arguments for word in item.current]
        return Truncator(shlex.join(words)).chars(SHORT_LINE)

    @property
    def is_command_touched(self) -> bool:
        return any(item.do != KEEP or item.error for item in self.arguments)


@dataclass(slots=True)
class Composition:
    """The whole form of a deploy."""

    containers: list[Container]
    task: list[Number]
    reason: str = ""
    ticket: str = ""
    confirm: str = ""
    errors: dict[str, str] = field(default_factory=dict)
    service: ServiceForm | None = None
    # The definition as a text: as it came back without secrets, and what tells whether it was touched.
    text: Edited = field(default_factory=lambda: Edited(""))
    text_mark: str = ""
    asking: Asking = field(default_factory=Asking)

    @property
    def spec(self) -> dict[str, Any]:
        """Return what was asked, only what changes; empty when nothing does."""
        spec: dict[str, Any] = {}
        containers = {item.name: item.spec for item in self.containers if item.spec}
        if containers:
            spec["containers"] = containers
        task = {item.key: item.typed for item in self.task if item.is_changed and not item.error}
        rest = {
            "task": task,
            "definition": self.text.patch,
            "service": self.service.spec if self.service else {},
        }
        return spec | {key: value for key, value in rest.items() if value}

    def take_errors(self, errors: Mapping[str, str]) -> None:
        """Take errors that only the engine could know to the fields that they name."""
        self.asking.errors |= errors
        for key, text in errors.items():
            self.errors[key] = text
            if key.startswith("definition"):
                self.text.error = f"{key.removeprefix('definition').strip('.')} {text}".strip()
            elif key.startswith("service.") and self.service:
                self.service.take_error(key, text)
            else:
                self.place(key, text)

    def place(self, key: str, text: str) -> None:
        """Put an error at the field of a container or of the task."""
        owner, _, rest = key.partition(".")
        if owner == "task":
            put(self.task, "key", key, text)
        for container in self.containers:
            if container.name == owner:
                kind, _, name = rest.partition(".")
                place_error(container, KINDS.get(kind, kind), name, text)


# How fields are called where the engine names them otherwise.
KINDS = {"environment": "env", "secrets": "secret"}


def place_error(container: Container, kind: str, name: str, text: str) -> None:
    if kind == "image":
        container.image_error = text
    elif kind == "env":
        put([*container.variables, *container.new_variables], "name", name, text)
    elif kind == "secret":
        put([*container.secrets, *container.new_secrets], "name", name, text)
    elif kind == "log_configuration":
        container.logs.error = text
    else:
        put([*container.numbers, *container.arguments], "key", kind, text)


def put(items: Iterable[Any], attribute: str, wanted: str, text: str) -> None:
    for item in items:
        if getattr(item, attribute) == wanted:
            item.error = text


def counted(count: int, noun: str) -> list[str]:
    return [f"{count} {noun}{'' if count == 1 else 's'}"] if count else []


def compose(
    definition: Mapping[str, Any], data: QueryDict, facts: Mapping[str, Any] | None = None
) -> Composition:
    """Read a form, or the prefilled query of a link, against a masked task definition and the facts of its service."""
    text, mark = read_definition(definition, data)
    containers = [read_container(item, data) for item in definition.get("containerDefinitions") or []]
    composition = Composition(
        containers=containers,
        task=[
            read_number(f"task.{key}", key, key, label, unit, definition, data)
            for key, label, unit in (("cpu", "Task CPU", "units"), ("memory", "Task memory", "MiB"))
            if definition.get(key)
        ],
        reason=data.get("reason", "").strip(),
        ticket=data.get("ticket", "").strip(),
        confirm=data.get("confirm", "").strip(),
        service=read_service(facts or {}, data),
        text=text,
        text_mark=mark,
    )
    composition.errors = dict(own_errors(composition))
    return composition


def own_errors(composition: Composition) -> list[tuple[str, str]]:
    """Return the errors that the fields themselves hold, by the name of the field."""
    found = [(item.key, item.error) for item in composition.task]
    found.append(("definition", composition.text.sentence))
    found += list(composition.service.errors.items()) if composition.service else []
    for container in composition.containers:
        found.append((f"image.{container.name}", container.image_error))
        found += [(f"{item.key}.{container.name}", item.error) for item in container.numbers]
        found += [(item.field_name, item.error) for item in container.arguments]
        found.append((f"log-driver.{container.name}", container.logs.error))
        found += [(f"log.{container.name}.{row.name}", row.error) for row in container.logs.rows]
        found += [(f"env.{container.name}.{item.name}", item.error) for item in container.variables]
        found += [(f"env.{container.name}.{item.name}", item.error) for item in container.new_variables]
        found += [(f"secret.{container.name}.{item.name}", item.error) for item in container.secrets]
        found += [(f"secret.{container.name}.{item.name}", item.error) for item in container.new_secrets]
    return [(key, text) for key, text in found if text]


def read_container(current: Mapping[str, Any], data: QueryDict) -> Container:
    """Read the fields of one container; their names carry the container's."""
    name = str(current.get("name", ""))
    container = Container(
        name=name,
        is_essential=bool(current.get("essential", True)),
        ports=[
            item["containerPort"] for item in current.get("portMappings") or [] if "containerPort" in item
        ],
        current=image_reference.parse(str(current.get("image", ""))),
        numbers=[
            read_number(f"{key}.{name}", key, source, label, unit, current, data)
            for key, source, label, unit in NUMBERS
        ],
        variables=[read_variable(name, item, data) for item in sorted_by_name(current.get("environment"))],
        secrets=[read_secret(name, item, data) for item in sorted_by_name(current.get("secrets"))],
        arguments=read_arguments(name, current, data),
        logs=read_logs(name, current, data),
        picked=data.get(f"pick.{name}", "").strip(),
        typed_image=data.get(f"image.{name}", "").strip(),
    )
    read_image(container)
    known = {item.name for item in container.variables} | {item.name for item in container.secrets}
    container.new_variables = read_new("env", name, known, data)
    container.new_secrets = read_new("secret", name, known, data)
    container.spec = spec_of(container)
    return container


def read_image(container: Container) -> None:
    """Take the picked tag, else what was typed; both are completed with the current repository."""
    picked = "" if container.picked == "other" else container.picked
    wanted = picked or container.typed_image
    container.image = str(container.current)
    if not wanted:
        return
    try:
        container.image = image_reference.complete(wanted, str(container.current))
    except NotAReferenceError as error:
        container.image_error = str(error)


def spec_of(container: Container) -> dict[str, Any]:
    """Return the container's part of the spec: only what changes, only what is without error."""
    spec: dict[str, Any] = {}
    if container.image != str(container.current) and not container.image_error:
        spec["image"] = container.image
    spec.update(
        {item.key: int(item.typed) for item in container.numbers if item.is_changed and not item.error}
    )
    spec.update({item.key: item.asked for item in container.arguments if item.is_changed and not item.error})
    if container.logs.is_changed:
        spec["log_configuration"] = container.logs.asked
    environment: dict[str, Any] = {}
    for variable in container.variables:
        if variable.do == REMOVE:
            environment[variable.name] = None
        elif variable.do == SET:
            environment[variable.name] = sealed_value(variable.sealed)
    environment.update(
        {row.name: sealed_value(row.sealed) for row in container.new_variables if not row.error}
    )
    secrets: dict[str, Any] = {}
    for secret in container.secrets:
        if not secret.error and secret.do != KEEP:
            secrets[secret.name] = None if secret.do == REMOVE else secret.typed
    secrets.update({row.name: row.typed for row in container.new_secrets if not row.error})
    return (
        spec
        | ({"environment": environment} if environment else {})
        | ({"secrets": secrets} if secrets else {})
    )


def sealed_value(sealed: str) -> dict[str, Any]:
    return {**seal(open_sealed(sealed)), "sealed": sealed}
