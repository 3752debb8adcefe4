"""What a composer opens with: what a link names, or what an older change asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.http import QueryDict

from clusters.models import Service
from deployments.arguments import LISTS, line_of, token_of
from deployments.composer_fields import KEEP, REMOVE, SET
from deployments.definition_text import text_with
from deployments.errors import ChangeRefused
from deployments.leaves import SEALED, SHOWN, is_leaf, open_leaves, show_leaves
from deployments.log_fields import MEMBER
from deployments.merging import CONTAINERS
from deployments.models import Change, Kind
from deployments.service_form import as_fields
from deployments.states import NOT_BEGUN
from ecsconsole.numbers import is_number

if TYPE_CHECKING:
    from ecsconsole.http import ConsoleRequest

# Fields that a link may fill in. Values of variables may not stand in an address: it ends in logs and histories.
FROM_LINKS = ("image.", "cpu.", "memory.", "memory_reservation.", "task.", "reason", "ticket")

# Names of variables whose value an ended change no longer has; shown, and no field of the form.
DROPPED = "dropped"


def prefilled(request: ConsoleRequest, service: Service, definition: Mapping[str, Any]) -> QueryDict:
    """Return the fields as a form would send them; `?change=12` starts from that change of the same service.

    `?from=12` starts from it likewise, and asks for the new one in its place.
    """
    data = QueryDict(mutable=True)
    number = request.GET.get("from", "") or request.GET.get("change", "")
    if is_number(number):
        take_change(data, request, service, definition, int(number))
    if replaced := request.GET.get("replaces", ""):
        data["replaces"] = replaced
    for name in request.GET:
        if name.startswith(FROM_LINKS):
            data[name] = request.GET[name]
    return data


def take_change(
    data: QueryDict, request: ConsoleRequest, service: Service, definition: Mapping[str, Any], number: int
) -> None:
    """Fill in what an older change asked for; of values of variables, what is still kept, and that sealed."""
    changes = request.access.visible(Change.objects.filter(service=service, kind=Kind.DEPLOY))
    change = changes.filter(pk=number).first()
    if change is None:
        return
    current = {str(item.get("name")): item for item in definition.get("containerDefinitions") or []}
    for container, asked in (change.spec.get("containers") or {}).items():
        for key in ("image", "cpu", "memory", "memory_reservation"):
            if key in asked:
                data[f"{key}.{container}"] = str(asked[key])
        here = current.get(container, {})
        take_variables(data, container, asked.get("environment") or {}, names_in(here.get("environment")))
        take_secrets(data, container, asked.get("secrets") or {}, names_in(here.get("secrets")))
    for key, value in (change.spec.get("task") or {}).items():
        data[f"task.{key}"] = str(value)
    rest = take_members(data, change.spec.get("definition") or {}, current)
    if rest:
        take_definition(data, definition, {**change.spec, "definition": rest})
    if change.spec.get("service"):
        for name, value in as_fields(change.spec["service"], service.facts).items():
            data.setlist(name, value if isinstance(value, list) else [value])
    data["ticket"] = change.ticket
    if request.GET.get("from") or request.GET.get("replaces"):
        data["reason"] = change.reason
        data["replaces"] = str(change.pk) if change.state in NOT_BEGUN else ""


def take_members(
    data: QueryDict, asked: Mapping[str, Any], current: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Fill in what has fields of its own in the containers of now; return the rest of the merge document."""
    containers = dict(asked.get(CONTAINERS) or {})
    for name, patch in asked.get(CONTAINERS, {}).items():
        if name not in current or patch is None:
            continue
        rest = dict(patch)
        for key, member, _ in LISTS:
            if member in rest:
                take_arguments(data, name, key, rest.pop(member))
        if MEMBER in rest:
            take_logs(data, name, rest.pop(MEMBER), current[name].get(MEMBER) or {})
        containers[name] = rest
    kept = {name: patch for name, patch in containers.items() if patch != {}}
    rest = {key: value for key, value in asked.items() if key != CONTAINERS}
    return {**rest, CONTAINERS: kept} if kept else rest


def take_arguments(data: QueryDict, container: str, key: str, asked: list[Any] | None) -> None:
    """Fill in a command or an entry point, unless what was sealed in it cannot be had any more."""
    data[f"{key}-do.{container}"] = REMOVE if asked is None else SET
    if asked is None:
        return
    try:
        lines = [] if has_lost_values(asked) else [as_lines(word) for word in asked]
    except ChangeRefused:
        # Sealed with a key that the console no longer has.
        lines = []
    if not lines:
        data.appendlist(DROPPED, f"{key.replace('_', ' ')} of {container}")
        data[f"{key}-do.{container}"] = KEEP
        return
    data[f"{key}.{container}"] = "\n".join(shown for shown, _ in lines)
    data.setlist(
        f"{key}-sealed.{container}", [token_of(shown, line) for shown, line in lines if shown != line]
    )


def as_lines(word: Any) -> tuple[str, str]:
    """Return the line that shows an argument of a spec, and the line that it stands for."""
    return line_of(show_leaves(word)), line_of(open_leaves(word))


def take_logs(
    data: QueryDict, container: str, asked: Mapping[str, Any] | None, present: Mapping[str, Any]
) -> None:
    """Fill in driver, options and those read from secrets; what was left as it was stays so."""
    if asked is None:
        data[f"log-driver.{container}"] = ""
        return
    if "logDriver" in asked:
        data[f"log-driver.{container}"] = asked["logDriver"]
    here = present.get("options") or {}
    options = asked.get("options", {})
    for name, value in (dict.fromkeys(here) if options is None else options).items():
        if has_lost_values(value):
            data.appendlist(DROPPED, name)
        else:
            take_option(data, container, name, value, is_known=name in here)
    if "secretOptions" in asked:
        wanted = {item["name"]: item["valueFrom"] for item in asked["secretOptions"] or []}
        before = {item["name"]: item["valueFrom"] for item in present.get("secretOptions") or []}
        changed = {
            name: wanted.get(name) for name in {**before, **wanted} if before.get(name) != wanted.get(name)
        }
        take_secrets(data, container, changed, set(before), "logsecret")


def take_option(data: QueryDict, container: str, name: str, value: Any, *, is_known: bool) -> None:
    shown, sealed = ("", value[SEALED]) if is_leaf(value) else (value or "", "")
    if is_known:
        data[f"log-do.{container}.{name}"] = REMOVE if value is None else SET
        data[f"log.{container}.{name}"] = shown
        data[f"log-sealed.{container}.{name}"] = sealed
    elif value is not None:
        for key, text in (("name", name), ("value", shown), ("kept", sealed)):
            data.appendlist(f"log-{key}.{container}", text)


def take_definition(data: QueryDict, definition: Mapping[str, Any], spec: Mapping[str, Any]) -> None:
    """Fill in the text of the definition, unless an ended change no longer has what it sealed."""
    if has_lost_values(spec["definition"]):
        data.appendlist(DROPPED, "sealed texts of the definition")
        return
    data["definition"] = text_with(definition, spec)
    data["definition_of"] = str(definition.get("taskDefinitionArn", ""))


def has_lost_values(value: Any) -> bool:
    if isinstance(value, Mapping):
        lost = SHOWN in value and "sealed" not in value
        return lost or any(has_lost_values(item) for item in value.values())
    return isinstance(value, list) and any(has_lost_values(item) for item in value)


def names_in(items: Any) -> set[str]:
    return {str(item.get("name")) for item in items or []}


def take_variables(data: QueryDict, container: str, asked: Mapping[str, Any], known: set[str]) -> None:
    """Fill in variables; one that the definition does not have becomes a new row, unless it was to be removed.

    Values are dropped when a change ends: those are left to be typed again, because an empty field sets an empty value.
    """
    for name, value in asked.items():
        if value is not None and "sealed" not in value:
            data.appendlist(DROPPED, name)
            continue
        if name in known:
            data[f"env-do.{container}.{name}"] = "remove" if value is None else "set"
            data[f"env-sealed.{container}.{name}"] = value["sealed"] if value else ""
        elif value is not None:
            data.appendlist(f"env-name.{container}", name)
            data.appendlist(f"env-value.{container}", "")
            data.appendlist(f"env-kept.{container}", value["sealed"])


def take_secrets(
    data: QueryDict, container: str, asked: Mapping[str, Any], known: set[str], kind: str = "secret"
) -> None:
    for name, reference in asked.items():
        if name in known:
            data[f"{kind}-do.{container}.{name}"] = REMOVE if reference is None else SET
            data[f"{kind}.{container}.{name}"] = reference or ""
        elif reference is not None:
            data.appendlist(f"{kind}-name.{container}", name)
            data.appendlist(f"{kind}-value.{container}", reference)
