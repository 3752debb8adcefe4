"""A service's facts in words: how it deploys, where it runs, what stands in front of it. Every fact may be missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clusters.strip import revision_of

Pairs = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Section:
    """A titled list of facts; `empty` says what it means that there are none."""

    title: str
    pairs: Pairs
    empty: str = ""


@dataclass(frozen=True, slots=True)
class Breaker:
    """The deployment circuit breaker: its setting, and its count where a deployment has one."""

    is_on: bool
    rolls_back: bool
    failures: int | None = None
    threshold: int | None = None

    @property
    def words(self) -> str:
        if not self.is_on:
            return "Off: a failing rollout goes on until someone stops it"
        return "On, rolls back" if self.rolls_back else "On, stops without rolling back"

    @property
    def left(self) -> int | None:
        """Return how many more failures ECS allows."""
        if self.failures is None or self.threshold is None:
            return None
        return max(0, self.threshold - self.failures)

    @property
    def cells(self) -> list[str]:
        """Return one cell for each failure that counts, for the fuse; none when there are too many to draw."""
        if not self.is_on or self.failures is None or not self.threshold or self.threshold > 24:
            return []
        failed = min(self.failures, self.threshold)
        return ["fail"] * failed + ["slot"] * (self.threshold - failed)


def deployments_of(facts: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list(facts.get("deployments") or [])


def primary_of(facts: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the PRIMARY deployment, an empty one when ECS names none."""
    return next((item for item in deployments_of(facts) if item.get("status") == "PRIMARY"), {})


def outgoing_of(facts: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the newest deployment that is being replaced, an empty one when there is none."""
    older = [item for item in deployments_of(facts) if item.get("status") != "PRIMARY"]
    return max(older, key=lambda item: str(item.get("createdAt", "")), default={})


def breaker_of(service_facts: Mapping[str, Any], deployment_facts: Mapping[str, Any]) -> Breaker:
    """Return the circuit breaker's setting and, where the service deployment tells, its count."""
    setting = (service_facts.get("deploymentConfiguration") or {}).get("deploymentCircuitBreaker") or {}
    count = deployment_facts.get("deploymentCircuitBreaker") or {}
    return Breaker(
        is_on=bool(setting.get("enable")),
        rolls_back=bool(setting.get("rollback")),
        failures=count.get("failureCount"),
        threshold=count.get("threshold"),
    )


def strategy_words(facts: Mapping[str, Any]) -> str:
    """Return the deployment strategy with its bounds: `Rolling, 75% to 125%`."""
    configuration = facts.get("deploymentConfiguration") or {}
    controller = (facts.get("deploymentController") or {}).get("type") or "ECS"
    if controller != "ECS":
        return f"By {controller}"
    names = {"ROLLING": "Rolling", "BLUE_GREEN": "Blue/green", "LINEAR": "Linear", "CANARY": "Canary"}
    strategy = str(configuration.get("strategy") or "ROLLING")
    low, high = configuration.get("minimumHealthyPercent"), configuration.get("maximumPercent")
    bounds = f", {low}% to {high}%" if low is not None and high is not None else ""
    return names.get(strategy, strategy) + bounds


def placement_words(facts: Mapping[str, Any]) -> str:
    """Return what the tasks run on: capacity providers with their weights, else the launch type."""
    strategy = facts.get("capacityProviderStrategy") or []
    if strategy:
        return ", ".join(
            f"{item.get('capacityProvider', '')} (weight {item.get('weight', 0)}, base {item.get('base', 0)})"
            for item in strategy
        )
    return str(facts.get("launchType") or "")


def yes(value: object) -> str:
    return "on" if value else "off"


def present(pairs: list[tuple[str, Any]]) -> Pairs:
    return [(name, str(value)) for name, value in pairs if value not in (None, "", [], {})]


def configuration_of(facts: Mapping[str, Any]) -> list[Section]:
    """Return the whole configuration in titled sections."""
    return [
        Section("Service", service_pairs(facts)),
        Section("Deployment", deployment_pairs(facts)),
        Section("Network", network_pairs(facts), "This service has no network configuration of its own."),
        Section("Load balancers", balancer_pairs(facts), "No load balancer is attached."),
        Section(
            "Discovery",
            discovery_pairs(facts),
            "No service registry or Service Connect namespace is attached.",
        ),
        Section("Placement", placement_pairs(facts), "No placement rules are set."),
        Section("Tags", tag_pairs(facts), "No tags are set."),
    ]


def service_pairs(facts: Mapping[str, Any]) -> Pairs:
    return present(
        [
            ("Status", facts.get("status")),
            ("Scheduling", facts.get("schedulingStrategy")),
            ("Runs on", placement_words(facts)),
            ("Platform", " ".join(filter(None, [facts.get("platformFamily"), facts.get("platformVersion")]))),
            ("Task definition", str(facts.get("taskDefinition") or "").rpartition("/")[2]),
            ("Desired count", facts.get("desiredCount")),
            ("ECS Exec", yes(facts.get("enableExecuteCommand"))),
            ("Service role", facts.get("roleArn")),
            ("Created", str(facts.get("createdAt") or "")[:19].replace("T", " ")),
            ("Created by", facts.get("createdBy")),
            ("Service ARN", facts.get("serviceArn")),
        ]
    )


def deployment_pairs(facts: Mapping[str, Any]) -> Pairs:
    configuration = facts.get("deploymentConfiguration") or {}
    alarms = configuration.get("alarms") or {}
    bake = configuration.get("bakeTimeInMinutes")
    grace = facts.get("healthCheckGracePeriodSeconds")
    return present(
        [
            ("Controller", (facts.get("deploymentController") or {}).get("type")),
            ("Strategy", strategy_words(facts)),
            ("Circuit breaker", breaker_of(facts, {}).words),
            ("Alarms", ", ".join(alarms.get("alarmNames") or []) if alarms.get("enable") else ""),
            ("Bake time", f"{bake} min" if bake is not None else ""),
            ("Lifecycle hooks", len(configuration.get("lifecycleHooks") or []) or ""),
            ("Health check grace period", f"{grace} s" if grace else ""),
            ("Zone rebalancing", facts.get("availabilityZoneRebalancing")),
        ]
    )


def network_pairs(facts: Mapping[str, Any]) -> Pairs:
    vpc = (facts.get("networkConfiguration") or {}).get("awsvpcConfiguration") or {}
    return present(
        [
            ("Subnets", ", ".join(vpc.get("subnets") or [])),
            ("Security groups", ", ".join(vpc.get("securityGroups") or [])),
            ("Public address", vpc.get("assignPublicIp")),
        ]
    )


def balancer_pairs(facts: Mapping[str, Any]) -> Pairs:
    pairs: Pairs = []
    for item in facts.get("loadBalancers") or []:
        target = item.get("targetGroupArn") or item.get("loadBalancerName") or ""
        pairs.append((f"{item.get('containerName', '')}:{item.get('containerPort', '')}", str(target)))
    return pairs


def discovery_pairs(facts: Mapping[str, Any]) -> Pairs:
    pairs = [
        ("Service registry", str(item.get("registryArn", "")))
        for item in facts.get("serviceRegistries") or []
    ]
    # Service Connect is part of the deployment, not of the service.
    connect = primary_of(facts).get("serviceConnectConfiguration") or {}
    if connect.get("enabled"):
        pairs.append(("Service Connect namespace", str(connect.get("namespace") or "default")))
    return pairs


def placement_pairs(facts: Mapping[str, Any]) -> Pairs:
    rules = [
        ("Strategy", item.get("type"), item.get("field")) for item in facts.get("placementStrategy") or []
    ]
    rules += [
        ("Constraint", item.get("type"), item.get("expression"))
        for item in facts.get("placementConstraints") or []
    ]
    return [(name, " ".join(str(part) for part in (kind, rest) if part)) for name, kind, rest in rules]


def tag_pairs(facts: Mapping[str, Any]) -> Pairs:
    return sorted((str(tag.get("key", "")), str(tag.get("value", ""))) for tag in facts.get("tags") or [])


def deployment_facts(facts: Mapping[str, Any], breaker: Breaker) -> Pairs:
    """Return what AWS says about the running deployment, verbatim where it has a word for it."""
    primary = primary_of(facts)
    counts = [f"{primary[key]} {word}" for key, word in COUNTS if primary.get(key) is not None]
    return present(
        [
            ("AWS state", ", ".join(filter(None, [primary.get("status"), primary.get("rolloutState")]))),
            ("AWS reason", primary.get("rolloutStateReason")),
            ("Tasks", ", ".join(counts)),
            ("Strategy", strategy_words(facts)),
            ("Circuit breaker", breaker_line(breaker)),
        ]
    )


COUNTS = (
    ("desiredCount", "desired"),
    ("runningCount", "running"),
    ("pendingCount", "pending"),
    ("failedTasks", "failed"),
)


def breaker_line(breaker: Breaker) -> str:
    if not breaker.is_on or breaker.failures is None or breaker.threshold is None:
        return breaker.words
    return f"{breaker.words}, {breaker.failures} of {breaker.threshold} failures"


def revision_names(facts: Mapping[str, Any]) -> tuple[str, str]:
    """Return the outgoing and the incoming revision: `:213`, `:214`; a restart has the same twice."""
    outgoing = str(outgoing_of(facts).get("taskDefinition") or "")
    return revision_of(outgoing), revision_of(str(primary_of(facts).get("taskDefinition") or ""))
