"""Settings of a service that a deploy may change along: whatever UpdateService takes, only what differs, in one call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws import shapes
from clusters.service_view import primary_of
from deployments.merging import difference, merge, normal
from deployments.settings_rules import rule_errors

Document = dict[str, Any]
Errors = dict[str, str]
Facts = Mapping[str, Any]
UPDATE = "UpdateService"
CONFIGURATION, FORCE = "deploymentConfiguration", "forceNewDeployment"
# What names the service, what other changes are for, and what ECS does not let anybody change.
NOT_SETTINGS = frozenset({"cluster", "service", "taskDefinition", "desiredCount", "deploymentController"})
# Members whose change begins a service deployment, as UpdateService documents them; a test compares the SDK's text.
BEGINS = frozenset(
    {
        "networkConfiguration",
        "platformVersion",
        "loadBalancers",
        "serviceRegistries",
        "serviceConnectConfiguration",
        "volumeConfigurations",
        "vpcLatticeConfigurations",
        FORCE,
    }
)
# Parts of a deployment configuration that belong to one strategy alone.
OF_STRATEGY = {"linearConfiguration": "LINEAR", "canaryConfiguration": "CANARY"}
LABELS = {
    CONFIGURATION: "rollout",
    "platformVersion": "platform version",
    "capacityProviderStrategy": "capacity providers",
    "healthCheckGracePeriodSeconds": "grace period",
    "enableExecuteCommand": "ECS Exec",
    "networkConfiguration": "network",
    "loadBalancers": "load balancers",
}


def settable() -> frozenset[str]:
    """Return the members that may be asked for, from the SDK's own model."""
    return shapes.input_members(UPDATE) - NOT_SETTINGS


def present_settings(facts: Facts) -> Document:
    """Return the settings as ECS describes them; some stand at the PRIMARY deployment alone."""
    primary = primary_of(facts)
    found = {name: facts.get(name, primary.get(name)) for name in settable() - {FORCE}}
    return {name: value for name, value in found.items() if value is not None}


def clean_settings(facts: Facts, asked: Any, errors: Errors) -> Document:
    """Return the settings that differ from the present ones; of the deployment configuration a merge document."""
    if not isinstance(asked, Mapping):
        errors["service"] = "The settings of the service are an object, in braces."
        return {}
    found = {f"service.{name}": f"{name} is not changed by a deploy." for name in asked.keys() & NOT_SETTINGS}
    present = present_settings(facts)
    wanted = {name: whole(name, value) for name, value in asked.items() if name not in NOT_SETTINGS}
    configuration = wanted.get(CONFIGURATION)
    if isinstance(configuration, Mapping):
        wanted[CONFIGURATION] = asked_configuration(present, configuration)
    for problem in shapes.problems_of(UPDATE, wanted, is_whole=False):
        found.setdefault(f"service.{shapes.spelled(problem.path)}", problem.text)
    found = found or rule_errors(facts, present, wanted)
    errors.update(found)
    if found:
        return {}
    patch = (
        difference(present.get(CONFIGURATION) or {}, wanted.pop(CONFIGURATION, None) or {})
        if configuration
        else {}
    )
    cleaned = {name: value for name, value in wanted.items() if differs(name, present.get(name), value)}
    return cleaned | ({CONFIGURATION: patch} if patch else {})


def whole(name: str, value: Any) -> Any:
    """Return a setting with what ECS fills in; null takes a list away."""
    if value is None:
        return {} if name == CONFIGURATION else []
    if name == "capacityProviderStrategy" and isinstance(value, list):
        return [{"weight": 0, "base": 0, **item} if isinstance(item, Mapping) else item for item in value]
    return value


def differs(name: str, present: Any, value: Any) -> bool:
    """Whether a setting is another than the present one; none at all is as good as empty, 0 or false."""
    return bool((normal(whole(name, value)) or None) != (normal(whole(name, present)) or None))


def asked_configuration(present: Facts, asked: Facts) -> Document:
    """Return the whole deployment configuration that is asked for, without what another strategy left behind."""
    merged: Document = merge(present.get(CONFIGURATION) or {}, asked)
    strategy = merged.get("strategy", "ROLLING")
    for name, owner in OF_STRATEGY.items():
        if strategy != owner and name not in asked:
            merged.pop(name, None)
    if strategy == "ROLLING" and "lifecycleHooks" not in asked:
        merged.pop("lifecycleHooks", None)
    return merged


def update_params(configuration: Facts, settings: Facts) -> Document:
    """Return what UpdateService is sent: the deployment configuration whole, so that nothing is left to be guessed.

    A list that was removed is sent empty, because ECS keeps what a call does not name.
    """
    params = {name: value for name, value in settings.items() if name != CONFIGURATION}
    patch = settings.get(CONFIGURATION)
    if patch is None:
        return params
    emptied: Document = {
        name: [] for name, value in patch.items() if value is None and name == "lifecycleHooks"
    }
    whole = {**merge(configuration, patch), **emptied}
    return {**params, CONFIGURATION: shapes.known_part(UPDATE, {CONFIGURATION: whole})[CONFIGURATION]}


def begins_deployment(settings: Facts) -> bool:
    """Whether ECS begins a service deployment for these settings alone."""
    return bool(BEGINS & settings.keys())


def is_shown(facts: Facts, params: Facts) -> bool:
    """Whether DescribeServices shows what was sent; ECS may show more members than were asked for."""
    present = present_settings(facts)
    return all(contains(present.get(name), value) for name, value in params.items() if name != FORCE)


def contains(shown: Any, wanted: Any) -> bool:
    """Whether a value says what is wanted, and maybe more; empty is as good as absent."""
    if isinstance(wanted, Mapping):
        return isinstance(shown or {}, Mapping) and all(
            contains((shown or {}).get(key), value) for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        items = shown or []
        return (
            isinstance(items, list)
            and len(items) == len(wanted)
            and all(any(contains(one, item) for one in items) for item in wanted)
        )
    return bool(shown == wanted) or (normal(wanted) in (None, "", 0, False) and not shown)


def planned_facts(facts: Facts, settings: Facts) -> Document:
    """Return the facts of a service as they would be with these settings."""
    params = update_params(facts.get(CONFIGURATION) or {}, settings)
    return {**facts, **{name: value for name, value in params.items() if name != FORCE}}


def names_of(settings: Facts) -> list[str]:
    """Return what people call these settings, in one order."""
    first = [name for name in LABELS if name in settings]
    return [LABELS.get(name, name) for name in [*first, *sorted(settings.keys() - {*LABELS, FORCE})]]
