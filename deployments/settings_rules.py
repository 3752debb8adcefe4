"""What ECS demands of settings together, said at the field before anything is asked of ECS.

From the Amazon ECS API Reference (UpdateService, DeploymentConfiguration) and the Developer Guide's pages on rolling,
blue/green, linear and canary deployments.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Facts = Mapping[str, Any]
ROLLING, BLUE_GREEN, LINEAR, CANARY = "ROLLING", "BLUE_GREEN", "LINEAR", "CANARY"
STRATEGIES = {
    ROLLING: "tasks are replaced a few at a time",
    BLUE_GREEN: "a second full set of tasks, then all traffic at once",
    LINEAR: "a second full set of tasks, traffic in equal steps",
    CANARY: "a second full set of tasks, a small share of traffic first",
}
# Stages of which hooks of type PAUSE are not taken: traffic is moving there.
NO_PAUSE = frozenset({"TEST_TRAFFIC_SHIFT", "PRODUCTION_TRAFFIC_SHIFT"})
LONGEST_BAKE = 1440
FARGATE = ("FARGATE", "FARGATE_SPOT")
WHERE = "service.deploymentConfiguration"
Found = Iterator[tuple[str, str]]


def rule_errors(facts: Facts, present: Facts, wanted: Facts) -> dict[str, str]:
    """Return what cannot go together, by the field that is to be changed; only of what is asked for."""
    configuration = wanted.get("deploymentConfiguration") or {}
    found: dict[str, str] = {}
    rules = [provider_errors(facts, present, wanted), platform_errors(facts, wanted)]
    if configuration and configuration != present.get("deploymentConfiguration"):
        rules += [
            part_errors(configuration),
            traffic_errors(
                {**present, **wanted}, configuration, (present.get("deploymentConfiguration") or {})
            ),
            number_errors(configuration),
            hook_errors(configuration),
            bound_errors(facts, configuration),
        ]
    for rule in rules:
        for key, text in rule:
            found.setdefault(key, text)
    return found


def part_errors(configuration: Facts) -> Found:
    """Yield parts of another strategy than the one that is asked for."""
    strategy = configuration.get("strategy", ROLLING)
    for name, owner in (("linearConfiguration", LINEAR), ("canaryConfiguration", CANARY)):
        if configuration.get(name) and strategy != owner:
            yield f"{WHERE}.{name}", f"{name} goes with the strategy {owner} only."
    if strategy == ROLLING and configuration.get("lifecycleHooks"):
        yield (
            f"{WHERE}.lifecycleHooks",
            "ROLLING has no lifecycle stages, so no hooks: choose another strategy.",
        )
    if strategy != ROLLING and configuration.get("bakeTimeInMinutes") is None:
        yield f"{WHERE}.bakeTimeInMinutes", f"{strategy} needs a bake time; 0 goes on at once."


def traffic_errors(service: Facts, configuration: Facts, present: Facts) -> Found:
    """Yield what a service lacks for a strategy that it does not have yet."""
    strategy = configuration.get("strategy", ROLLING)
    if strategy in (ROLLING, present.get("strategy")):
        return
    balancers = [item for item in service.get("loadBalancers") or [] if item.get("targetGroupArn")]
    if not all(
        (item.get("advancedConfiguration") or {}).get("alternateTargetGroupArn") for item in balancers
    ):
        text = (
            f"{strategy} needs a second target group: the load balancer of this service has no advancedConfiguration"
            " with alternateTargetGroupArn, productionListenerRule and roleArn."
        )
        yield f"{WHERE}.strategy", text
    if strategy in (LINEAR, CANARY) and not (balancers or has_mesh(service)):
        text = (
            f"{strategy} moves traffic step by step, and this service has no load balancer, Service Connect or"
            " VPC Lattice whose traffic could be moved."
        )
        yield f"{WHERE}.strategy", text


def has_mesh(service: Facts) -> bool:
    connect = service.get("serviceConnectConfiguration") or {}
    return bool(connect.get("enabled") or service.get("vpcLatticeConfigurations"))


def number_errors(configuration: Facts) -> Found:
    """Yield numbers beyond what the API Reference allows."""
    limits = (
        ("bakeTimeInMinutes", configuration, 0, LONGEST_BAKE),
        ("linearConfiguration.stepPercent", configuration.get("linearConfiguration"), 3, 100),
        (
            "linearConfiguration.stepBakeTimeInMinutes",
            configuration.get("linearConfiguration"),
            0,
            LONGEST_BAKE,
        ),
        ("canaryConfiguration.canaryPercent", configuration.get("canaryConfiguration"), 0.1, 100),
        (
            "canaryConfiguration.canaryBakeTimeInMinutes",
            configuration.get("canaryConfiguration"),
            0,
            LONGEST_BAKE,
        ),
    )
    for name, holder, least, most in limits:
        value = (holder or {}).get(name.rsplit(".", 1)[-1])
        if value is not None and not least <= value <= most:
            yield f"{WHERE}.{name}", f"Give a number from {least:g} to {most:,}."
    threshold = (configuration.get("deploymentCircuitBreaker") or {}).get("thresholdConfiguration") or {}
    if threshold.get("value") is not None and threshold["value"] < 1:
        yield f"{WHERE}.deploymentCircuitBreaker.thresholdConfiguration.value", "The threshold is at least 1."
    alarms = configuration.get("alarms") or {}
    if alarms.get("enable") and not alarms.get("alarmNames"):
        yield f"{WHERE}.alarms.alarmNames", "Name at least one CloudWatch alarm, or turn the alarms off."


def hook_errors(configuration: Facts) -> Found:
    for index, hook in enumerate(configuration.get("lifecycleHooks") or []):
        where = f"{WHERE}.lifecycleHooks[{index}]"
        stages = set(hook.get("lifecycleStages") or [])
        if not stages:
            yield f"{where}.lifecycleStages", "Name the stage at which the hook stands."
        if hook.get("targetType") != "PAUSE":
            for name in ("hookTargetArn", "roleArn"):
                if not hook.get(name):
                    yield f"{where}.{name}", f"A hook that calls a Lambda function needs {name}."
            continue
        if moving := sorted(stages & NO_PAUSE):
            yield (
                f"{where}.lifecycleStages",
                f"ECS does not pause at {' or '.join(moving)}: traffic is moving there.",
            )
        if hook.get("hookTargetArn"):
            yield f"{where}.hookTargetArn", "A PAUSE hook calls nothing: it has no hookTargetArn."


def bound_errors(facts: Facts, configuration: Facts) -> Found:
    """Yield bounds between which a rollout could never move, whatever the count."""
    if facts.get("schedulingStrategy") == "DAEMON" or configuration.get("strategy", ROLLING) != ROLLING:
        return
    least, most = configuration.get("minimumHealthyPercent", 100), configuration.get("maximumPercent", 200)
    if most < 1 or least < 0:
        yield f"{WHERE}.maximumPercent", "The maximum is above 0 and the minimum not below."
    elif most <= 100 <= least:
        text = "With a minimum of 100% and a maximum of 100% ECS may neither stop nor start a task."
        yield f"{WHERE}.maximumPercent", text


def provider_errors(facts: Facts, present: Facts, wanted: Facts) -> Found:
    """Yield what does not go together in a capacity provider strategy."""
    if "capacityProviderStrategy" not in wanted:
        return
    where, items = "service.capacityProviderStrategy", wanted["capacityProviderStrategy"]
    names = [item["capacityProvider"] for item in items]
    if len(set(names)) < len(names):
        yield where, "Each capacity provider stands once."
    if sum(bool(item.get("base")) for item in items) > 1:
        yield where, "Only one capacity provider may have a base."
    if items and not any(item.get("weight", 0) > 0 for item in items):
        yield where, "At least one capacity provider has a weight above 0."
    if any(name in FARGATE for name in names) and any(name not in FARGATE for name in names):
        yield where, "Fargate and other capacity providers do not go into one strategy."
    shares = [(item["capacityProvider"], item.get("weight", 0), item.get("base", 0)) for item in items]
    before = [
        (item["capacityProvider"], item.get("weight", 0), item.get("base", 0))
        for item in present.get("capacityProviderStrategy") or []
    ]
    if shares != before and not wanted.get("forceNewDeployment"):
        text = "ECS takes another capacity provider strategy only with a forced new deployment: ask for it as well."
        yield "service.forceNewDeployment", text


def platform_errors(facts: Facts, wanted: Facts) -> Found:
    if not wanted.get("platformVersion"):
        return
    strategy = wanted.get("capacityProviderStrategy", facts.get("capacityProviderStrategy")) or []
    if strategy:
        is_fargate = any(item.get("capacityProvider") in FARGATE for item in strategy)
    else:
        is_fargate = facts.get("launchType") == "FARGATE"
    if not is_fargate:
        yield "service.platformVersion", "Only tasks on Fargate have a platform version."
