"""What the composer of a deploy holds: the current definition, what was typed, and the spec that follows from both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict

from deployments import image_reference
from deployments.asking import Asking
from deployments.composer_fields import KEEP, REMOVE, SET, NewRow, Number, Secret, Variable, shown
from deployments.definition_text import Edited, read_definition
from deployments.errors import ChangeRefused
from deployments.image_reference import NotAReferenceError, Reference
from deployments.sealing import open_sealed, seal
from deployments.service_form import ServiceForm, read_service

# Fields of a container: spec key, name in the definition, label, unit.
NUMBERS = (
    ("cpu", "cpu", "CPU", "units"),
    ("memory", "memory", "Memory limit", "MiB"),
    ("memory_reservation", "memoryReservation", "Memory reservation", "MiB"),
)
# ECS refuses a limit below this.
LEAST_MEMORY = 4


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
        words += counted(len(self.spec.get("environment", {})), "variable")
        words += counted(len(self.spec.get("secrets", {})), "secret")
        return f"{', '.join(words)} changed" if words else ""

    @property
    def changed_rows(self) -> list[Variable | Secret]:
        rows: list[Variable | Secret] = [*self.variables, *self.secrets]
        return [row for row in rows if row.is_changed or row.error]


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
    else:
        put(container.numbers, "key", kind, text)


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
        picked=data.get(f"pick.{name}", "").strip(),
        typed_image=data.get(f"image.{name}", "").strip(),
    )
    read_image(container)
    container.new_variables = read_new(container, "env", data)
    container.new_secrets = read_new(container, "secret", data)
    container.spec = spec_of(container)
    return container


def sorted_by_name(items: Any) -> list[Mapping[str, Any]]:
    return sorted(items or [], key=lambda item: str(item.get("name", "")))


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
    if number.is_changed and not number.typed.isdecimal():
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


def read_secret(owner: str, item: Mapping[str, Any], data: QueryDict) -> Secret:
    name, current = str(item.get("name", "")), str(item.get("valueFrom", ""))
    secret = Secret(name, f"{owner}.{name}", current)
    secret.do = data.get(f"secret-do.{owner}.{name}", KEEP)
    secret.typed = data.get(f"secret.{owner}.{name}", "").strip()
    if secret.do == KEEP and secret.typed and secret.typed != current:
        secret.do = SET
    if secret.do == SET and not secret.typed:
        secret.error = "Name the secret or parameter to read it from."
    return secret


def read_new(container: Container, kind: str, data: QueryDict) -> list[NewRow]:
    """Read the rows of variables or secrets to add; rows without a name and value are left out."""
    names = data.getlist(f"{kind}-name.{container.name}")
    values = data.getlist(f"{kind}-value.{container.name}")
    sealed = data.getlist(f"{kind}-kept.{container.name}")
    known = {item.name for item in container.variables} | {item.name for item in container.secrets}
    rows = []
    for index, name in enumerate(names):
        typed = values[index] if index < len(values) else ""
        kept = sealed[index] if index < len(sealed) else ""
        if name.strip() or typed or kept:
            rows.append(read_new_row(kind, name.strip(), typed, kept, known))
            known.add(name.strip())
    return rows


def read_new_row(kind: str, name: str, typed: str, kept: str, known: set[str]) -> NewRow:
    row = NewRow(name=name)
    if kind == "env":
        row.sealed = reseal(typed, kept) or seal("")["sealed"]
        row.typed_length = len(open_sealed(row.sealed))
    else:
        row.typed = typed.strip()
    if not name:
        row.error = "A name is missing."
    elif "=" in name or any(character.isspace() for character in name):
        row.error = "A name has no spaces and no equals sign."
    elif name in known:
        row.error = f"{name} exists already: change it in its row."
    elif kind == "secret" and not row.typed:
        row.error = "Name the secret or parameter to read it from."
    return row


def spec_of(container: Container) -> dict[str, Any]:
    """Return the container's part of the spec: only what changes, only what is without error."""
    spec: dict[str, Any] = {}
    if container.image != str(container.current) and not container.image_error:
        spec["image"] = container.image
    spec.update(
        {item.key: int(item.typed) for item in container.numbers if item.is_changed and not item.error}
    )
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
