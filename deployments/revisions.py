"""A service revision against what the service is set to now: what of UpdateService brings it back, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clusters.diff import Group, diff_group
from clusters.masking import mask
from clusters.service_view import primary_of
from deployments.merging import normal

Document = dict[str, Any]
# Members that a revision copies and UpdateService takes. The desired count, the deployment configuration and the
# grace period are no part of a revision, so they stay as they are.
ON_SERVICE = (
    "capacityProviderStrategy",
    "platformVersion",
    "networkConfiguration",
    "loadBalancers",
    "serviceRegistries",
)
ON_DEPLOYMENT = ("serviceConnectConfiguration", "volumeConfigurations", "vpcLatticeConfigurations")
MEMBERS = (*ON_SERVICE, *ON_DEPLOYMENT)
# How UpdateService is told to take something away; a network cannot be taken away.
REMOVED: Mapping[str, Any] = {
    "capacityProviderStrategy": [],
    "loadBalancers": [],
    "serviceRegistries": [],
    "volumeConfigurations": [],
    "vpcLatticeConfigurations": [],
    "serviceConnectConfiguration": {"enabled": False},
}
# These change the service without beginning a deployment, so that alone they would move no task.
SILENT = frozenset({"capacityProviderStrategy"})
UNORDERED = frozenset({"subnets", "securityGroups"})


def present_config(facts: Mapping[str, Any]) -> Document:
    """Return what a service is set to, of what revisions copy; some of it ECS shows on the PRIMARY deployment only."""
    primary = primary_of(facts)
    config = {name: facts.get(name) or primary.get(name) for name in ON_SERVICE}
    return {**config, **{name: primary.get(name) for name in ON_DEPLOYMENT}}


def changes_to(facts: Mapping[str, Any], revision: Mapping[str, Any]) -> Document:
    """Return the members of UpdateService that bring a service to a revision: only those that differ."""
    now = present_config(facts)
    changes: Document = {}
    for name in MEMBERS:
        before, after = comparable(name, now.get(name)), comparable(name, revision.get(name))
        if before == after or (name == "platformVersion" and is_same_platform(facts, revision)):
            continue
        if after:
            changes[name] = revision[name]
        elif name in REMOVED:
            changes[name] = REMOVED[name]
    return changes


def config_of(revision: Mapping[str, Any]) -> Document:
    """Return the configuration of a revision in one form, to compare two of them."""
    found = {name: comparable(name, revision.get(name)) for name in MEMBERS}
    return {name: value for name, value in found.items() if value}


def comparable(name: str, value: Any) -> Any:
    """Return a value without what makes no difference: empty members, and the order of what has none."""
    found = normal(value)
    if name == "serviceConnectConfiguration" and isinstance(found, Mapping) and not found.get("enabled"):
        return {}
    if name == "capacityProviderStrategy" and isinstance(found, list):
        return sorted(
            (item.get("capacityProvider", ""), item.get("weight", 0), item.get("base", 0)) for item in found
        )
    return unordered(found)


def unordered(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            key: sorted(item) if key in UNORDERED and isinstance(item, list) else unordered(item)
            for key, item in value.items()
        }
    return [unordered(item) for item in value] if isinstance(value, list) else value


def is_same_platform(facts: Mapping[str, Any], revision: Mapping[str, Any]) -> bool:
    """Whether a platform version is the service's: LATEST on the service stands as a number on its deployments."""
    wanted = revision.get("platformVersion")
    return not wanted or wanted in (facts.get("platformVersion"), primary_of(facts).get("platformVersion"))


def begins_nothing(changes: Mapping[str, Any]) -> bool:
    """Whether a change of these members alone would leave the tasks as they are."""
    return bool(changes) and set(changes) <= SILENT


def service_group(facts: Mapping[str, Any], revision: Mapping[str, Any]) -> Group:
    """Return the group of a diff that shows what changes of the service itself, masked."""
    changes = changes_to(facts, revision)
    now = present_config(facts)
    before = {name: mask(now.get(name)) for name in changes}
    after = {name: mask(revision.get(name) or None) for name in changes}
    return diff_group("Service", "service", before, after)
