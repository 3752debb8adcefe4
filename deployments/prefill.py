"""What a composer opens with: what a link names, or what an older change asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.http import QueryDict

from clusters.models import Service
from deployments.definition_text import text_with
from deployments.leaves import SHOWN
from deployments.models import Change, Kind
from deployments.service_form import as_fields
from deployments.states import NOT_BEGUN

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
    if number.isdecimal():
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
    if change.spec.get("definition"):
        take_definition(data, definition, change.spec)
    if change.spec.get("service"):
        for name, value in as_fields(change.spec["service"], service.facts).items():
            data.setlist(name, value if isinstance(value, list) else [value])
    data["ticket"] = change.ticket
    if request.GET.get("from") or request.GET.get("replaces"):
        data["reason"] = change.reason
        data["replaces"] = str(change.pk) if change.state in NOT_BEGUN else ""


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


def take_secrets(data: QueryDict, container: str, asked: Mapping[str, Any], known: set[str]) -> None:
    for name, reference in asked.items():
        if name in known:
            data[f"secret-do.{container}.{name}"] = "remove" if reference is None else "set"
            data[f"secret.{container}.{name}"] = reference or ""
        elif reference is not None:
            data.appendlist(f"secret-name.{container}", name)
            data.appendlist(f"secret-value.{container}", reference)
