"""The fields of a deploy that change how ECS rolls out and what the service is set to, read against the present."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict

from deployments.pause_fields import Pauses, as_pause_fields, read_pauses
from deployments.service_fields import (
    OFF,
    PREFIX,
    ROLLS_BACK,
    Field,
    check_number,
    rollout_fields,
    service_fields,
    whole,
    yes,
)
from deployments.service_settings import CONFIGURATION, FORCE, planned_facts, present_settings
from deployments.settings_rules import CANARY, LINEAR
from ecsconsole.numbers import is_number

Facts = Mapping[str, Any]
Document = dict[str, Any]


@dataclass(slots=True)
class ServiceForm:
    """The fields by their keys, and the settings that follow from them."""

    fields: dict[str, Field]
    pauses: Pauses
    spec: Document = field(default_factory=dict)

    def rows(self, *keys: str) -> list[Field]:
        return [self.fields[key] for key in keys]

    @property
    def rollout(self) -> list[Field]:
        return self.rows("strategy", *OF_CANARY, *OF_LINEAR, "bake", "minimum", "maximum")

    @property
    def guards(self) -> list[Field]:
        return self.rows("breaker", "threshold", "threshold_value", "reset", "alarms", "alarm_names")

    @property
    def has_guard_changes(self) -> bool:
        return any(item.is_changed or item.error for item in self.guards)

    @property
    def service(self) -> list[Field]:
        return self.rows("platform", "providers", "grace", "exec", "force")

    @property
    def changes(self) -> str:
        """Say what is changed: "strategy, bake time changed"."""
        words = [item.label.split(",")[0].lower() for item in self.fields.values() if item.is_changed]
        words += ["pauses"] if self.pauses.is_changed else []
        return f"{', '.join(words)} changed" if words else ""

    @property
    def errors(self) -> dict[str, str]:
        own = {item.name: item.error for item in self.fields.values() if item.error}
        return own | self.pauses.errors

    @property
    def summary(self) -> str:
        """Say in a few words how the service rolls out now."""
        parts = [self.fields["strategy"].current, f"circuit breaker {self.fields['breaker'].now.lower()}"]
        return ", ".join(parts)

    def take_error(self, key: str, text: str) -> bool:
        """Put an error of the engine at the field that it names; tell whether there is one."""
        path = key.removeprefix("service.").removeprefix(f"{CONFIGURATION}.")
        if path.startswith("lifecycleHooks"):
            return self.pauses.take_error(path, text)
        found = next((name for start, name in PLACES if path.startswith(start)), "")
        if not found:
            return False
        self.fields[found].error = text
        return True


OF_CANARY = ("canary_percent", "canary_wait")
OF_LINEAR = ("linear_step", "linear_wait")
NUMBERS = frozenset({*OF_CANARY, *OF_LINEAR, "bake", "minimum", "maximum", "threshold_value", "grace"})
# Where errors of the engine belong, by the start of their path.
PLACES = (
    ("strategy", "strategy"),
    ("bakeTimeInMinutes", "bake"),
    ("canaryConfiguration.canaryPercent", "canary_percent"),
    ("canaryConfiguration", "canary_wait"),
    ("linearConfiguration.stepPercent", "linear_step"),
    ("linearConfiguration", "linear_wait"),
    ("minimumHealthyPercent", "minimum"),
    ("maximumPercent", "maximum"),
    ("deploymentCircuitBreaker.thresholdConfiguration", "threshold_value"),
    ("deploymentCircuitBreaker", "breaker"),
    ("alarms", "alarm_names"),
    ("platformVersion", "platform"),
    ("capacityProviderStrategy", "providers"),
    ("healthCheckGracePeriodSeconds", "grace"),
    ("enableExecuteCommand", "exec"),
    (FORCE, "force"),
)


def read_service(facts: Facts, data: QueryDict) -> ServiceForm:
    """Read the fields; one that was not sent is left as it is."""
    present = present_settings(facts)
    configuration = present.get(CONFIGURATION) or {}
    fields = {item.key: item for item in [*rollout_fields(configuration), *service_fields(facts, present)]}
    for item in fields.values():
        item.typed = data.get(item.name, item.current).strip().replace("\r\n", "\n")
    form = ServiceForm(fields, read_pauses(configuration, data))
    for key in NUMBERS:
        check_number(fields[key])
    form.spec = settings_of(form)
    return form


def settings_of(form: ServiceForm) -> Document:
    """Return the settings that the changed fields ask for; fields with an error are left out."""
    fields = form.fields
    changed = {key: item.typed for key, item in fields.items() if item.is_changed and not item.error}
    asked = {**strategy_settings(form, changed), **guard_settings(form, changed)}
    settings: Document = {CONFIGURATION: asked} if asked else {}
    if changed.get("platform"):
        settings["platformVersion"] = changed["platform"]
    if "providers" in changed:
        settings["capacityProviderStrategy"] = read_providers(fields["providers"])
    if "grace" in changed:
        settings["healthCheckGracePeriodSeconds"] = whole(changed["grace"] or "0")
    if "exec" in changed:
        settings["enableExecuteCommand"] = changed["exec"] == "yes"
    # ECS takes other capacity providers with a forced deployment only, so it goes without saying here.
    if changed.get("force") == "yes" or "capacityProviderStrategy" in settings:
        settings[FORCE] = True
    return settings


def strategy_settings(form: ServiceForm, changed: Mapping[str, str]) -> Document:
    """Return strategy, bake time, steps and bounds, as far as they were changed."""
    asked: Document = {}
    strategy = form.fields["strategy"].typed
    if "strategy" in changed:
        asked["strategy"] = strategy
    names = {"bake": "bakeTimeInMinutes", "minimum": "minimumHealthyPercent", "maximum": "maximumPercent"}
    asked |= {names[key]: whole(text) for key, text in changed.items() if key in names and text}
    for owner, holder, keys in (
        (
            CANARY,
            "canaryConfiguration",
            {"canaryPercent": OF_CANARY[0], "canaryBakeTimeInMinutes": OF_CANARY[1]},
        ),
        (LINEAR, "linearConfiguration", {"stepPercent": OF_LINEAR[0], "stepBakeTimeInMinutes": OF_LINEAR[1]}),
    ):
        is_new = "strategy" in changed or changed.keys() & set(keys.values())
        if strategy == owner and is_new:
            typed = {name: form.fields[key] for name, key in keys.items()}
            asked[holder] = {
                name: whole(item.typed) for name, item in typed.items() if item.typed and not item.error
            }
    return asked


def guard_settings(form: ServiceForm, changed: Mapping[str, str]) -> Document:
    """Return circuit breaker, alarms and pauses, as far as they were changed."""
    asked: Document = {}
    typed = {key: item.typed for key, item in form.fields.items()}
    if changed.keys() & {"breaker", "threshold", "threshold_value", "reset"}:
        asked["deploymentCircuitBreaker"] = breaker_of(typed, changed, form)
    if changed.keys() & {"alarms", "alarm_names"}:
        asked["alarms"] = {**switched(typed["alarms"]), "alarmNames": typed["alarm_names"].split()}
    if form.pauses.is_changed:
        asked["lifecycleHooks"] = form.pauses.hooks
    return asked


def switched(guard: str) -> Document:
    return {"enable": guard != OFF, "rollback": guard == ROLLS_BACK}


def breaker_of(typed: Mapping[str, str], changed: Mapping[str, str], form: ServiceForm) -> Document:
    breaker = switched(typed["breaker"])
    if "reset" in changed:
        breaker["resetOnHealthyTask"] = typed["reset"] == "yes"
    if not typed["threshold"]:
        return {**breaker, "thresholdConfiguration": None}
    if not typed["threshold_value"]:
        form.fields["threshold_value"].error = "Give the threshold, or leave it to ECS."
        return breaker
    if form.fields["threshold_value"].error:
        return breaker
    threshold = {"type": typed["threshold"], "value": whole(typed["threshold_value"])}
    return {**breaker, "thresholdConfiguration": threshold}


def read_providers(item: Field) -> list[Document]:
    """Read "name weight base" from each line; weight 1 and base 0 where a line names none."""
    found = []
    for line in item.typed.splitlines():
        name, *numbers = line.replace(",", " ").split() or [""]
        if len(numbers) > 2 or not all(map(is_number, numbers)):
            item.error = f"“{line.strip()[:60]}” is no line of name, weight and base."
        elif name:
            weight, base = [*map(int, numbers), *(1, 0)[len(numbers) :]]
            found.append({"capacityProvider": name, "weight": weight, "base": base})
    return found


def as_fields(settings: Facts, facts: Facts) -> dict[str, Any]:
    """Return the fields of a form that asks for these settings, for one that starts from an older change."""
    future = planned_facts(facts, settings)
    configuration = future.get(CONFIGURATION) or {}
    fields = [*rollout_fields(configuration), *service_fields(future, present_settings(future))]
    found: dict[str, Any] = {item.name: item.current for item in fields}
    found[f"{PREFIX}force"] = yes(settings.get(FORCE) and "capacityProviderStrategy" not in settings)
    return found | as_pause_fields(configuration)
