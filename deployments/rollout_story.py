"""What a rollout will do, in one sentence, and what it costs in tasks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from clusters.models import Service
from deployments.preflight import churn_of
from deployments.settings_rules import BLUE_GREEN, CANARY, LINEAR, ROLLING

Facts = Mapping[str, Any]
# ECS's own figures where a configuration names none, from the API Reference.
LINEAR_STEP, LINEAR_WAIT = 10.0, 6
CANARY_SHARE, CANARY_WAIT = 5.0, 10
HOOK_WAIT = 1440
# The stage that a canary and a linear deployment come to again before each step.
BEFORE_SHIFT = "PRE_PRODUCTION_TRAFFIC_SHIFT"
STEPPED = frozenset({CANARY, LINEAR})
STAGES = {
    "RECONCILE_SERVICE": "before anything starts",
    "PRE_SCALE_UP": "before the new tasks start",
    "POST_SCALE_UP": "when the new tasks run",
    "POST_TEST_TRAFFIC_SHIFT": "when test traffic has moved",
    BEFORE_SHIFT: "before production traffic moves",
    "POST_PRODUCTION_TRAFFIC_SHIFT": "when production traffic has moved",
}


def cost_of(service: Service) -> dict[str, Any]:
    """Return the tasks that a rollout of a service starts and stops, and the sentence that tells how it goes."""
    return {**churn_of(service), "sentence": story_of(service.facts.get("deploymentConfiguration") or {})}


def story_of(configuration: Facts) -> str:
    """Tell how a rollout with this configuration goes: "Traffic moves 10% first, waits 5 min, then the rest."."""
    strategy = configuration.get("strategy", ROLLING)
    parts = [rolling(configuration) if strategy == ROLLING else shifting(strategy, configuration)]
    parts += [pauses(configuration, strategy), guards(configuration, strategy)]
    return " ".join(part for part in parts if part)


def rolling(configuration: Facts) -> str:
    least, most = configuration.get("minimumHealthyPercent", 100), configuration.get("maximumPercent", 200)
    return f"Tasks are replaced while {least}% to {most}% of the desired count run."


def shifting(strategy: str, configuration: Facts) -> str:
    bake = configuration.get("bakeTimeInMinutes") or 0
    after = (
        f"the old tasks stay {minutes(bake)} more as the way back" if bake else "the old tasks stop at once"
    )
    return f"A second full set of tasks starts beside the first; {traffic(strategy, configuration)}; {after}."


def traffic(strategy: str, configuration: Facts) -> str:
    if strategy == CANARY:
        chosen = configuration.get("canaryConfiguration") or {}
        share = chosen.get("canaryPercent", CANARY_SHARE)
        wait = chosen.get("canaryBakeTimeInMinutes", CANARY_WAIT)
        return f"traffic moves {share:g}% first, waits {minutes(wait)}, then the rest"
    if strategy == LINEAR:
        chosen = configuration.get("linearConfiguration") or {}
        step = chosen.get("stepPercent", LINEAR_STEP)
        wait = chosen.get("stepBakeTimeInMinutes", LINEAR_WAIT)
        return f"traffic moves in steps of {step:g}%, {minutes(wait)} apart"
    if strategy == BLUE_GREEN:
        return "all traffic moves at once when the new tasks are healthy"
    return f"traffic moves as {strategy} has it"


def pauses(configuration: Facts, strategy: str) -> str:
    """Say where it waits for a person, and what becomes of it when nobody comes."""
    hooks = [item for item in configuration.get("lifecycleHooks") or [] if item.get("targetType") == "PAUSE"]
    if not hooks:
        return ""
    texts = STAGES | ({BEFORE_SHIFT: "before each step of production traffic"} if strategy in STEPPED else {})
    return f"It stays paused for you {'; '.join(pause(hook, texts) for hook in hooks)}."


def pause(hook: Facts, texts: Mapping[str, str]) -> str:
    stages = hook.get("lifecycleStages") or []
    where = " and ".join(f"{texts.get(stage, 'at a stage')} ({stage})" for stage in stages)
    limit = hook.get("timeoutConfiguration") or {}
    word = "goes on" if limit.get("action") == "CONTINUE" else "rolls back"
    return f"{where}, and {word} after {minutes(limit.get('timeoutInMinutes', HOOK_WAIT))}"


def guards(configuration: Facts, strategy: str) -> str:
    """Say what rolls it back by itself."""
    breaker, alarms = configuration.get("deploymentCircuitBreaker") or {}, configuration.get("alarms") or {}
    causes = []
    if strategy == ROLLING and breaker.get("enable") and breaker.get("rollback"):
        causes.append("too many failed tasks")
    if alarms.get("enable") and alarms.get("rollback"):
        names = ", ".join(alarms.get("alarmNames") or [])
        causes.append(f"an alarm ({names})")
    return f"Rolled back by {' or '.join(causes)}." if causes else ""


def waits_of(configuration: Facts) -> timedelta:
    """Return how long a rollout waits because it was told to: between steps, in bake time, and for a person."""
    strategy = configuration.get("strategy", ROLLING)
    wait = float(configuration.get("bakeTimeInMinutes") or 0)
    if strategy == CANARY:
        wait += (configuration.get("canaryConfiguration") or {}).get("canaryBakeTimeInMinutes", CANARY_WAIT)
    if strategy == LINEAR:
        chosen = configuration.get("linearConfiguration") or {}
        wait += (steps_of(configuration) - 1) * chosen.get("stepBakeTimeInMinutes", LINEAR_WAIT)
    for hook in configuration.get("lifecycleHooks") or []:
        named = hook.get("lifecycleStages") or []
        stages = len(named) + (steps_of(configuration) - 1 if BEFORE_SHIFT in named else 0)
        wait += stages * (hook.get("timeoutConfiguration") or {}).get("timeoutInMinutes", HOOK_WAIT)
    return timedelta(minutes=wait)


def steps_of(configuration: Facts) -> int:
    """Return in how many steps production traffic moves."""
    strategy = configuration.get("strategy")
    if strategy == LINEAR:
        share = float((configuration.get("linearConfiguration") or {}).get("stepPercent", LINEAR_STEP))
        return math.ceil(100 / max(share, 1.0))
    return 2 if strategy == CANARY else 1


def minutes(count: float) -> str:
    """Return a time as people say it: 5 min, 2 h, 24 h."""
    if count and count % 60 == 0:
        return f"{count // 60:g} h"
    return f"{count:g} min"
